#include "hone/search/distribution.hpp"

#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/search/python_json.hpp"

namespace hone {
namespace {

constexpr double largest_integer = 0x1p53;

[[noreturn]] void refuse_parameter(const std::string& parameter, const std::string& what,
                                   const std::string& hint = "") {
  throw Error(ErrorCode::invalid_argument, fmt::format("parameter '{}': {}", parameter, what),
              hint);
}

void check_range(double low, double high, double step, bool log, const std::string& parameter) {
  if (!std::isfinite(low) || !std::isfinite(high) || !std::isfinite(high - low))
    refuse_parameter(parameter, fmt::format("the range from {} to {} is not finite", low, high));
  if (low > high)
    refuse_parameter(parameter, fmt::format("low = {} is above high = {}", low, high));
  if (log && low <= 0)
    refuse_parameter(parameter, fmt::format("low = {} has no logarithm", low),
                     "a range with log = true begins above 0");
  if (!std::isfinite(step) || step < 0)
    refuse_parameter(parameter, fmt::format("step = {}; expected a number above 0", step));
}

// The number of steps from `low` to the last value that is not above `high`.
double steps_within(double low, double high, double step) {
  return std::floor((high - low) / step + 1e-8);
}

}  // namespace

std::int64_t Distribution::count() const {
  if (kind == DistributionKind::categorical) return static_cast<std::int64_t>(choices.size());
  if (low == high) return 1;
  if (step == 0) return 0;
  const double steps = steps_within(low, high, step) + 1;
  return steps > largest_integer ? 0 : static_cast<std::int64_t>(steps);
}

bool Distribution::contains(double internal) const {
  if (kind == DistributionKind::categorical)
    return internal >= 0 && internal < static_cast<double>(choices.size()) &&
           internal == std::floor(internal);
  if (!(internal >= low && internal <= high)) return false;
  if (step == 0) return true;
  const double steps = (internal - low) / step;
  return std::abs(steps - std::round(steps)) < 1e-8;
}

double Distribution::nearest(double value) const {
  if (kind == DistributionKind::categorical)
    throw Error(ErrorCode::internal, "a categorical parameter has no nearest value");
  if (step != 0) value = low + step * std::round((value - low) / step);
  return std::min(std::max(value, low), high);
}

Json Distribution::value_of(double internal) const {
  switch (kind) {
    case DistributionKind::categorical:
      if (!contains(internal))
        throw Error(ErrorCode::bad_format,
                    fmt::format("there is no choice {} of {}", internal, choices.size()));
      return choices[static_cast<std::size_t>(internal)];
    case DistributionKind::integer: return static_cast<std::int64_t>(internal);
    case DistributionKind::real: break;
  }
  return internal;
}

double Distribution::internal_of(const Json& value, const std::string& parameter) const {
  if (kind == DistributionKind::categorical) {
    for (std::size_t i = 0; i < choices.size(); ++i)
      if (choices[i] == value) return static_cast<double>(i);
    refuse_parameter(parameter, fmt::format("{} is none of its choices", value.dump()),
                     fmt::format("choices: {}", Json(choices).dump()));
  }
  if (!value.is_number())
    refuse_parameter(parameter, fmt::format("expected a number, found {}", value.type_name()));
  const auto number = value.get<double>();
  if (!contains(number))
    refuse_parameter(
        parameter, fmt::format("{} is not in the range from {} to {}{}", value.dump(), low, high,
                               step == 0 || step == 1 ? "" : fmt::format(" in steps of {}", step)));
  return step == 0 ? number : nearest(number);
}

Distribution categorical(std::vector<Json> choices, const std::string& parameter) {
  if (choices.empty()) refuse_parameter(parameter, "there is no choice");
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices[i].is_array() || choices[i].is_object())
      refuse_parameter(parameter, fmt::format("a choice is {}", choices[i].type_name()),
                       "choices are texts, numbers, true and false");
    for (std::size_t j = 0; j < i; ++j)
      if (choices[i] == choices[j])
        refuse_parameter(parameter, fmt::format("the choice {} stands twice", choices[i].dump()));
  }
  Distribution made{DistributionKind::categorical};
  made.choices = std::move(choices);
  return made;
}

