// dense_attention by blocks of keys: some rows of queries meet a block, its scores (in cache)
// become powers of two of what they are above the largest one yet, and meet the values; sums of
// what came before shrink as the largest grows (Dao et al., arXiv 2205.14135). Memory is linear in
// both lengths.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/dense_attention.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/dense_attention-inl.hpp"
#include "hone/backend/cpu/detail/dense_attention.hpp"
#include "hone/core/threads.hpp"

#ifndef HONE_DENSE_ATTENTION_FORWARD
#define HONE_DENSE_ATTENTION_FORWARD
namespace hone {

// Queries that meet a block of keys before the next block does; rows that are in the first cache.
inline constexpr std::int64_t dense_chunk = 384, dense_rows = 24, dense_keys = 128;

// Where a thread's memory lies, in floats.
struct DenseForwardMemory {
  std::int64_t keys, value_width, query_width;
  std::int64_t scores, values, keys_t, queries, output, rows, total;

  explicit DenseForwardMemory(const DenseAttentionSizes& s)
      : keys(dense_key_block(std::max(s.head_size, s.value_size), dense_keys)),
        value_width(dense_padded(s.value_size)),
        query_width(dense_padded(s.head_size)) {
    scores = 0;
    values = scores + dense_rows * keys;
    keys_t = values + keys * value_width;
    queries = keys_t + keys * query_width;
    output = queries + dense_chunk * query_width;
    rows = output + dense_chunk * value_width;
    // Of each row: largest, sum, factor; a row of the mask; rows to be transposed.
    total = rows + 3 * dense_chunk + keys + 16 * query_width + 64;
  }
};

}  // namespace hone
#endif

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// The largest score of a row, or the largest yet.
HWY_INLINE float largest_of(const float* scores, std::int64_t count, float largest) {
  const F32 d;
  const VecF yet = hn::Set(d, largest);
  VecF most[2] = {yet, yet};
  const std::int64_t lanes = lane_count();
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    most[0] = hn::Max(most[0], hn::LoadU(d, scores + i));
    most[1] = hn::Max(most[1], hn::LoadU(d, scores + i + lanes));
  }
  for (; i < count; i += lanes) {
    const auto inside = hn::FirstN(d, static_cast<std::size_t>(std::min(lanes, count - i)));
    most[0] = hn::Max(most[0], hn::IfThenElse(inside, hn::LoadU(d, scores + i), yet));
  }
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(most[0], most[1])));
}

// Scores of one row become powers of two above `largest`, zeros up to `padded`; gives their sum.
HWY_INLINE float powers_of(float* scores, std::int64_t count, std::int64_t padded, float largest) {
  const F32 d;
  // Nothing but hidden ones: they are all 0.
  const VecF shift =
      hn::Set(d, largest == -std::numeric_limits<float>::infinity() ? 0.0f : largest);
  const std::int64_t lanes = lane_count();
  VecF sums[2] = {hn::Zero(d), hn::Zero(d)};
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const VecF a = power_of_two(hn::Sub(hn::LoadU(d, scores + i), shift));
    const VecF b = power_of_two(hn::Sub(hn::LoadU(d, scores + i + lanes), shift));
    sums[0] = hn::Add(sums[0], a);
    sums[1] = hn::Add(sums[1], b);
    hn::StoreU(a, d, scores + i);
    hn::StoreU(b, d, scores + i + lanes);
  }
  for (; i < count; i += lanes) {
    const auto inside = hn::FirstN(d, static_cast<std::size_t>(std::min(lanes, count - i)));
    const VecF e =
        hn::IfThenElseZero(inside, power_of_two(hn::Sub(hn::LoadU(d, scores + i), shift)));
    sums[0] = hn::Add(sums[0], e);
    hn::StoreU(e, d, scores + i);
  }
  for (; i < padded; i += lanes) hn::StoreU(hn::Zero(d), d, scores + i);
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sums[0], sums[1])));
}

void log_sums(const SeenScores& seen, std::int64_t count, float* log_sum) {
  const F32 d;
  const auto log_of = [&](VecF largest, VecF sum) HWY_ATTR {
    const VecF log = hn::Mul(hn::Add(largest, log2_vector(sum)), hn::Set(d, 0.69314718f));
    return hn::IfThenZeroElse(hn::Lt(sum, hn::Zero(d)), log);
  };
  map_vectors2(seen.largest, seen.sum, log_sum, count, log_of);
}

