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

std::int64_t checked(const Dataset& data, std::int64_t index) {
  if (index < 0 || index >= data.size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("sample {} does not exist; there are {}", index, data.size()),
                "sample numbers start at 0");
  return index;
}

}  // namespace

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

void sort_by_length(const Dataset& data, std::vector<std::int64_t>& numbers) {
  std::stable_sort(numbers.begin(), numbers.end(),
                   [&](std::int64_t a, std::int64_t b) { return data.length(a) > data.length(b); });
}

std::vector<std::int64_t> sorted_by_length(const Dataset& data) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(data.size()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  sort_by_length(data, order);
  return order;
}

std::vector<std::vector<std::int64_t>> cut_batches(const Dataset& data,
                                                   std::span<const std::int64_t> order,
                                                   std::int64_t max_length,
                                                   std::int64_t max_samples) {
  if (max_length < 1 || max_samples < 0)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("a batch cannot hold {} elements and {} samples", max_length, max_samples));
  std::vector<std::vector<std::int64_t>> batches;
  std::int64_t filled = 0;
  for (const std::int64_t i : order) {
    const std::int64_t length = data.length(checked(data, i));
    const bool fits =
        !batches.empty() && filled + length <= max_length &&
        (max_samples == 0 || static_cast<std::int64_t>(batches.back().size()) < max_samples);
    if (!fits) {
      batches.emplace_back();
      filled = 0;
    }
    batches.back().push_back(i);
    filled += length;
  }
  return batches;
}

}  // namespace hone
