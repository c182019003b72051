// Residual networks: He et al., "Deep Residual Learning for Image Recognition" (arXiv 1512.03385),
// strides of bottlenecks in the 3 x 3 convolution, by the parameter names of torchvision and timm.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/conv_builder.hpp"
#include "hone/frontends/vision_config.hpp"
#include "hone/frontends/zoo/architecture.hpp"

namespace hone {
namespace {
namespace resnet_architecture {

struct Builtin {
  const char* name;
  const char* block;
  const char* depths;
  const char* widths;
  std::int64_t image_size;
};
constexpr std::array<Builtin, 4> builtins{
    {{"resnet18", "basic", "2,2,2,2", "64,128,256,512", 224},
     {"resnet34", "basic", "3,4,6,3", "64,128,256,512", 224},
     {"resnet50", "bottleneck", "3,4,6,3", "64,128,256,512", 224},
     // For CIFAR-10, section 4.2 of the paper.
     {"resnet20", "basic", "3,3,3", "16,32,64", 32}}};

// timm names versions of weights behind a dot.
const Builtin* find_builtin(const std::string& architecture) {
  const std::string name = architecture.substr(0, architecture.find('.'));
  const auto found = std::find_if(builtins.begin(), builtins.end(),
                                  [&](const Builtin& one) { return one.name == name; });
  return found == builtins.end() ? nullptr : &*found;
}

std::vector<OptionSpec> arguments() {
  OptionSpec stem{
      "stem", OptionType::text, std::string("auto"),
      "of ResNets: what they begin with: 7 x 7 with stride 2 and pooling (large), 3 x 3 "
      "(small), small for pictures up to 64 x 64 (auto)"};
  stem.choices = {"auto", "large", "small"};
  return {
      stem,
      {"depths", OptionType::text, std::string("as named"), "of ResNets: blocks of each level"},
      {"widths", OptionType::text, std::string("as named"), "of ResNets: filters of each level"}};
}

class Network {
public:
  Network(const VisionConfig& config, const Builtin& kind, std::string where)
      : config_(config),
        bottleneck_(std::string(kind.block) == "bottleneck"),
        where_(std::move(where)),
        build_(config, kind.name) {
    depths_ = sizes("depths", kind.depths);
    widths_ = sizes("widths", kind.widths);
    if (depths_.size() != widths_.size())
      throw Error(ErrorCode::bad_format, fmt::format("{}: depths of {} levels, widths of {}",
                                                     where_, depths_.size(), widths_.size()));
  }

  Blueprint make() {
    ValueId x = begin();
    for (std::size_t level = 0; level < depths_.size(); ++level)
      for (std::int64_t i = 0; i < depths_[level]; ++i)
        x = block(x, fmt::format("layer{}.{}", level + 1, i), widths_[level],
                  level > 0 && i == 0 ? 2 : 1);
    return build_.finish(build_.mean(x), "fc", where_);
  }

private:
  std::vector<std::int64_t> sizes(const std::string& name, const char* usual) const {
    if (config_.arguments.text(name) == "as named")
      return size_list({{name, std::string(usual)}}, name, where_);
    return size_list(config_.arguments, name, where_);
  }

  ValueId begin() {
    const std::string& stem = config_.arguments.text("stem");
    constexpr std::int64_t small = 64;
    const bool large = stem == "large" || (stem == "auto" && std::min(config_.image.height,
                                                                      config_.image.width) > small);
    const ConvShape shape =
        large ? ConvShape{widths_[0], 7, 2, 1, 3, 3} : ConvShape{widths_[0], 3, 1, 1, 1, 1};
    const ValueId x = build_.relu(
        build_.norm(build_.conv(build_.pixels(), "conv1", shape, "conv1"), "bn1", "bn1"));
    return large ? build_.max_pool(x, 3, 2, 1) : x;
  }

  ValueId block(ValueId x, const std::string& name, std::int64_t width, std::int64_t stride) {
    const auto layer = [&](ValueId from, int number, const ConvShape& shape) {
      const std::string conv = fmt::format("{}.conv{}", name, number);
      const std::string norm = fmt::format("{}.bn{}", name, number);
      return build_.norm(build_.conv(from, conv, shape, conv), norm, norm);
    };
    const std::int64_t out = bottleneck_ ? 4 * width : width;
    ValueId y = none;
    if (bottleneck_) {
      y = build_.relu(layer(x, 1, {width}));
      y = build_.relu(layer(y, 2, {width, 3, stride, 1, 1, 1}));
      y = layer(y, 3, {out});
    } else {
      y = build_.relu(layer(x, 1, {width, 3, stride, 1, 1, 1}));
      y = layer(y, 2, {width, 3, 1, 1, 1, 1});
    }
    if (stride != 1 || build_.channels(x) != out) {
      const std::string side = name + ".downsample";
      x = build_.norm(build_.conv(x, side + ".0", {out, 1, stride}, side + ".0"), side + ".1",
                      side + ".1");
    }
    return build_.relu(build_.sum(y, x));
  }

