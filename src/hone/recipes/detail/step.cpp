#include "hone/recipes/step.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {

const Step& find_step(const std::string& name, const std::string& where) {
  std::vector<std::string> names;
  for (const Step& step : step_table()) {
    if (step.name == name) return step;
    names.push_back(step.name);
  }
  throw Error(ErrorCode::invalid_argument, fmt::format("{}: unknown step '{}'", where, name),
              did_you_mean(name, names));
}

}  // namespace hone