void dense_forward_item(const DenseForward& f, std::int64_t item, float* memory) {
  const DenseAttentionSizes& s = f.sizes;
  const DenseForwardMemory m(s);
  const std::int64_t chunk = item % f.chunks() * f.chunk, head = f.head_of(item);
  const std::int64_t batch = f.batch_of(item), group = head / s.group_heads();
  const std::int64_t queries = std::min(f.chunk, s.queries - chunk);
  const std::int64_t value_width = padded_to_lanes(s.value_size);
  float *largest = memory + m.rows, *sum = largest + dense_chunk, *factor = sum + dense_chunk;
  const SeenScores seen{largest, sum, factor};
  float *mask = factor + dense_chunk, *room = mask + m.keys;
  float *scores = memory + m.scores, *output = memory + m.output;

  const StoredRows q{
      at_element(f.q, batch * s.q.batch + head * s.q.head + chunk * s.q.token, f.dtype), f.dtype,
      s.q.token};
  const float* query = reinterpret_cast<const float*>(q.data);
  std::int64_t query_step = s.q.token;
  if (f.dtype != DType::f32) {
    query_step = m.query_width;
    widen_rows(q, queries, s.head_size, memory + m.queries, query_step);
    query = memory + m.queries;
  }
  std::fill(largest, largest + queries, -std::numeric_limits<float>::infinity());
  std::fill(sum, sum + queries, 0.0f);

  const std::int64_t visible = s.visible(chunk + queries - 1);
  for (std::int64_t key = 0; key < visible; key += m.keys) {
    const std::int64_t keys = std::min(m.keys, visible - key);
    const StoredRows k{
        at_element(f.k, batch * s.k.batch + group * s.k.head + key * s.k.token, f.dtype), f.dtype,
        s.k.token};
    const StoredRows v{
        at_element(f.v, batch * s.v.batch + group * s.v.head + key * s.v.token, f.dtype), f.dtype,
        s.v.token};
    // Scores are powers of two.
    const Panels keys_t = pack_transposed_panels(k, keys, s.head_size,
                                                 static_cast<float>(s.scale * 1.4426950408889634),
                                                 memory + m.keys_t, room);
    const Panels values = panels_of(v, keys, s.value_size, memory + m.values);
    if (f.mask && f.mask.strides.query == 0)
      mask_row(f.mask, f.mask.offset(batch, head, 0, key), keys, mask);
    for (std::int64_t row = 0; row < queries; row += dense_rows) {
      const std::int64_t rows = std::min(dense_rows, queries - row);
      const std::int64_t width = std::min(keys, s.visible(chunk + row + rows - 1) - key);
      if (width <= 0) continue;
      const std::int64_t padded = padded_to_lanes(width);
      block_product<false>(
          {query + row * query_step, query_step, 1, keys_t, s.head_size, scores, m.keys, nullptr},
          rows, padded);
      const auto count_of = [&](std::int64_t r) {
        return std::clamp<std::int64_t>(s.visible(chunk + row + r) - key, 0, width);
      };
      // (All of the largest first: rows do not wait for each other.)
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t i = row + r, count = count_of(r);
        if (f.mask) {
          if (f.mask.strides.query != 0)
            mask_row(f.mask, f.mask.offset(batch, head, chunk + i, key), count, mask);
          add_mask_row(f.mask, mask, count, scores + r * m.keys);
        }
        const float now = largest_of(scores + r * m.keys, count, largest[i]);
        factor[i] = largest[i] == now ? 1.0f
                    : largest[i] == -std::numeric_limits<float>::infinity()
                        ? 0.0f
                        : std::exp2(largest[i] - now);
        largest[i] = now;
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t i = row + r;
        sum[i] =
            sum[i] * factor[i] + powers_of(scores + r * m.keys, count_of(r), padded, largest[i]);
      }
      block_product<false>({scores, m.keys, 1, values, width, output + row * value_width,
                            value_width, key == 0 ? nullptr : factor + row},
                           rows, value_width);
    }
  }

  for (std::int64_t i = 0; i < queries; ++i) {
    const std::int64_t to = batch * s.o.batch + head * s.o.head + (chunk + i) * s.o.token;
    // A sum of 0: all is hidden, or scores were too low for float32 (then it is NaN).
    const bool sees =
        sum[i] != 0 || !f.mask.hides_all(batch, head, chunk + i, s.visible(chunk + i));
    float* const row = output + i * value_width;
    if (!sees) std::fill(row, row + value_width, 0.0f);
    store_row(row, s.value_size, sees ? 1 / sum[i] : 0.0f, f.dtype, at_element(f.o, to, f.dtype));
    if (!sees) sum[i] = -1;
  }
  log_sums(seen, queries, f.log_sum + (batch * s.heads + head) * s.queries + chunk);
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(dense_forward_item);
HWY_EXPORT(log_sums);

void dense_log_sums(const SeenScores& seen, std::int64_t count, float* log_sum) {
  HWY_DYNAMIC_DISPATCH(log_sums)(seen, count, log_sum);
}

namespace {

void run(const KernelCall& call) {
  const DenseForward f = dense_forward(call, dense_chunk, 4 * dense_rows);
  if (f.sizes.queries == 0) return;
  const auto target = HWY_DYNAMIC_DISPATCH(dense_forward_item);
  const std::int64_t floats = DenseForwardMemory(f.sizes).total;
  parallel_items(f.items(), [&](std::int64_t item, int thread) {
    target(f, item, reinterpret_cast<float*>(call.workspace) + floats * thread);
  });
}

}  // namespace

Kernel cpu_kernel_dense_attention() {
  Kernel kernel{
      {"cpu.dense_attention", "blocks of keys meet rows of queries, scores stay in cache"},
      "dense_attention",
      RowRule::whole,
      10};
  kernel.workspace = [](const KernelQuery& query) {
    const Shape q = query.input_shape(0), k = query.input_shape(1), v = query.input_shape(2);
    const DenseForwardMemory memory(
        dense_attention_sizes(q.data(), k.data(), v.data(), query.node.attributes));
    return static_cast<std::size_t>(memory.total) * sizeof(float) *
           static_cast<std::size_t>(query.threads);
  };
  kernel.run = run;
  return kernel;
}

}  // namespace hone
#endif
