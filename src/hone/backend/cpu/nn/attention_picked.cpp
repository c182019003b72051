// attention for a few picked queries (the classifier reads one token of each sequence): vector by
// matrix products, one pass over the keys and one over the values.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/attention_picked.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/attention.hpp"
#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/cpu/detail/picked_rows.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// scores[j] = scale * q . k_j, j < length; the rows of k are ld apart. Gives the largest.
float score_keys(const float* q, const float* k, std::int64_t length, std::int64_t ld,
                 std::int64_t size, float scale, float* scores) {
  const F32 d;
  float largest = -3.0e38f;
  for (std::int64_t j = 0; j < length; ++j) {
    VecF sum = hn::Zero(d);
    for_vectors(
        size,
        [&](std::int64_t i) {
          sum = hn::MulAdd(hn::LoadU(d, q + i), hn::LoadU(d, k + j * ld + i), sum);
        },
        [&](std::int64_t i, std::size_t count) {
          const auto mask = hn::FirstN(d, count);
          sum = hn::MulAdd(masked_load(mask, d, q + i), masked_load(mask, d, k + j * ld + i), sum);
        });
    scores[j] = scale * hn::GetLane(hn::SumOfLanes(d, sum));
    largest = std::max(largest, scores[j]);
  }
  return largest;
}

// to[i] = sum_j weight[j] rows[j][i].
void weigh_rows(const float* weight, const float* rows, std::int64_t count, std::int64_t ld,
                std::int64_t size, float* to) {
  const F32 d;
  for_vectors(
      size,
      [&](std::int64_t i) {
        VecF sum = hn::Zero(d);
        for (std::int64_t j = 0; j < count; ++j)
          sum = hn::MulAdd(hn::Set(d, weight[j]), hn::LoadU(d, rows + j * ld + i), sum);
        hn::StoreU(sum, d, to + i);
      },
      [&](std::int64_t i, std::size_t tail) {
        const auto mask = hn::FirstN(d, tail);
        VecF sum = hn::Zero(d);
        for (std::int64_t j = 0; j < count; ++j)
          sum = hn::MulAdd(hn::Set(d, weight[j]), masked_load(mask, d, rows + j * ld + i), sum);
        blended_store(sum, mask, d, to + i);
      });
}

// keep[j] = the dropout factor of key j.
void keep_factors(std::int64_t length, std::uint32_t row, const AttentionTask& task, float* keep) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const VecF factor = hn::Set(d, task.keep_scale);
  if (task.threshold == 0) {
    std::fill(keep, keep + length, 1.0f);
    return;
  }
  for_dropout_columns(length, row, task.stream, task.rng, task.threshold,
                      [&](std::int64_t j, auto mask, std::int64_t count) {
                        const VecF value = hn::IfThenElseZero(mask, factor);
                        if (count == lanes)
                          hn::StoreU(value, d, keep + j);
                        else
                          blended_store(value, hn::FirstN(d, static_cast<std::size_t>(count)), d,
                                        keep + j);
                      });
}

// Of one query: its probabilities p, their dropout factors, and the weights of the values (p,
// rounded to its format, times keep). Gives the logarithm of the sum of exponentials.
float probabilities(const AttentionTask& task, const float* q, const float* k, std::uint32_t row,
                    float* p, float* keep, float* weight) {
  const float largest =
      score_keys(q, k, task.length, task.width, task.head_size, static_cast<float>(task.scale), p);
  const VecF shift = hn::Set(F32(), largest);
  map_vectors(p, p, task.length, [&](VecF v) { return exp_vector(hn::Sub(v, shift)); });
  double sum = 0;
  for (std::int64_t j = 0; j < task.length; ++j) sum += p[j];
  keep_factors(task.length, row, task, keep);
  const VecF inverse = hn::Set(F32(), static_cast<float>(1.0 / sum));
  const float* rounded = p;
  if (task.probabilities != nullptr) {
    task.probabilities->quantize(p, weight, 1, task.length);
    rounded = weight;
  }
  map_vectors2(rounded, keep, weight, task.length,
               [&](VecF a, VecF b) { return hn::Mul(hn::Mul(a, inverse), b); });
  map_vectors(p, p, task.length, [&](VecF v) { return hn::Mul(v, inverse); });
  return largest + static_cast<float>(std::log(sum));
}

