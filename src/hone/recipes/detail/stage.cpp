#include "hone/recipes/stage.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {

const Stage& find_stage(const std::string& name, const std::string& where) {
  std::vector<std::string> names;
  for (const Stage& stage : stage_table()) {
    if (stage.name == name) return stage;
    names.push_back(stage.name);
  }
  throw Error(ErrorCode::invalid_argument, fmt::format("{}: unknown stage '{}'", where, name),
              did_you_mean(name, names));
}

}  // namespace hone
