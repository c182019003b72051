// The space of a search: parameters, and where each of them exists.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hone/search/distribution.hpp"

namespace hone {

// The parameter exists where another exists and has one of these values.
struct Condition {
  std::string parameter;
  std::vector<Json> values;
};

// Shared by all trials that have it.
struct SearchParameter {
  std::string name;
  Distribution distribution;
};
using ParameterPtr = std::shared_ptr<const SearchParameter>;

struct Dimension {
  ParameterPtr parameter;
  std::vector<Condition> when = {};  // all of them hold

  const std::string& name() const { return parameter->name; }
  const Distribution& distribution() const { return parameter->distribution; }
};

// Internal values by parameter.
using Assignment = std::map<std::string, double>;

class Space {
public:
  Space() = default;
  // Throws Error(invalid_argument) for a name that stands twice, a condition on a parameter or a
  // value that there is not, and conditions that go in a circle.
  explicit Space(std::vector<Dimension> dimensions);

  // Each after those that it depends on, otherwise as they were given.
  const std::vector<Dimension>& dimensions() const { return dimensions_; }
  bool empty() const { return dimensions_.empty(); }
  const Dimension* find(const std::string& name) const;
  // Whether the dimension exists, by the values of those before it.
  bool exists(const Dimension& dimension, const Assignment& values) const;
  bool has_conditions() const;

  // {"parameters": [{"name", "distribution", "when": {"other": [values]}}]}, and back. Throws
  // Error(bad_format).
  Json to_json() const;
  static Space from_json(const Json& json);

private:
  std::vector<Dimension> dimensions_;
};

}  // namespace hone
