// Options of the members of a table as training options: what several members have is one setting.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/usage_error.hpp"
#include "hone/train/options.hpp"

namespace hone {

inline Json to_json(const OptionValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

// Where the options of the chosen member stand in the struct, and what they are once complete.
struct MemberChoice {
  Options TrainOptions::*options;
  Options (*complete)(const TrainOptions&);
};

template <typename Member>
std::vector<std::string> members_with(const std::vector<Member>& table, const std::string& option) {
  std::vector<std::string> names;
  for (const Member& member : table)
    for (const OptionSpec& spec : member.options)
      if (spec.name == option) names.push_back(member.name);
  return names;
}

// One row an option. One that all members have, with one default, is shown as an option of the run;
// the others say whose they are, and their defaults are the members'.
template <typename Member>
void add_member_options(std::vector<TrainOption>& rows, const std::vector<Member>& table,
                        const MemberChoice& choice) {
  const auto options = choice.options;
  std::vector<OptionSpec> specs;
  for (const Member& member : table)
    for (const OptionSpec& spec : member.options) {
      const auto known = std::find_if(specs.begin(), specs.end(), [&](const OptionSpec& other) {
        return other.name == spec.name;
      });
      if (known == specs.end()) {
        specs.push_back(spec);
        continue;
      }
      known->minimum = std::min(known->minimum, spec.minimum);
      known->maximum = std::max(known->maximum, spec.maximum);
      if (known->default_value != spec.default_value) known->default_value.reset();
    }
  for (OptionSpec& spec : specs) {
    const std::vector<std::string> owners = members_with(table, spec.name);
    const bool shared = owners.size() == table.size() && spec.default_value;
    if (!shared) {
      if (spec.default_value) spec.help += "; default: " + to_string(*spec.default_value);
      spec.help = fmt::format("of {}: {}", fmt::join(owners, ", "), spec.help);
      spec.default_value.reset();
    }
    const std::string name = spec.name;
    rows.push_back(
        {std::move(spec), shared,
         [options, name](TrainOptions& o, const OptionValue& v) { (o.*options).set(name, v); }});
  }
  const auto complete = choice.complete;
  rows.push_back({{}, false, {}, [complete](const TrainOptions& o, Json& json) {
                    const Options all = complete(o);
                    for (const auto& [key, value] : all.values()) json[key] = to_json(value);
                  }});
}

// Throws UsageError for an option that the chosen member does not have.
template <typename Member>
void check_member_options(const std::vector<Member>& table, const char* kind,
                          const std::string& chosen, const Options& options) {
  for (const auto& [name, value] : options.values()) {
    const std::vector<std::string> owners = members_with(table, name);
    if (std::find(owners.begin(), owners.end(), chosen) == owners.end())
      throw UsageError(fmt::format("{} changes nothing: the {} is {}", name, kind, chosen),
                       fmt::format("leave it out, or set {}={}", kind, fmt::join(owners, " or ")));
  }
}

}  // namespace hone
