#include "hone/data/batch.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/philox.hpp"

namespace hone {
namespace {

// Keeps the draws of the order apart from other uses of the seed.
constexpr std::uint32_t order_stream = 0x6F726400u;

std::int64_t checked(const TokenizedData& data, std::int64_t index) {
  if (index < 0 || index >= data.size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("sample {} does not exist; there are {}", index, data.size()),
                "sample numbers start at 0");
  return index;
}

}  // namespace

void make_batch(const TokenizedData& data, std::span<const std::int64_t> indices, Batch& out) {
  std::int64_t tokens = 0;
  for (const std::int64_t i : indices) tokens += data.length(checked(data, i));
  if (tokens > std::numeric_limits<std::int32_t>::max())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a batch of {} tokens is too large", tokens), "use a smaller batch");
  const auto size = static_cast<std::size_t>(tokens);
  out.tokens = tokens;
  out.ids.resize(size);
  out.positions.resize(size);
  out.type_ids.assign(size, 0);
  out.offsets.assign(1, 0);
  out.labels.clear();
  out.targets.clear();
  out.indices.assign(indices.begin(), indices.end());
  std::int32_t at = 0;
  for (const std::int64_t i : indices) {
    const auto length = static_cast<std::int32_t>(data.length(i));
    std::copy_n(data.ids.begin() + data.offsets[static_cast<std::size_t>(i)], length,
                out.ids.begin() + at);
    if (!data.type_ids.empty())
      std::copy_n(data.type_ids.begin() + data.offsets[static_cast<std::size_t>(i)], length,
                  out.type_ids.begin() + at);
    std::iota(out.positions.begin() + at, out.positions.begin() + at + length, 0);
    at += length;
    out.offsets.push_back(at);
    out.labels.push_back(data.labels[static_cast<std::size_t>(i)]);
    if (!data.targets.empty()) out.targets.push_back(data.targets[static_cast<std::size_t>(i)]);
  }
}

Batch make_batch(const TokenizedData& data, std::span<const std::int64_t> indices) {
  Batch batch;
  make_batch(data, indices, batch);
  return batch;
}

std::vector<std::int64_t> epoch_order(std::int64_t count, std::uint64_t seed, std::int64_t epoch) {
  if (count < 0 || count > std::numeric_limits<std::uint32_t>::max())
    throw Error(ErrorCode::invalid_argument, fmt::format("cannot order {} samples", count));
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  RandomStream random(seed, order_stream + static_cast<std::uint32_t>(epoch));
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
  return order;
}

std::vector<std::int64_t> sorted_by_length(const TokenizedData& data) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(data.size()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return data.length(a) > data.length(b); });
  return order;
}

std::vector<std::vector<std::int64_t>> cut_batches(const TokenizedData& data,
                                                   std::span<const std::int64_t> order,
                                                   std::int64_t max_tokens,
                                                   std::int64_t max_samples) {
  if (max_tokens < 1 || max_samples < 0)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("a batch cannot hold {} tokens and {} samples", max_tokens, max_samples));
  std::vector<std::vector<std::int64_t>> batches;
  std::int64_t tokens = 0;
  for (const std::int64_t i : order) {
    const std::int64_t length = data.length(checked(data, i));
    const bool fits =
        !batches.empty() && tokens + length <= max_tokens &&
        (max_samples == 0 || static_cast<std::int64_t>(batches.back().size()) < max_samples);
    if (!fits) {
      batches.emplace_back();
      tokens = 0;
    }
    batches.back().push_back(i);
    tokens += length;
  }
  return batches;
}

}  // namespace hone
