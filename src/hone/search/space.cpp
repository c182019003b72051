#include "hone/search/space.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

const Dimension* find_in(const std::vector<Dimension>& dimensions, const std::string& name) {
  for (const Dimension& dimension : dimensions)
    if (dimension.name() == name) return &dimension;
  return nullptr;
}

void check_condition(const std::vector<Dimension>& dimensions, const Dimension& dimension,
                     const Condition& condition) {
  const Dimension* other = find_in(dimensions, condition.parameter);
  if (other == nullptr)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("parameter '{}': when '{}' ...: there is no such parameter",
                            dimension.name(), condition.parameter));
  if (condition.values.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("parameter '{}': when '{}' is one of no values: it never exists",
                            dimension.name(), condition.parameter));
  for (const Json& value : condition.values)
    other->distribution().internal_of(value, condition.parameter);
}

}  // namespace

Space::Space(std::vector<Dimension> dimensions) {
  std::set<std::string> names;
  for (const Dimension& dimension : dimensions) {
    if (!names.insert(dimension.name()).second)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("parameter '{}' stands twice in the space", dimension.name()));
    for (const Condition& condition : dimension.when)
      check_condition(dimensions, dimension, condition);
  }
  while (!dimensions.empty()) {
    const auto ready =
        std::find_if(dimensions.begin(), dimensions.end(), [&](const Dimension& dimension) {
          return std::all_of(
              dimension.when.begin(), dimension.when.end(),
              [&](const Condition& condition) { return find(condition.parameter) != nullptr; });
        });
    if (ready == dimensions.end())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("parameter '{}' depends on itself by its conditions",
                              dimensions.front().name()));
    dimensions_.push_back(std::move(*ready));
    dimensions.erase(ready);
  }
}

const Dimension* Space::find(const std::string& name) const { return find_in(dimensions_, name); }

bool Space::exists(const Dimension& dimension, const Assignment& values) const {
  return std::all_of(dimension.when.begin(), dimension.when.end(), [&](const Condition& condition) {
    const auto value = values.find(condition.parameter);
    if (value == values.end()) return false;
    const Distribution& distribution = find(condition.parameter)->distribution();
    return std::any_of(condition.values.begin(), condition.values.end(), [&](const Json& one) {
      return distribution.internal_of(one, condition.parameter) == value->second;
    });
  });
}

bool Space::has_conditions() const {
  return std::any_of(dimensions_.begin(), dimensions_.end(),
                     [](const Dimension& dimension) { return !dimension.when.empty(); });
}

Json Space::to_json() const {
  Json::Array parameters;
  for (const Dimension& dimension : dimensions_) {
    Json one = {{"name", dimension.name()}, {"distribution", to_optuna(dimension.distribution())}};
    if (!dimension.when.empty()) {
      Json when = Json::object();
      for (const Condition& condition : dimension.when)
        when[condition.parameter] = condition.values;
      one["when"] = std::move(when);
    }
    parameters.push_back(std::move(one));
  }
  return Json::object({{"parameters", parameters}});
}

Space Space::from_json(const Json& json) {
  std::vector<Dimension> dimensions;
  for (const Json& one : json.at("parameters")) {
    Dimension dimension{std::make_shared<SearchParameter>(SearchParameter{
        one.at("name").text(), distribution_from_optuna(one.at("distribution").text())})};
    if (const Json* when = one.find_member("when"))
      for (const auto& [name, values] : when->items())
        dimension.when.push_back({name, values.get<std::vector<Json>>()});
    dimensions.push_back(std::move(dimension));
  }
  return Space(std::move(dimensions));
}

}  // namespace hone
