#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/zoo/architecture.hpp"

namespace hone {

const Architecture& find_architecture(const std::string& model_type) {
  std::vector<std::string> types;
  for (const Architecture& architecture : architecture_table()) {
    if (architecture.model_type == model_type) return architecture;
    types.push_back(architecture.model_type);
  }
  throw Error(ErrorCode::unsupported,
              fmt::format("model_type '{}' is not one that hone builds", model_type),
              did_you_mean(model_type, types));
}

}  // namespace hone
