// Which values a parameter of a search can have.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hone/core/json.hpp"

namespace hone {

enum class DistributionKind { categorical, integer, real };

// The values of one parameter. A value is kept as one number, its *internal* value: of a
// categorical parameter the index of the choice, else the value itself.
struct Distribution {
  DistributionKind kind = DistributionKind::real;
  double low = 0;  // both ends are included
  double high = 0;
  double step =
      0;  // from `low`; of an integer at least 1, of a real 0 where every number is allowed
  bool log = false;                // by its logarithm; then low > 0, and there is no step
  std::vector<Json> choices = {};  // of a categorical parameter: null, booleans, numbers, texts

  bool operator==(const Distribution&) const = default;

  // How many values there are; 0: not countable.
  std::int64_t count() const;
  bool contains(double internal) const;
  // The nearest value that is allowed. Throws Error(internal) for a categorical parameter.
  double nearest(double value) const;
  Json value_of(double internal) const;
  // Throws Error(invalid_argument) "PARAMETER: ..." where the value is none of these.
  double internal_of(const Json& value, const std::string& parameter) const;
};

// Throw Error(invalid_argument) "PARAMETER: ..." when the range is empty, not finite or
// contradictory. `high` becomes the last value that the step reaches.
Distribution categorical(std::vector<Json> choices, const std::string& parameter);
Distribution integers(std::int64_t low, std::int64_t high, std::int64_t step, bool log,
                      const std::string& parameter);
Distribution reals(double low, double high, double step, bool log, const std::string& parameter);

// As Optuna's studies hold it: {"name": "IntDistribution", "attributes": {...}}; the names of its
// older versions are read too. Throws Error(bad_format).
Json distribution_json(const Distribution& distribution);
std::string to_optuna(const Distribution& distribution);
Distribution distribution_from_optuna(std::string_view text);

}  // namespace hone
