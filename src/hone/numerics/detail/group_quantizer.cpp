#include "hone/numerics/detail/group_quantizer.hpp"

namespace hone {

OptionSpec granularity_option(const std::string& default_value) {
  return {"granularity",
          OptionType::text,
          default_value,
          "what shares a scale: tensor, channel (a row of a weight) or group",
          0,
          0,
          {"tensor", "channel", "group"}};
}

OptionSpec group_size_option() {
  return {"group_size",
          OptionType::integer,
          std::int64_t{64},
          "with granularity group: consecutive numbers of a row that share a scale",
          1,
          1 << 20};
}

Granularity parse_granularity(const std::string& text) {
  if (text == "tensor") return Granularity::tensor;
  return text == "channel" ? Granularity::channel : Granularity::group;
}

}  // namespace hone
