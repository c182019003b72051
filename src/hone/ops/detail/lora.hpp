// What a low-rank path is multiplied by.
#pragma once

#include <cmath>
#include <cstdint>

#include "hone/core/options.hpp"

namespace hone {

// alpha / rank (Hu et al., arXiv 2106.09685), or alpha / sqrt(rank) where the rank is not to change
// the size of updates (Kalajdzievski, arXiv 2312.03732).
inline double lora_factor(const Options& attributes, std::int64_t rank) {
  const auto size = static_cast<double>(rank);
  return attributes.real("alpha") /
         (attributes.boolean("rank_stabilized") ? std::sqrt(size) : size);
}

}  // namespace hone
