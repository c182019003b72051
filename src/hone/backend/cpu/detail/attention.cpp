#include "hone/backend/cpu/detail/attention.hpp"

#include <cstring>
#include <numeric>
#include <utility>

namespace hone {

AttentionSetup::AttentionSetup(const KernelCall& call, std::size_t first,
                               const Quantizer* probabilities)
    : sizes_(attention_sizes(call.in(first).columns(), *call.attributes)),
      width_(call.in(first).columns()),
      offsets_(call.in(first + 3).as<std::int32_t>()),
      rng_(call.has(first + 4) ? call.in(first + 4).as<std::uint32_t>() : nullptr),
      probabilities_(probabilities) {
  const std::int64_t sequences = call.in(first + 3).rows() - 1;
  order_.resize(static_cast<std::size_t>(std::max<std::int64_t>(sequences, 0)));
  std::iota(order_.begin(), order_.end(), 0);
  const auto length = [&](std::int32_t s) { return offsets_[s + 1] - offsets_[s]; };
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::int32_t a, std::int32_t b) { return length(a) > length(b); });
  if (!order_.empty()) longest_ = length(order_.front());
}

AttentionTask AttentionSetup::task(std::int64_t item) const {
  const std::int32_t sequence = order_[static_cast<std::size_t>(item / sizes_.heads)];
  const std::int64_t head = item % sizes_.heads;
  return {offsets_[sequence],
          offsets_[sequence + 1] - offsets_[sequence],
          head,
          sizes_.heads,
          sizes_.head_size,
          width_,
          sizes_.scale,
          sizes_.threshold,
          sizes_.stream + static_cast<std::uint32_t>(head),
          dropout_scale(sizes_.threshold),
          rng_,
          probabilities_};
}

std::shared_ptr<const void> bind_node_probabilities(const KernelQuery& query) {
  return std::shared_ptr<const Quantizer>(bind_probabilities(query.node.attributes));
}

std::int64_t AttentionSetup::floats_per_thread(bool backward) const {
  return AttentionBuffers::floats(longest_, sizes_.head_size, backward);
}

double AttentionSetup::flop(int products) const {
  double squares = 0;
  for (std::int32_t s : order_) {
    const double length = offsets_[s + 1] - offsets_[s];
    squares += length * length;
  }
  return 2.0 * products * squares * static_cast<double>(width_);
}

std::int64_t AttentionBuffers::block_rows(std::int64_t padded, bool backward) {
  // The block's scores should take no more than 128 KiB (half of it for each of two in the backward
  // pass).
  const std::int64_t rows =
      (backward ? 16384 : 32768) / std::max<std::int64_t>(padded, 1) / 16 * 16;
  return std::clamp<std::int64_t>(rows, 16, max_attention_block);
}

std::int64_t AttentionBuffers::floats(std::int64_t length, std::int64_t head_size, bool backward) {
  const std::int64_t padded = round_up(length, 16);
  const std::int64_t block = block_rows(padded, backward);
  const std::int64_t rows = padded * head_size;
  const std::int64_t blocks = block * head_size;
  const std::int64_t forward = 2 * rows + 2 * blocks + block * padded;
  return round_up(backward ? forward + 4 * rows + blocks + block * padded : forward, 16);
}

AttentionBuffers::AttentionBuffers(const AttentionTask& task, float* memory, bool backward)
    : padded(round_up(task.length, 16)), block(block_rows(padded, backward)) {
  const auto take = [&memory](std::int64_t count) { return std::exchange(memory, memory + count); };
  const std::int64_t rows = padded * task.head_size;
  const std::int64_t blocks = block * task.head_size;
  keys_t = take(rows);
  values = take(rows);
  queries = take(blocks);
  output = take(blocks);
  scores = take(block * padded);
  if (!backward) return;
  keys = take(rows);
  values_t = values;  // the backward pass needs the values transposed only
  d_keys = take(rows);
  d_values = take(rows);
  d_output = take(blocks);
  d_scores = take(block * padded);
}

std::size_t attention_workspace(const KernelQuery& query, std::size_t first, bool backward) {
  const Shape q = query.input_shape(first);
  const std::int64_t tokens = query.input_shape(first + 1)[0];
  const AttentionSizes sizes = attention_sizes(q[1], query.node.attributes);
  // One sequence may hold all tokens.
  const std::int64_t most = AttentionBuffers::floats(tokens, sizes.head_size, backward);
  return static_cast<std::size_t>(most) * sizeof(float) * static_cast<std::size_t>(query.threads);
}

void pack_rows(const float* from, std::int64_t ld, std::int64_t rows, std::int64_t padded,
               std::int64_t columns, float* to) {
  for (std::int64_t r = 0; r < rows; ++r)
    std::memcpy(to + r * columns, from + r * ld, static_cast<std::size_t>(columns) * sizeof(float));
  std::memset(to + rows * columns, 0,
              static_cast<std::size_t>((padded - rows) * columns) * sizeof(float));
}

void pack_transposed(const float* from, const AttentionTask& task, std::int64_t padded, float scale,
                     float* to) {
  transpose_into(from, task.length, task.head_size, task.width, to, padded, scale);
  for (std::int64_t i = 0; i < task.head_size; ++i)
    std::fill(to + i * padded + task.length, to + (i + 1) * padded, 0.0f);
}

}  // namespace hone
