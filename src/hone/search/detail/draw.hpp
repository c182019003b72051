// A value of a parameter, drawn uniformly.
#pragma once

#include <algorithm>
#include <cmath>

#include "hone/core/philox.hpp"
#include "hone/search/distribution.hpp"

namespace hone {

// The internal value at a share in [0, 1) of the distribution.
inline double value_at(const Distribution& of, double share) {
  if (of.kind == DistributionKind::categorical) {
    const auto count = static_cast<double>(of.choices.size());
    return std::min(std::floor(share * count), count - 1);
  }
  // Values with a step have a cell of half a step to each side.
  const double half = of.step / 2;
  if (of.log) {
    const double low = std::log(of.low - half), high = std::log(of.high + half);
    return of.nearest(std::exp(low + share * (high - low)));
  }
  return of.nearest(of.low - half + share * (of.high - of.low + of.step));
}

inline double draw(const Distribution& of, RandomStream& random) {
  return value_at(of, random.uniform());
}

}  // namespace hone