Distribution integers(std::int64_t low, std::int64_t high, std::int64_t step, bool log,
                      const std::string& parameter) {
  const auto real_low = static_cast<double>(low);
  const auto real_high = static_cast<double>(high);
  if (std::max(std::abs(real_low), std::abs(real_high)) > largest_integer)
    refuse_parameter(parameter, fmt::format("the range from {} to {} goes past 2^53", low, high));
  check_range(real_low, real_high, static_cast<double>(step), log, parameter);
  if (step < 1) refuse_parameter(parameter, fmt::format("step = {}; expected 1 or more", step));
  if (log && step != 1)
    refuse_parameter(parameter, fmt::format("step = {} with log = true", step),
                     "leave one of them out");
  const auto last = static_cast<double>(low + (high - low) / step * step);
  return {DistributionKind::integer, real_low, last, static_cast<double>(step), log};
}

Distribution reals(double low, double high, double step, bool log, const std::string& parameter) {
  check_range(low, high, step, log, parameter);
  if (log && step != 0)
    refuse_parameter(parameter, fmt::format("step = {} with log = true", step),
                     "leave one of them out");
  if (step != 0) {
    const double last = low + steps_within(low, high, step) * step;
    // Rounding must not take the end away that a person wrote.
    high = std::abs(last - high) < 1e-8 * step ? high : last;
  }
  return {DistributionKind::real, low, high, step, log};
}

Json distribution_json(const Distribution& of) {
  switch (of.kind) {
    case DistributionKind::categorical:
      return {{"name", "CategoricalDistribution"},
              {"attributes", Json::object({{"choices", of.choices}})}};
    case DistributionKind::integer:
      return {{"name", "IntDistribution"},
              {"attributes",
               {{"log", of.log},
                {"step", static_cast<std::int64_t>(of.step)},
                {"low", static_cast<std::int64_t>(of.low)},
                {"high", static_cast<std::int64_t>(of.high)}}}};
    case DistributionKind::real: break;
  }
  return {{"name", "FloatDistribution"},
          {"attributes",
           {{"step", of.step == 0 ? Json() : Json(of.step)},
            {"low", of.low},
            {"high", of.high},
            {"log", of.log}}}};
}

std::string to_optuna(const Distribution& distribution) {
  return to_python_json(distribution_json(distribution));
}

Distribution distribution_from_optuna(std::string_view text) {
  const std::string where = "the distribution of a parameter";
  const Json json = parse_python_json(text, where);
  const std::string name = json.at("name").text();
  const Json& of = json.at("attributes");
  if (name == "CategoricalDistribution") {
    // (Optuna lets a choice stand twice, and lists be choices.)
    Distribution made{DistributionKind::categorical};
    made.choices = of.at("choices").get<std::vector<Json>>();
    return made;
  }
  const auto low = of.at("low").get<double>();
  const auto high = of.at("high").get<double>();
  const bool log = name == "LogUniformDistribution" || name == "IntLogUniformDistribution" ||
                   of.value("log", false);
  if (name.starts_with("Int"))
    return {DistributionKind::integer, low, high, of.value("step", 1.0), log};
  double step = 0;
  for (const char* key : {"step", "q"})
    if (const Json* found = of.find_member(key); found != nullptr && !found->is_null())
      step = found->get<double>();
  if (name != "FloatDistribution" && name != "UniformDistribution" &&
      name != "LogUniformDistribution" && name != "DiscreteUniformDistribution")
    throw Error(ErrorCode::bad_format, fmt::format("{}: unknown kind '{}'", where, name));
  return {DistributionKind::real, low, high, step, log};
}

}  // namespace hone
