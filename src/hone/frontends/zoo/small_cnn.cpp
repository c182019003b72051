// small-cnn: five convolutions in three levels, for pictures of about 32 x 32.
#include "hone/frontends/conv_builder.hpp"
#include "hone/frontends/vision_config.hpp"
#include "hone/frontends/zoo/architecture.hpp"

namespace hone {
namespace {
namespace small_cnn_architecture {

const std::vector<OptionSpec>& arguments() {
  static const std::vector<OptionSpec> specs{
      {"channels", OptionType::integer, std::int64_t{16},
       "of small-cnn: filters of the first level; the others have two and four times as many", 1,
       1024}};
  return specs;
}

Blueprint make(const Json& json, const std::string& where) {
  const VisionConfig config = VisionConfig::from_json(json, arguments(), where);
  ConvBuilder build(config, "small-cnn");
  ValueId x = build.pixels();
  // Each level but the first halves the planes.
  constexpr int levels = 3;
  for (int level = 0; level < levels; ++level)
    for (int i = 0; i < (level == 0 ? 1 : 2); ++i) {
      const std::string name = fmt::format("level{}.{}", level + 1, i);
      const std::int64_t stride = level > 0 && i == 0 ? 2 : 1;
      x = build.conv(x, name + ".conv",
                     {config.arguments.integer("channels") << level, 3, stride, 1, 1, 1},
                     name + ".conv");
      x = build.relu(build.norm(x, name + ".bn", name + ".bn"));
    }
  return build.finish(build.mean(x), "fc", where);
}

}  // namespace small_cnn_architecture
}  // namespace

Architecture architecture_small_cnn() {
  using namespace small_cnn_architecture;
  Architecture architecture{
      {"small-cnn", "a small convolution network for small pictures", vision_options(arguments())},
      ""};
  architecture.layers = "level";
  architecture.head = {"fc.weight", "fc.bias"};
  architecture.builtins = {"small-cnn"};
  architecture.claims = [](const Json& config) {
    return config.value("architecture", "") == "small-cnn";
  };
  architecture.builtin = [](const std::string& name, const SizeSettings& sizes) {
    constexpr std::int64_t size = 32;
    return builtin_vision_config(name, size, arguments(), sizes).to_json(arguments());
  };
  architecture.make = make;
  architecture.with_labels = vision_with_labels<arguments>;
  return architecture;
}

}  // namespace hone
