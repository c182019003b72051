#include "hone/cli/detail/settings.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/cli/detail/program.hpp"
#include "hone/core/threads.hpp"

namespace hone {
namespace {

bool reads_data(const CommandInput& input) {
  return input.options.contains("data") || input.options.contains("calibrate") ||
         input.options.contains("input") || input.has("DATA");
}

}  // namespace

Settings command_settings(const CommandInput& input, const std::vector<OptionSpec>& specs,
                          bool model_sizes) {
  Settings settings;
  try {
    settings = sort_settings(input.settings, specs, model_sizes, "--set");
  } catch (const Error& error) {
    throw UsageError(error.message(), error.hint());
  }
  if (!settings.data.empty() && !reads_data(input))
    throw UsageError(fmt::format("--set data.{} changes nothing: no data set is read",
                                 settings.data.front().first),
                     "leave it out");
  for (const OptionSpec& spec : specs) {
    if (!input.options.contains(spec.name)) continue;
    if (settings.values.contains(spec.name))
      throw UsageError(
          fmt::format("{} and --set {} are both given", flag_name(spec.name), spec.name),
          "give one of them");
    settings.values.set(spec.name, input.options.values().at(spec.name));
  }
  return settings;
}

std::vector<OptionSpec> pick(const std::vector<OptionSpec>& specs,
                             const std::vector<std::string>& names) {
  std::vector<OptionSpec> picked;
  for (const std::string& name : names) picked.push_back(find_option(specs, name, "settings"));
  return picked;
}

std::vector<OptionSpec> leave_out(const std::vector<OptionSpec>& specs,
                                  const std::vector<std::string>& names) {
  std::vector<OptionSpec> rest;
  for (const OptionSpec& spec : specs)
    if (std::find(names.begin(), names.end(), spec.name) == names.end()) rest.push_back(spec);
  return rest;
}

void apply_threads(const CommandInput& input) {
  set_thread_count(static_cast<int>(input.options.integer_or("threads", 0)));
}

}  // namespace hone
