#include "hone/search/export.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "hone/search/detail/sql_time.hpp"

namespace hone {
namespace {

Json number_json(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

// Numbers inside of attributes too.
Json finite_json(const Json& json) {
  if (json.is_number_float()) return number_json(json.get<double>());
  if (json.is_array()) {
    Json copy = Json::array();
    for (const Json& element : json) copy.push_back(finite_json(element));
    return copy;
  }
  if (json.is_object()) {
    Json copy = Json::object();
    for (const auto& [name, value] : json.items()) copy[name] = finite_json(value);
    return copy;
  }
  return json;
}

Json time_json(const std::optional<Time>& time) {
  if (!time) return nullptr;
  std::string text = print_sql_time(*time);
  text[10] = 'T';
  return text + "+00:00";
}

Json attributes_json(const Attributes& attributes) { return finite_json(Json(attributes)); }

// As Python prints it.
std::string print_number(double value) {
  if (std::isnan(value)) return "";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

// As Python's repr: 'text', True, None, nan.
std::string print_inner(const Json& value) {
  if (value.is_null()) return "None";
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  if (value.is_number_float()) {
    const std::string text = print_number(value.get<double>());
    return text.empty() ? "nan" : text;
  }
  if (value.is_string()) {
    const std::string& text = value.text();
    const bool has_single = text.find('\'') != std::string::npos;
    const char quote = has_single && text.find('"') == std::string::npos ? '"' : '\'';
    std::string out(1, quote);
    for (const char c : text) {
      const auto code = static_cast<unsigned char>(c);
      if (c == '\n')
        out += "\\n";
      else if (c == '\r')
        out += "\\r";
      else if (c == '\t')
        out += "\\t";
      else if (c == '\\' || c == quote)
        out += std::string("\\") + c;
      else if (code < 0x20 || code == 0x7f)
        out += fmt::format("\\x{:02x}", code);
      else
        out += c;
    }
    return out + quote;
  }
  std::string out;
  if (value.is_array())
    for (const Json& element : value) out += (out.empty() ? "" : ", ") + print_inner(element);
  else if (value.is_object())
    for (const auto& [name, inner] : value.items())
      out += (out.empty() ? "" : ", ") + print_inner(name) + ": " + print_inner(inner);
  else
    return value.dump();
  return value.is_array() ? "[" + out + "]" : "{" + out + "}";
}

std::string print_cell(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.text();
  if (value.is_number_float()) return print_number(value.get<double>());
  return print_inner(value);
}

std::string quoted(const std::string& cell) {
  if (cell.find_first_of(",\"\n\r") == std::string::npos) return cell;
  std::string text = "\"";
  for (const char c : cell) {
    if (c == '"') text += '"';
    text += c;
  }
  return text + '"';
}

// As a clock on this machine's wall shows it: trials_dataframe has it so.
Time local(Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const std::time_t count = std::chrono::system_clock::to_time_t(seconds);
  std::tm parts{};
  localtime_r(&count, &parts);
  return time + std::chrono::seconds(parts.tm_gmtoff);
}

std::int64_t microseconds_of(const Trial& trial) {
  return trial.start && trial.complete ? (*trial.complete - *trial.start).count() : 0;
}

// As pandas prints a column of spans of time: "0 days 00:00:00.178504", as short as all of them
// allow.
std::vector<std::string> print_durations(const std::vector<Trial>& trials) {
  const auto all_are = [&](std::int64_t unit) {
    return std::all_of(trials.begin(), trials.end(),
                       [&](const Trial& trial) { return microseconds_of(trial) % unit == 0; });
  };
  constexpr std::int64_t second = 1000000, day = 86400 * second;
  const bool whole_days = all_are(day), whole_seconds = all_are(second);
  std::vector<std::string> cells;
  for (const Trial& trial : trials) {
    std::string& text = cells.emplace_back();
    if (!trial.start || !trial.complete) continue;
    const std::int64_t micros = microseconds_of(trial);
    // (A day that has not begun counts down.)
    const std::int64_t days = micros / day - (micros % day < 0 ? 1 : 0);
    const std::int64_t rest = micros - days * day;
    text = fmt::format("{} days", days);
    if (whole_days) continue;
    text += fmt::format(" {:02}:{:02}:{:02}", rest / second / 3600, rest / second / 60 % 60,
                        rest / second % 60);
    if (!whole_seconds) text += fmt::format(".{:06}", rest % second);
  }
  return cells;
}

// Columns with their cells, by trial.
struct CsvColumns {
  std::vector<std::pair<std::string, std::vector<std::string>>> all;

  void add(const std::string& name, const std::vector<Trial>& trials, const auto& cell) {
    std::vector<std::string> cells;
    for (const Trial& trial : trials) cells.push_back(cell(trial));
    all.emplace_back(name, std::move(cells));
  }
};

void add_attributes(CsvColumns& columns, const std::vector<Trial>& trials,
                    const std::string& prefix, Attributes Trial::*attributes) {
  std::set<std::string> names;
  for (const Trial& trial : trials)
    for (const auto& [name, value] : trial.*attributes) names.insert(name);
  for (const std::string& name : names)
    columns.add(prefix + name, trials, [&](const Trial& trial) {
      const auto found = (trial.*attributes).find(name);
      return found == (trial.*attributes).end() ? "" : print_cell(found->second);
    });
}

// Trials as JSON text. Parameters are shared by the trials that have them: their names, ranges and
// choices are printed once.
class TrialPrinter {
public:
  std::string print(const Trial& trial) {
    std::vector<std::pair<const Printed*, const TrialParameter*>> parameters;
    for (const TrialParameter& one : trial.parameters)
      parameters.emplace_back(&printed(one.parameter), &one);
    // (As the members of an object lie.)
    std::sort(parameters.begin(), parameters.end(),
              [](const auto& a, const auto& b) { return a.second->name() < b.second->name(); });
    std::string values, params, distributions, intermediate;
    for (const double value : trial.values) add(values, number_json(value).dump());
    for (const auto& [known, one] : parameters) {
      const bool is_choice =
          !known->choices.empty() && one->parameter->distribution.contains(one->internal);
      add(params, known->name, ":",
          is_choice ? known->choices[static_cast<std::size_t>(one->internal)]
                    : finite_json(one->value()).dump());
      add(distributions, known->name, ":", known->distribution);
    }
    for (const auto& [step, value] : trial.intermediate)
      add(intermediate, fmt::format("\"{}\":", step), number_json(value).dump());
    return fmt::format(
        R"({{"number":{},"state":"{}","values":{},"params":{{{}}},"distributions":{{{}}},)"
        R"("user_attrs":{},"system_attrs":{},"intermediate_values":{{{}}},)"
        R"("datetime_start":{},"datetime_complete":{}}})",
        trial.number, to_string(trial.state), values.empty() ? "null" : "[" + values + "]", params,
        distributions, attributes_json(trial.user_attributes).dump(),
        attributes_json(trial.system_attributes).dump(), intermediate,
        time_json(trial.start).dump(), time_json(trial.complete).dump());
  }

private:
  struct Printed {
    std::string name, distribution;
    std::vector<std::string> choices = {};
  };

  template <class... Parts>
  static void add(std::string& list, const Parts&... parts) {
    if (!list.empty()) list += ',';
    ((list += parts), ...);
  }

  const Printed& printed(const ParameterPtr& parameter) {
    const auto [place, is_new] = printed_.try_emplace(parameter.get());
    Printed& made = place->second;
    if (!is_new) return made;
    made.name = Json(parameter->name).dump();
    made.distribution = distribution_json(parameter->distribution).dump();
    for (const Json& choice : parameter->distribution.choices)
      made.choices.push_back(finite_json(choice).dump());
    return made;
  }

  std::unordered_map<const SearchParameter*, Printed> printed_;
};

}  // namespace

const char* to_string(Direction direction) {
  return direction == Direction::maximize ? "maximize" : "minimize";
}

Json metric_names_of(const StudyData& study) {
  const auto names = study.system_attributes.find("study:metric_names");
  return names == study.system_attributes.end() ? Json() : names->second;
}

std::string objective_name(const StudyData& study, std::size_t i) {
  const Json names = metric_names_of(study);
  if (names.is_array() && i < names.size()) return names[i].text();
  return study.directions.size() == 1 ? "value" : fmt::format("value {}", i);
}

Json trial_json(const Trial& trial) { return parse_json(TrialPrinter().print(trial), "a trial"); }

std::string trials_text(const Study& study) {
  TrialPrinter printer;
  std::string text = "[";
  for (const Trial& trial : study.trials())
    text += (text.size() == 1 ? "\n" : ",\n") + printer.print(trial);
  return text + "]";
}

Json study_json(const Study& study) {
  Json directions = Json::array(), states = Json::object();
  for (const Direction direction : study.data().directions)
    directions.push_back(to_string(direction));
  std::map<std::string, std::int64_t> counts;
  for (const Trial& trial : study.trials()) ++counts[to_string(trial.state)];
  for (const auto& [state, count] : counts) states[state] = count;
  return {{"name", study.data().name},
          {"directions", directions},
          {"metric_names", metric_names_of(study.data())},
          {"user_attrs", attributes_json(study.data().user_attributes)},
          {"best", study.best()},
          {"states", states}};
}

std::string study_text(const Study& study) {
  std::string text = study_json(study).dump();
  text.pop_back();
  return text + ",\"trials\":" + trials_text(study) + "}\n";
}

std::string trials_csv(const Study& study) {
  const std::vector<Trial>& trials = study.trials();
  CsvColumns columns;
  columns.add("number", trials, [](const Trial& trial) { return std::to_string(trial.number); });
  const Json names = metric_names_of(study.data());
  const std::size_t objectives = study.data().directions.size();
  for (std::size_t i = 0; i < objectives; ++i) {
    std::string name = "value";
    if (objectives > 1)
      name = names.is_array() ? "values_" + names[i].text() : "values_" + std::to_string(i);
    else if (names.is_array())
      name = "values_" + names[0].text();
    columns.add(name, trials, [&](const Trial& trial) {
      return i < trial.values.size() ? print_number(trial.values[i]) : "";
    });
  }
  const auto time_cell = [](const std::optional<Time>& time) {
    return time ? print_sql_time(local(*time)) : std::string();
  };
  columns.add("datetime_start", trials, [&](const Trial& trial) { return time_cell(trial.start); });
  columns.add("datetime_complete", trials,
              [&](const Trial& trial) { return time_cell(trial.complete); });
  columns.all.emplace_back("duration", print_durations(trials));
  std::set<std::string> parameters;
  for (const Trial& trial : trials)
    for (const TrialParameter& one : trial.parameters) parameters.insert(one.name());
  for (const std::string& name : parameters)
    columns.add("params_" + name, trials, [&](const Trial& trial) {
      const TrialParameter* found = trial.find(name);
      return found == nullptr ? "" : print_cell(found->value());
    });
  add_attributes(columns, trials, "user_attrs_", &Trial::user_attributes);
  add_attributes(columns, trials, "system_attrs_", &Trial::system_attributes);
  columns.add("state", trials,
              [](const Trial& trial) { return std::string(to_string(trial.state)); });

  std::string text;
  for (const auto& [name, cells] : columns.all) text += "," + quoted(name);
  text += "\n";
  for (std::size_t row = 0; row < trials.size(); ++row) {
    text += std::to_string(row);
    for (const auto& [name, cells] : columns.all) text += "," + quoted(cells[row]);
    text += "\n";
  }
  return text;
}

}  // namespace hone
