#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/zoo/architecture.hpp"

namespace hone {

const Architecture& architecture_of(const Json& config, const std::string& where) {
  const Json* type = config.find_member("model_type");
  const std::string name = type != nullptr && type->is_string() ? type->text() : "";
  std::vector<std::string> types;
  for (const Architecture& architecture : architecture_table()) {
    if (name.empty() ? architecture.claims != nullptr && architecture.claims(config)
                     : architecture.model_type == name)
      return architecture;
    if (!architecture.model_type.empty()) types.push_back(architecture.model_type);
  }
  if (const Json* own = config.find_member("architecture"); name.empty() && own != nullptr)
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: architecture {} is not one that hone builds", where,
                            printable(own->dump(), 100)),
                "hone list models; or export it to ONNX: hone import");
  throw Error(
      ErrorCode::unsupported,
      fmt::format("{}: model_type '{}' is not one that hone builds", where, printable(name, 100)),
      did_you_mean(name, types));
}

std::vector<std::string> builtin_models() {
  std::vector<std::string> names;
  for (const Architecture& architecture : architecture_table())
    names.insert(names.end(), architecture.builtins.begin(), architecture.builtins.end());
  return names;
}

bool is_builtin_model(const std::string& name) {
  const std::vector<std::string> names = builtin_models();
  return std::find(names.begin(), names.end(), name) != names.end();
}

const Architecture& builtin_architecture(const std::string& name) {
  for (const Architecture& architecture : architecture_table())
    if (std::find(architecture.builtins.begin(), architecture.builtins.end(), name) !=
        architecture.builtins.end())
      return architecture;
  throw Error(ErrorCode::not_found,
              fmt::format("{}: neither a folder nor a built-in model", printable(name)),
              did_you_mean(name, builtin_models()));
}

const std::vector<OptionSpec>& builtin_options() {
  static const std::vector<OptionSpec> options = [] {
    std::vector<OptionSpec> all;
    for (const Architecture& architecture : architecture_table())
      for (const OptionSpec& spec : architecture.options)
        if (std::none_of(all.begin(), all.end(),
                         [&](const OptionSpec& known) { return known.name == spec.name; }))
          all.push_back(spec);
    return all;
  }();
  return options;
}

}  // namespace hone
