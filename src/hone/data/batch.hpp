// Batches without padding: the tokens of the samples end to end.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hone/data/dataset.hpp"

namespace hone {

// T tokens of B samples. Positions restart at 0 in each sample.
struct Batch {
  std::vector<std::int32_t> ids;        // [T]
  std::vector<std::int32_t> positions;  // [T]
  std::vector<std::int32_t> type_ids;   // [T] 0, or of a pair of texts 1 for the second
  std::vector<std::int32_t> offsets;    // [B + 1]
  std::vector<std::int32_t> labels;     // [B]
  std::vector<float> targets;           // [B] where the data has values, else empty
  std::vector<std::int64_t> indices;    // [B] the sample numbers
  std::int64_t tokens = 0;              // T
};

// Packs the samples with these numbers; `out` keeps its memory from call to call. Throws
// Error(invalid_argument) for a number that does not exist or more than 2^31 - 1 tokens.
void make_batch(const TokenizedData& data, std::span<const std::int64_t> indices, Batch& out);
Batch make_batch(const TokenizedData& data, std::span<const std::int64_t> indices);

// A permutation of 0 .. count - 1 that depends on (seed, epoch) alone (Fisher and Yates).
std::vector<std::int64_t> epoch_order(std::int64_t count, std::uint64_t seed, std::int64_t epoch);
// Sample numbers by length, longest first; equal lengths by number.
std::vector<std::int64_t> sorted_by_length(const TokenizedData& data);
// Cuts an order into consecutive batches of at most `max_samples` samples (0: no limit) and
// `max_tokens` tokens; a sample longer than that is a batch of its own.
std::vector<std::vector<std::int64_t>> cut_batches(const TokenizedData& data,
                                                   std::span<const std::int64_t> order,
                                                   std::int64_t max_tokens,
                                                   std::int64_t max_samples = 0);

}  // namespace hone