float attend_one(const AttentionTask& task, const float* q, const float* k, const float* v,
                 std::uint32_t row, float* o, float* memory) {
  float* p = memory;
  float* keep = memory + task.length;
  float* weight = memory + 2 * task.length;
  const float log_sum = probabilities(task, q, k, row, p, keep, weight);
  weigh_rows(weight, v, task.length, task.width, task.head_size, o);
  return log_sum;
}

// Adds to dk and dv (which the caller cleared).
void attend_one_backward(const AttentionTask& task, const AttentionBackward& io, std::uint32_t row,
                         float* memory) {
  const F32 d;
  const std::int64_t size = task.head_size;
  float* p = memory;
  float* keep = memory + task.length;
  float* weight = memory + 2 * task.length;
  float* dp = memory + 3 * task.length;
  probabilities(task, io.q, io.k, row, p, keep, weight);
  score_keys(io.d_o, io.v, task.length, task.width, size, 1.0f, dp);
  double inner = 0;
  for (std::int64_t i = 0; i < size; ++i) inner += static_cast<double>(io.d_o[i]) * io.o[i];
  for (std::int64_t j = 0; j < task.length; ++j)
    dp[j] = p[j] * (keep[j] * dp[j] - static_cast<float>(inner)) * static_cast<float>(task.scale);
  weigh_rows(dp, io.k, task.length, task.width, size, io.dq);
  const auto add = [&](float times, const float* from, float* to) {
    const VecF factor = hn::Set(d, times);
    map_vectors2(from, to, to, size, [&](VecF a, VecF b) { return hn::MulAdd(factor, a, b); });
  };
  for (std::int64_t j = 0; j < task.length; ++j) {
    add(dp[j], io.q, io.dk + j * task.width);
    add(weight[j], io.d_o, io.dv + j * task.width);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(attend_one);
HWY_EXPORT(attend_one_backward);

float attention_picked_forward(const AttentionTask& task, const float* q, const float* k,
                               const float* v, std::uint32_t row, float* o, float* memory) {
  return HWY_DYNAMIC_DISPATCH(attend_one)(task, q, k, v, row, o, memory);
}

void attention_picked_backward(const AttentionTask& task, const AttentionBackward& io,
                               std::uint32_t row, float* memory) {
  HWY_DYNAMIC_DISPATCH(attend_one_backward)(task, io, row, memory);
}

namespace {

void run(const KernelCall& call) {
  const AttentionSizes sizes = attention_sizes(call.in(0).columns(), *call.attributes);
  const std::int64_t width = call.in(0).columns();
  const std::vector<PickedQueries> sequences = picked_queries(call.in(3), call.in(5));
  parallel_items(
      static_cast<std::int64_t>(sequences.size()) * sizes.heads, [&](std::int64_t item, int) {
        const PickedQueries& sequence = sequences[static_cast<std::size_t>(item / sizes.heads)];
        const std::int64_t head = item % sizes.heads;
        const AttentionTask task = picked_task(sequence, head, width, sizes, call, 4);
        std::vector<float> memory(static_cast<std::size_t>(3 * task.length + 16));
        const std::int64_t token = task.first_token * width + head * sizes.head_size;
        for (std::int32_t i : sequence.queries) {
          const std::int64_t at = i * width + head * sizes.head_size;
          call.out(1).as()[i * sizes.heads + head] = attention_picked_forward(
              task, call.in(0).as() + at, call.in(1).as() + token, call.in(2).as() + token,
              static_cast<std::uint32_t>(call.in(5).as<std::int32_t>()[i]), call.out(0).as() + at,
              memory.data());
        }
      });
}

}  // namespace

Kernel cpu_kernel_attention_picked() {
  Kernel kernel{{"cpu.attention_picked", "vector by matrix products for a few queries"},
                "attention",
                RowRule::whole,
                10};
  kernel.refuse = [](const KernelQuery& query) {
    return query.has(5) ? std::string() : "all queries of a sequence are wanted";
  };
  kernel.bind = bind_node_probabilities;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
#endif
