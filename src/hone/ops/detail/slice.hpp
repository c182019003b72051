// Where a slice begins, in a run.
#pragma once

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/options.hpp"
#include "hone/graph/dim.hpp"

namespace hone {

// The first of `count` places that `slice` takes of `size`. (A first place that follows from named
// sizes: the last element ends before the end.) Throws Error(invalid_argument) where a place lies
// outside: sizes that a run knows are not cut to what there is.
inline std::int64_t first_of_slice(const Options& attributes, std::int64_t count,
                                   std::int64_t size) {
  const std::int64_t step = attributes.integer("step");
  const Dim begin = parse_dim(attributes.text("begin")), end = parse_dim(attributes.text("end"));
  const std::int64_t first = begin.is_fixed() ? begin.offset
                             : end.is_fixed() ? end.offset - count * step
                                              : size - count * step;
  const std::int64_t last = first + (count - 1) * step;
  if (count > 0 && (std::min(first, last) < 0 || std::max(first, last) >= size))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("[slice] {} to {} by {} is not within the {} places that there are",
                            to_string(begin), to_string(end), step, size));
  return first;
}

}  // namespace hone
