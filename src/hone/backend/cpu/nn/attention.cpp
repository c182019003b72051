// attention by tiles: for each sequence and head, a block of queries meets all keys of the
// sequence; its scores (one block, in cache) become probabilities, are dropped out and meet the
// values. Nothing of size length x length is kept.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/attention.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/attention.hpp"
#include "hone/backend/cpu/detail/math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

ExponentialSum exponentials(float* scores, std::int64_t padded, const AttentionTask& task,
                            std::uint32_t row) {
  const F32 d;
  const std::int64_t length = task.length;
  const bool drops = task.threshold != 0;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const VecF lowest = hn::Set(d, -3.0e38f);
  VecF largest = lowest;
  for_vectors(
      length, [&](std::int64_t i) { largest = hn::Max(largest, hn::LoadU(d, scores + i)); },
      [&](std::int64_t i, std::size_t count) {
        largest = hn::Max(largest,
                          hn::IfThenElse(hn::FirstN(d, count), hn::LoadU(d, scores + i), lowest));
      });
  // The product itself is left unscaled: products of whole numbers stay exact.
  const VecF factor = hn::Set(d, static_cast<float>(task.scale) * 1.44269504f);
  const VecF shift = hn::MaxOfLanes(d, largest);
  VecF sum = hn::Zero(d);
  const auto exponential = [&](std::int64_t i) {
    // In this order the largest gives exactly 1, also where the compiler fuses.
    return exp2_vector(hn::Mul(hn::Sub(hn::LoadU(d, scores + i), shift), factor));
  };
  // Rounding comes before dropout.
  if (!drops || task.probabilities != nullptr) {
    for_vectors(
        length,
        [&](std::int64_t i) {
          const VecF e = exponential(i);
          sum = hn::Add(sum, e);
          hn::StoreU(e, d, scores + i);
        },
        [&](std::int64_t i, std::size_t count) {
          const VecF e = hn::IfThenElseZero(hn::FirstN(d, count), exponential(i));
          sum = hn::Add(sum, e);
          hn::StoreU(e, d, scores + i);
        });
  } else {
    for_dropout_columns(length, row, task.stream, task.rng, task.threshold,
                        [&](std::int64_t i, auto keep, std::int64_t count) {
                          VecF e = exponential(i);
                          if (count != lanes)
                            e = hn::IfThenElseZero(hn::FirstN(d, static_cast<std::size_t>(count)),
                                                   e);
                          sum = hn::Add(sum, e);
                          hn::StoreU(hn::IfThenElseZero(keep, e), d, scores + i);
                        });
  }
  if (task.probabilities != nullptr) {
    task.probabilities->quantize(scores, scores, 1, length);
    if (drops)
      for_dropout_columns(length, row, task.stream, task.rng, task.threshold,
                          [&](std::int64_t i, auto keep, std::int64_t) {
                            hn::StoreU(hn::IfThenElseZero(keep, hn::LoadU(d, scores + i)), d,
                                       scores + i);
                          });
  }
  for (std::int64_t i = round_up(length, lanes); i < padded; i += lanes)
    hn::StoreU(hn::Zero(d), d, scores + i);
  return {hn::GetLane(hn::SumOfLanes(d, sum)), hn::GetLane(hn::Mul(shift, factor))};
}

void attend(const AttentionTask& task, const AttentionForward& io, float* memory) {
  const AttentionBuffers b(task, memory, false);
  const std::int64_t size = task.head_size;
  pack_transposed(io.k, task, b.padded, 1.0f, b.keys_t);
  pack_rows(io.v, task.width, task.length, b.padded, size, b.values);
  for (std::int64_t q0 = 0; q0 < task.length; q0 += b.block) {
    const std::int64_t rows = std::min(b.block, task.length - q0);
    const std::int64_t padded_rows = round_up(rows, 16);
    pack_rows(io.q + q0 * task.width, task.width, rows, padded_rows, size, b.queries);
    gemm({padded_rows, b.padded, size, size, b.padded, b.padded}, b.queries, b.keys_t, b.scores);
    float inverse[max_attention_block];
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto [sum, largest] =
          exponentials(b.scores + r * b.padded, b.padded, task,
                       static_cast<std::uint32_t>(task.first_token + q0 + r));
      io.log_sum[(q0 + r) * task.heads] = (largest + std::log2(sum)) * 0.69314718f;
      inverse[r] = task.keep_scale / sum;
    }
    gemm({padded_rows, size, b.padded, b.padded, size, size}, b.scores, b.values, b.output);
    for (std::int64_t r = 0; r < rows; ++r) {
      const VecF factor = hn::Set(F32(), inverse[r]);
      map_vectors(b.output + r * size, io.o + (q0 + r) * task.width, size,
                  [&](VecF v) { return hn::Mul(v, factor); });
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(attend);
HWY_EXPORT(exponentials);

ExponentialSum attention_exponentials(float* scores, std::int64_t padded, const AttentionTask& task,
                                      std::uint32_t row) {
  return HWY_DYNAMIC_DISPATCH(exponentials)(scores, padded, task, row);
}

void attention_forward(const AttentionTask& task, const AttentionForward& io, float* memory) {
  HWY_DYNAMIC_DISPATCH(attend)(task, io, memory);
}

namespace {

void run(const KernelCall& call) {
  const AttentionSetup setup(call, 0, bound_probabilities(call));
  if (call.flop != nullptr) *call.flop += setup.flop(2);
  parallel_items(setup.items(), [&](std::int64_t item, int thread) {
    const AttentionTask task = setup.task(item);
    const std::int64_t at = task.first_token * task.width + task.head * task.head_size;
    attention_forward(
        task,
        {call.in(0).as() + at, call.in(1).as() + at, call.in(2).as() + at, call.out(0).as() + at,
         call.out(1).as() + task.first_token * task.heads + task.head},
        reinterpret_cast<float*>(call.workspace) + setup.floats_per_thread(false) * thread);
  });
}

}  // namespace

Kernel cpu_kernel_attention() {
  Kernel kernel{{"cpu.attention", "query blocks against whole sequences, scores stay in cache"},
                "attention",
                RowRule::whole,
                10};
  kernel.refuse = [](const KernelQuery& query) {
    return query.has(5) ? "takes all queries of a sequence; these are picked rows" : std::string();
  };
  kernel.bind = bind_node_probabilities;
  kernel.workspace = [](const KernelQuery& query) { return attention_workspace(query, 0, false); };
  kernel.run = run;
  return kernel;
}

}  // namespace hone
#endif