  const VisionConfig& config_;
  bool bottleneck_;
  std::string where_;
  ConvBuilder build_;
  std::vector<std::int64_t> depths_, widths_;
};

Blueprint make(const Json& json, const std::string& where) {
  const VisionConfig config = VisionConfig::from_json(json, arguments(), where);
  const Builtin* kind = find_builtin(config.architecture);
  if (kind == nullptr)
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: key 'architecture': '{}' is no ResNet that hone builds", where,
                            printable(config.architecture, 60)));
  return Network(config, *kind, where).make();
}

// Tensors of transformers' ResNetForImageClassification.
std::string own_name(const std::string& name) {
  if (name.ends_with("num_batches_tracked")) return "";
  std::string rest = name;
  if (rest.starts_with("classifier.1.")) return "fc." + rest.substr(13);
  if (rest.starts_with("resnet.")) rest = rest.substr(7);
  const auto member = [](const std::string& part, const std::string& conv,
                         const std::string& norm) {
    if (part.starts_with("convolution.")) return conv + part.substr(11);
    if (part.starts_with("normalization.")) return norm + part.substr(13);
    return std::string();
  };
  if (rest.starts_with("embedder.embedder.")) return member(rest.substr(18), "conv1", "bn1");
  const std::vector<std::string> parts = split(rest, '.');
  // encoder.stages.S.layers.L.layer.K.convolution.weight or ...shortcut.convolution.weight
  if (parts.size() < 7 || parts[0] != "encoder" || parts[1] != "stages") return name;
  const auto number = [](const std::string& text) { return std::atoi(text.c_str()); };
  const std::string block = fmt::format("layer{}.{}.", number(parts[2]) + 1, parts[4]);
  std::string made;
  if (parts[5] == "shortcut")
    made = member(parts[6] + "." + parts.back(), block + "downsample.0", block + "downsample.1");
  else if (parts.size() == 9)
    made =
        member(parts[7] + "." + parts.back(), fmt::format("{}conv{}", block, number(parts[6]) + 1),
               fmt::format("{}bn{}", block, number(parts[6]) + 1));
  return made.empty() ? name : made;
}

Json own_config(const Json& json, const std::filesystem::path& directory,
                const std::string& where) {
  if (json.value("model_type", "") != "resnet") return json;
  const auto refuse = [&](const char* key, const std::string& found) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: key '{}': {} is not supported", where, key, printable(found, 60)),
                "hone computes ResNets as torchvision has them");
  };
  for (const char* key : {"downsample_in_first_stage", "downsample_in_bottleneck"})
    if (json.value(key, false)) refuse(key, "true");
  if (json.value("hidden_act", "relu") != "relu") refuse("hidden_act", json["hidden_act"].dump());
  std::vector<std::int64_t> widths{256, 512, 1024, 2048}, depths{3, 4, 6, 3};
  if (json.contains("hidden_sizes")) widths = json["hidden_sizes"].get<std::vector<std::int64_t>>();
  if (json.contains("depths")) depths = json["depths"].get<std::vector<std::int64_t>>();
  const bool bottleneck = json.value("layer_type", "bottleneck") == "bottleneck";
  for (std::int64_t& width : widths)
    if (bottleneck) width /= 4;
  if (widths.empty() || json.value("embedding_size", std::int64_t{64}) != widths[0])
    refuse("embedding_size", "another width than the first level's");
  VisionConfig config =
      read_hugging_face_vision(json, directory, bottleneck ? "resnet50" : "resnet18", where);
  const auto text = [](const std::vector<std::int64_t>& list) {
    return fmt::format("{}", fmt::join(list, ","));
  };
  std::string own_depths = text(depths), own_widths = text(widths);
  for (const Builtin& one : builtins)
    if ((std::string(one.block) == "bottleneck") == bottleneck && own_depths == one.depths &&
        own_widths == one.widths) {
      config.architecture = one.name;
      own_depths = own_widths = "as named";
      break;
    }
  config.arguments = {
      {"stem", std::string("large")}, {"depths", own_depths}, {"widths", own_widths}};
  return config.to_json(arguments());
}

}  // namespace resnet_architecture
}  // namespace

Architecture architecture_resnet() {
  using namespace resnet_architecture;
  Architecture architecture{
      {"resnet", "residual networks for pictures", vision_options(arguments())}, "resnet"};
  architecture.classifier_class = "ResNetForImageClassification";
  architecture.layers = "layer";
  architecture.head = {"fc.weight", "fc.bias"};
  architecture.own_name = own_name;
  architecture.own_config = own_config;
  architecture.claims = [](const Json& config) {
    return find_builtin(config.value("architecture", "")) != nullptr;
  };
  for (const Builtin& one : builtins) architecture.builtins.emplace_back(one.name);
  architecture.builtin = [](const std::string& name, const SizeSettings& sizes) {
    return builtin_vision_config(name, find_builtin(name)->image_size, arguments(), sizes)
        .to_json(arguments());
  };
  architecture.make = make;
  architecture.with_labels = vision_with_labels<arguments>;
  return architecture;
}

}  // namespace hone
