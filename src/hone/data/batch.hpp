// Which samples go together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hone/data/column.hpp"

namespace hone {

// A permutation of 0 .. count - 1 that depends on (seed, epoch) alone (Fisher and Yates).
std::vector<std::int64_t> epoch_order(std::int64_t count, std::uint64_t seed, std::int64_t epoch);
// Sorts sample numbers by length, longest first; equal lengths stay in their order.
void sort_by_length(const Dataset& data, std::vector<std::int64_t>& numbers);
// All sample numbers, so sorted.
std::vector<std::int64_t> sorted_by_length(const Dataset& data);
// Cuts an order into consecutive batches of at most `max_samples` samples (0: no limit) and
// `max_length` elements (tokens of texts); a longer sample is a batch of its own. Throws
// Error(invalid_argument) for a number that does not exist.
std::vector<std::vector<std::int64_t>> cut_batches(const Dataset& data,
                                                   std::span<const std::int64_t> order,
                                                   std::int64_t max_length,
                                                   std::int64_t max_samples = 0);

}  // namespace hone
