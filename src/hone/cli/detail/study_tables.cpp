#include "hone/cli/detail/study_tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/letters.hpp"
#include "hone/core/text.hpp"
#include "hone/report/numbers.hpp"
#include "hone/search/export.hpp"
#include "hone/search/worker.hpp"

namespace hone {
namespace {

constexpr std::size_t most_parameters = 8;  // of a trial, in a line

std::string duration_of(const Trial& trial) {
  if (!trial.start || !trial.complete) return "";
  return format_duration(std::chrono::duration<double>(*trial.complete - *trial.start).count());
}

std::string show_value(const Json& value) {
  if (value.is_string()) return printable(value.text(), 40);
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  return value.dump();
}

// A line a parameter, or a line for all of one node: "layer0.q: format = integer, width = 8".
std::string list_parameters(const Trial& trial) {
  std::string text, group;
  for (const TrialParameter& one : trial.parameters) {
    const std::string name = printable(one.name(), 200);
    const std::string value = show_value(one.value());
    const std::size_t dot = name.rfind('.');
    if (dot == std::string::npos) {
      text += fmt::format("{}  {} = {}", text.empty() ? "" : "\n", name, value);
      group.clear();
      continue;
    }
    const std::string node = name.substr(0, dot), key = name.substr(dot + 1);
    if (node == group)
      text += fmt::format(", {} = {}", key, value);
    else
      text += fmt::format("{}  {}: {} = {}", text.empty() ? "" : "\n", node, key, value);
    group = node;
  }
  return text.empty() ? "" : text + "\n";
}

}  // namespace

std::string describe_states(const Json& states) {
  std::vector<std::string> parts;
  for (const auto& [state, count] : states.items())
    parts.push_back(fmt::format("{} {}", count.get<std::int64_t>(), lower_case(state)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string describe_values(const StudyData& study, const std::vector<double>& values) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < values.size(); ++i)
    parts.push_back(fmt::format("{} {:.6g}", objective_name(study, i), values[i]));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string describe_parameters(const Trial& trial) {
  std::vector<std::string> parts;
  for (const TrialParameter& one : trial.parameters) {
    if (parts.size() == most_parameters) {
      parts.push_back(fmt::format("{} more", trial.parameters.size() - most_parameters));
      break;
    }
    parts.push_back(fmt::format("{} = {}", one.name(), show_value(one.value())));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string describe_trial(const StudyData& study, const Trial& trial) {
  std::string text = fmt::format("trial {}: {}", trial.number, lower_case(to_string(trial.state)));
  if (!trial.values.empty()) text += ", " + describe_values(study, trial.values);
  if (!trial.parameters.empty()) text += fmt::format(" ({})", describe_parameters(trial));
  if (const std::string time = duration_of(trial); !time.empty()) text += ", " + time;
  const auto reused = trial.user_attributes.find(reused_attribute);
  if (reused != trial.user_attributes.end())
    text += reused->second.is_number()
                ? fmt::format(": the results of trial {}, which had the same values",
                              reused->second.dump())
                : ": computed before, by another study";
  const auto error = trial.user_attributes.find(error_attribute);
  if (error != trial.user_attributes.end() && error->second.is_string())
    text += ": " + printable(error->second.text(), 300);
  return text;
}

std::string describe_test(const Json& judged) {
  std::string text;
  for (const Json& one : judged)
    text += fmt::format("test split, once: trial {}: accuracy {}; its model: {}\n",
                        one.at("trial").get<std::int64_t>(),
                        format_interval(one.at("accuracy").get<double>(),
                                        one.at("low").get<double>(), one.at("high").get<double>()),
                        one.at("model").text());
  return text;
}

std::string trials_table(const Study& study, const std::vector<const Trial*>& trials,
                         TextStyle style) {
  std::vector<TableColumn> columns{{"trial", Align::right}, {"state", Align::left}};
  const StudyData& data = study.data();
  for (std::size_t i = 0; i < data.directions.size(); ++i)
    columns.push_back({objective_name(data, i), Align::right});
  columns.push_back({"time", Align::right});
  columns.push_back({"parameters", Align::left});
  TerminalTable table(columns);
  for (const Trial* trial : trials) {
    std::vector<std::string> row{std::to_string(trial->number),
                                 lower_case(to_string(trial->state))};
    for (std::size_t i = 0; i < data.directions.size(); ++i)
      row.push_back(i < trial->values.size() ? fmt::format("{:.6g}", trial->values[i]) : "");
    row.push_back(duration_of(*trial));
    row.push_back(describe_parameters(*trial));
    table.add_row(row);
  }
  return table.render(style, 0);
}

std::string describe_study(const Study& study, TextStyle style) {
  const StudyData& data = study.data();
  const Json facts = study_json(study);
  std::string text = fmt::format("{}: {} trials", printable(data.name, 100), study.trials().size());
  if (!study.trials().empty()) text += " (" + describe_states(facts.at("states")) + ")";
  text += "\n";
  for (std::size_t i = 0; i < data.directions.size(); ++i)
    text += fmt::format("objective: {}, to {}\n", objective_name(data, i),
                        to_string(data.directions[i]));
  if (const std::string best = describe_best(study, style); !best.empty()) text += "best:\n" + best;
  return text;
}

std::string describe_best(const Study& study, TextStyle style) {
  std::vector<const Trial*> best;
  for (const std::int64_t number : study.best())
    best.push_back(&study.trials().at(static_cast<std::size_t>(number)));
  if (best.empty()) return "";
  if (best.size() > 1) return trials_table(study, best, style);
  // Where there is one, all of it.
  return fmt::format("trial {}: {}\n", best.front()->number,
                     describe_values(study.data(), best.front()->values)) +
         list_parameters(*best.front());
}

}  // namespace hone
