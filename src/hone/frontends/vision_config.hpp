// The configuration of a network of pictures, in timm's form: {"architecture", "num_classes",
// "model_args", "pretrained_cfg" {input_size, mean, std, crop_pct}} with id2label beside it.
#pragma once

#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/options.hpp"
#include "hone/data/image.hpp"
#include "hone/frontends/zoo/architecture.hpp"

namespace hone {

struct VisionConfig {
  std::string architecture;  // a built-in name
  std::vector<std::string> labels;
  ImageInput image;
  Options arguments = {};  // of the architecture, complete

  // Throws Error(bad_format | unsupported) naming the key; keys of "model_args" are `arguments`.
  static VisionConfig from_json(const Json& json, const std::vector<OptionSpec>& arguments,
                                const std::string& where);
  // Arguments that have their default are left out.
  Json to_json(const std::vector<OptionSpec>& arguments) const;
  void set_labels(std::int64_t count);
};

// Sizes that every built-in network of pictures has as settings: image_size, num_channels,
// num_labels; before `more`.
std::vector<OptionSpec> vision_options(std::vector<OptionSpec> more);
// A built-in with these settings: `config` has its defaults, `image_size` its usual size.
VisionConfig builtin_vision_config(const std::string& name, std::int64_t image_size,
                                   const std::vector<OptionSpec>& arguments,
                                   const SizeSettings& sizes);
// The configuration with these labels.
Json vision_with_labels(const Json& json, const std::vector<OptionSpec>& arguments,
                        const std::vector<std::string>& labels, const std::string& where);
// Architecture::with_labels of networks whose own options are `arguments`.
template <auto arguments>
Json vision_with_labels(const Json& json, const std::vector<std::string>& labels,
                        const std::string& where) {
  return vision_with_labels(json, arguments(), labels, where);
}
// The usual preparation at this size: shorter side to size / 0.875 (size itself below 128), means
// and deviations of ImageNet; 1/2 of each for grey.
ImageInput usual_image_input(std::int64_t channels, std::int64_t size);
// What Hugging Face's configuration and its preprocessor_config.json (where it is there) say of
// labels and preparation.
VisionConfig read_hugging_face_vision(const Json& json, const std::filesystem::path& directory,
                                      const std::string& architecture, const std::string& where);
// "1,2,3" as an argument has it.
std::vector<std::int64_t> size_list(const Options& arguments, const std::string& name,
                                    const std::string& where);

}  // namespace hone
