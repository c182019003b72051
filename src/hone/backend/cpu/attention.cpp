// attention by tiles: for each sequence and head, a block of queries meets all keys of the
// sequence; its scores (one block, in cache) become probabilities, are dropped out and meet the
// values. Nothing of size length x length is kept.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/attention.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "hone/backend/cpu/detail/attention.hpp"
#include "hone/backend/cpu/detail/math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// One row of scores (already in units of log2) to unnormalized probabilities, dropped out. Gives
// the sum of exponentials before dropout and the largest score.
float exponentials(float* scores, std::int64_t length, std::int64_t padded,
                   const AttentionTask& task, std::uint32_t row, float& largest_score) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const VecF lowest = hn::Set(d, -3.0e38f);
  VecF largest = lowest;
  for_vectors(
      length, [&](std::int64_t i) { largest = hn::Max(largest, hn::LoadU(d, scores + i)); },
      [&](std::int64_t i, std::size_t count) {
        largest = hn::Max(largest,
                          hn::IfThenElse(hn::FirstN(d, count), hn::LoadU(d, scores + i), lowest));
      });
  const VecF shift = hn::MaxOfLanes(d, largest);
  largest_score = hn::GetLane(shift);
  const VecF floor = hn::Set(d, -126.0f);
  VecF sum = hn::Zero(d);
  const auto exponential = [&](std::int64_t i) {
    const VecF x = hn::Sub(hn::LoadU(d, scores + i), shift);
    return hn::IfThenElseZero(hn::Ge(x, floor), exp2_in_range(hn::Max(x, floor)));
  };
  if (task.threshold == 0) {
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
  for (std::int64_t i = (length + lanes - 1) / lanes * lanes; i < padded; i += lanes)
    hn::StoreU(hn::Zero(d), d, scores + i);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void attend(const AttentionTask& task, const AttentionForward& io, float* memory) {
  const AttentionBuffers b(task, memory, false);
  const std::int64_t size = task.head_size;
  constexpr float log2_e = 1.44269504f;
  pack_transposed(io.k, task, b.padded, static_cast<float>(task.scale) * log2_e, b.keys_t);
  pack_rows(io.v, task.width, task.length, b.padded, size, b.values);
  for (std::int64_t q0 = 0; q0 < task.length; q0 += b.block) {
    const std::int64_t rows = std::min(b.block, task.length - q0);
    const std::int64_t padded_rows = round_up_16(rows);
    pack_rows(io.q + q0 * task.width, task.width, rows, padded_rows, size, b.queries);
    gemm({padded_rows, b.padded, size, size, b.padded, b.padded}, b.queries, b.keys_t, b.scores);
    float inverse[max_attention_block];
    for (std::int64_t r = 0; r < rows; ++r) {
      float largest = 0;
      const float sum =
          exponentials(b.scores + r * b.padded, task.length, b.padded, task,
                       static_cast<std::uint32_t>(task.first_token + q0 + r), largest);
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

namespace {

void run(const KernelCall& call) {
  const AttentionSetup setup(call, 0);
  if (call.flop != nullptr) *call.flop += setup.flop(2);
  const auto attend_target = HWY_DYNAMIC_DISPATCH(attend);
  parallel_items(setup.items(), [&](std::int64_t item, int thread) {
    const AttentionTask task = setup.task(item);
    const std::int64_t at = task.first_token * task.width + task.head * task.head_size;
    attend_target(
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
  kernel.workspace = [](const KernelQuery& query) { return attention_workspace(query, 0, false); };
  kernel.run = run;
  return kernel;
}

}  // namespace hone
#endif
