// MobileNetV2: Sandler et al. (arXiv 1801.04381), by the parameter names of torchvision.
#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/conv_builder.hpp"
#include "hone/frontends/vision_config.hpp"
#include "hone/frontends/zoo/architecture.hpp"

namespace hone {
namespace {
namespace mobilenet_v2_architecture {

// Table 2 of the paper: expansion, filters, blocks, stride of the first.
struct Level {
  std::int64_t expansion, filters, blocks, stride;
};
constexpr Level levels[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                            {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
constexpr int blocks_in_all = 17;
constexpr double classifier_dropout = 0.2;

std::vector<OptionSpec> arguments() {
  return {{"same_padding", OptionType::boolean, false,
           "of MobileNetV2: pads are behind rather than around where they are uneven, as "
           "TensorFlow has them"},
          {"norm_epsilon", OptionType::real, 1e-5, "of MobileNetV2: added to variances", 1e-12, 1}};
}

class Network {
public:
  Network(const VisionConfig& config, const std::string& where)
      : config_(config), where_(where), build_(config, "mobilenet_v2") {}

  Blueprint make() {
    ValueId x = layer(build_.pixels(), "features.0", {32, 3, 2}, true);
    int index = 1;
    for (const Level& level : levels)
      for (std::int64_t i = 0; i < level.blocks; ++i, ++index)
        x = block(x, fmt::format("features.{}", index), level, i == 0 ? level.stride : 1);
    x = layer(x, fmt::format("features.{}", index), {1280}, true);
    return build_.finish(build_.dropout(build_.mean(x), classifier_dropout), "classifier.1",
                         where_);
  }

private:
  ConvShape padded(ConvShape shape, std::int64_t size) const {
    const std::int64_t around = (shape.kernel - 1) / 2;
    shape.before = shape.after = around;
    if (config_.arguments.boolean("same_padding")) {
      const std::int64_t out = (size + shape.stride - 1) / shape.stride;
      const std::int64_t all =
          std::max<std::int64_t>(0, (out - 1) * shape.stride + shape.kernel - size);
      shape.before = all / 2;
      shape.after = all - all / 2;
    }
    return shape;
  }

  // Convolution NAME.0, norm NAME.1.
  ValueId layer(ValueId x, const std::string& name, const ConvShape& shape, bool clipped) {
    return layer(x, name + ".0", name + ".1", shape, clipped);
  }
  ValueId layer(ValueId x, const std::string& conv, const std::string& norm, const ConvShape& shape,
                bool clipped) {
    const ValueId y = build_.norm(build_.conv(x, conv, padded(shape, build_.height(x)), conv), norm,
                                  norm, config_.arguments.real("norm_epsilon"));
    return clipped ? build_.relu6(y) : y;
  }

  ValueId block(ValueId x, const std::string& name, const Level& level, std::int64_t stride) {
    const std::int64_t wide = build_.channels(x) * level.expansion;
    ValueId y = x;
    int part = 0;
    if (level.expansion != 1) y = layer(y, fmt::format("{}.conv.{}", name, part++), {wide}, true);
    y = layer(y, fmt::format("{}.conv.{}", name, part++), {wide, 3, stride, wide}, true);
    y = layer(y, fmt::format("{}.conv.{}", name, part), fmt::format("{}.conv.{}", name, part + 1),
              {level.filters}, false);
    return stride == 1 && build_.channels(x) == level.filters ? build_.sum(x, y) : y;
  }

  const VisionConfig& config_;
  std::string where_;
  ConvBuilder build_;
};

Blueprint make(const Json& json, const std::string& where) {
  return Network(VisionConfig::from_json(json, arguments(), where), where).make();
}

// Where a block of torchvision keeps its parts: expand, depthwise, project.
std::string part_of_block(int index, int part, bool norm) {
  const bool expands = index > 1;
  const int place = expands ? part : part - 1;
  const bool last = part == 2;
  if (!last) return fmt::format("features.{}.conv.{}.{}", index, place, norm ? 1 : 0);
  return fmt::format("features.{}.conv.{}", index, place + (norm ? 1 : 0));
}

// Tensors of timm's mobilenetv2_100.
std::string name_of_timm(const std::string& name) {
  const std::vector<std::string> parts = split(name, '.');
  const std::string& last = parts.back();
  if (parts[0] == "conv_stem") return "features.0.0." + last;
  if (parts[0] == "bn1") return "features.0.1." + last;
  if (parts[0] == "conv_head") return fmt::format("features.{}.0.{}", blocks_in_all + 1, last);
  if (parts[0] == "bn2") return fmt::format("features.{}.1.{}", blocks_in_all + 1, last);
  if (parts[0] == "classifier" && parts.size() == 2) return "classifier.1." + last;
  if (parts[0] != "blocks" || parts.size() != 5) return name;
  const auto level = static_cast<std::size_t>(std::atoi(parts[1].c_str()));
  if (level >= std::size(levels)) return name;
  int index = 1 + std::atoi(parts[2].c_str());
  for (std::size_t i = 0; i < level; ++i) index += static_cast<int>(levels[i].blocks);
  const std::string& member = parts[3];
  // The first level does not expand: depthwise (conv_dw, bn1), project (conv_pw, bn2).
  const std::vector<std::string> convs =
      level == 0 ? std::vector<std::string>{"", "conv_dw", "conv_pw"}
                 : std::vector<std::string>{"conv_pw", "conv_dw", "conv_pwl"};
  for (int part = 0; part < 3; ++part) {
    if (convs[static_cast<std::size_t>(part)] == member)
      return part_of_block(index, part, false) + "." + last;
    if (member == fmt::format("bn{}", level == 0 ? part : part + 1) && (level > 0 || part > 0))
      return part_of_block(index, part, true) + "." + last;
  }
  return name;
}

// Tensors of transformers' MobileNetV2ForImageClassification: the stem holds the first block.
std::string name_of_transformers(const std::string& name) {
  std::string rest = name;
  if (rest.starts_with("mobilenet_v2.")) rest = rest.substr(13);
  const std::vector<std::string> parts = split(rest, '.');
  const auto member = [&](const std::string& conv, const std::string& norm) {
    const std::string& kind = parts[parts.size() - 2];
    return (kind == "convolution" ? conv : norm) + "." + parts.back();
  };
  if (parts[0] == "conv_1x1" && parts.size() == 3)
    return member(fmt::format("features.{}.0", blocks_in_all + 1),
                  fmt::format("features.{}.1", blocks_in_all + 1));
  int index = 1;
  std::string part = parts.size() > 2 ? parts[parts.size() - 3] : "";
  if (parts[0] == "conv_stem" && parts.size() == 4) {
    if (part == "first_conv") return member("features.0.0", "features.0.1");
  } else if (parts[0] == "layer" && parts.size() == 5) {
    index = 2 + std::atoi(parts[1].c_str());
  } else {
    return name;
  }
  const std::vector<std::string> known{"expand_1x1", "conv_3x3", "reduce_1x1"};
  for (int i = 0; i < 3; ++i)
    if (known[static_cast<std::size_t>(i)] == part)
      return member(part_of_block(index, i, false), part_of_block(index, i, true));
  return name;
}

std::string own_name(const std::string& name) {
  if (name.ends_with("num_batches_tracked")) return "";
  if (name.starts_with("features.")) return name;
  const std::string found = name_of_transformers(name);
  return found != name ? found : name_of_timm(name);
}

Json own_config(const Json& json, const std::filesystem::path& directory,
                const std::string& where) {
  if (json.value("model_type", "") != "mobilenet_v2") {
    Json own = json;
    own["architecture"] = "mobilenet_v2";  // whatever timm calls it
    return own;
  }
  const auto require = [&](const char* key, const Json& wanted) {
    const Json* found = json.find_member(key);
    if (found != nullptr && *found != wanted)
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: key '{}': {} is not supported, only {}", where, key,
                              printable(found->dump(), 60), wanted.dump()));
  };
  require("depth_multiplier", 1.0);
  require("expand_ratio", 6.0);
  require("output_stride", 32);
  require("first_layer_is_expansion", true);
  require("hidden_act", "relu6");
  VisionConfig config = read_hugging_face_vision(json, directory, "mobilenet_v2", where);
  config.arguments = {{"same_padding", json.value("tf_padding", true)},
                      {"norm_epsilon", json.value("layer_norm_eps", 1e-3)}};
  return config.to_json(arguments());
}

}  // namespace mobilenet_v2_architecture
}  // namespace

Architecture architecture_mobilenet_v2() {
  using namespace mobilenet_v2_architecture;
  Architecture architecture{
      {"mobilenet_v2", "MobileNetV2 for pictures", vision_options(arguments())}, "mobilenet_v2"};
  architecture.classifier_class = "MobileNetV2ForImageClassification";
  architecture.layers = "features.";
  architecture.head = {"classifier.1.weight", "classifier.1.bias"};
  architecture.own_name = own_name;
  architecture.own_config = own_config;
  architecture.claims = [](const Json& config) {
    const std::string name = config.value("architecture", "");
    return name == "mobilenet_v2" || name.substr(0, name.find('.')) == "mobilenetv2_100";
  };
  architecture.builtins = {"mobilenet_v2"};
  architecture.builtin = [](const std::string& name, const SizeSettings& sizes) {
    constexpr std::int64_t size = 224;
    return builtin_vision_config(name, size, arguments(), sizes).to_json(arguments());
  };
  architecture.make = make;
  architecture.with_labels = vision_with_labels<arguments>;
  return architecture;
}

}  // namespace hone
