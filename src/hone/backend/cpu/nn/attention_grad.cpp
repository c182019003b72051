// attention_grad by tiles: probabilities are rebuilt block by block from the kept logarithms,
// dropout masks drawn again; dk and dv of a head are summed in cache and written once.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/attention_grad.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/attention.hpp"
#include "hone/backend/cpu/detail/math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// Probabilities of a row to their format (seen from the largest of them), then dropped out.
void round_probabilities(float* p, const AttentionTask& task, std::uint32_t row) {
  const F32 d;
  const VecF largest = hn::Set(d, *std::max_element(p, p + task.length));
  map_vectors(p, p, task.length, [&](VecF v) { return hn::Div(v, largest); });
  task.probabilities->quantize(p, p, 1, task.length);
  map_vectors(p, p, task.length, [&](VecF v) { return hn::Mul(v, largest); });
  if (task.threshold == 0) return;
  const VecF keep_scale = hn::Set(d, task.keep_scale);
  for_dropout_columns(
      task.length, row, task.stream, task.rng, task.threshold,
      [&](std::int64_t i, auto keep, std::int64_t) {
        hn::StoreU(hn::IfThenElseZero(keep, hn::Mul(hn::LoadU(d, p + i), keep_scale)), d, p + i);
      });
}

// One row: scores (log2) become dropped-out probabilities p m, d_scores (do v^T) become ds * scale.
void rebuild(float* scores, float* d_scores, std::int64_t length, std::int64_t padded,
             const AttentionTask& task, std::uint32_t row, float log2_sum, float inner) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const VecF shift = hn::Set(d, log2_sum);
  const VecF scale = hn::Set(d, static_cast<float>(task.scale));
  const VecF keep_scale = hn::Set(d, task.keep_scale);
  const VecF sum = hn::Set(d, inner);
  const bool rounds = task.probabilities != nullptr;
  const auto store = [&](std::int64_t i, auto keep, auto inside) {
    const VecF p =
        hn::IfThenElseZero(inside, exp2_vector(hn::Sub(hn::LoadU(d, scores + i), shift)));
    const VecF factor = hn::IfThenElseZero(keep, keep_scale);
    const VecF dp = hn::MulSub(hn::LoadU(d, d_scores + i), factor, sum);
    hn::StoreU(rounds ? p : hn::Mul(p, factor), d, scores + i);
    hn::StoreU(hn::Mul(hn::Mul(p, scale), dp), d, d_scores + i);
  };
  const auto all = hn::FirstN(d, static_cast<std::size_t>(lanes));
  if (task.threshold == 0) {
    for_vectors(
        length, [&](std::int64_t i) { store(i, all, all); },
        [&](std::int64_t i, std::size_t count) { store(i, all, hn::FirstN(d, count)); });
  } else {
    for_dropout_columns(
        length, row, task.stream, task.rng, task.threshold,
        [&](std::int64_t i, auto keep, std::int64_t count) {
          store(i, keep, count == lanes ? all : hn::FirstN(d, static_cast<std::size_t>(count)));
        });
  }
  if (rounds) round_probabilities(scores, task, row);
  for (std::int64_t i = round_up(length, lanes); i < padded; i += lanes) {
    hn::StoreU(hn::Zero(d), d, scores + i);
    hn::StoreU(hn::Zero(d), d, d_scores + i);
  }
}

float dot(const float* a, const float* b, std::int64_t n) {
  const F32 d;
  VecF sum = hn::Zero(d);
  for_vectors(
      n, [&](std::int64_t i) { sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum); },
      [&](std::int64_t i, std::size_t count) {
        const auto mask = hn::FirstN(d, count);
        sum = hn::MulAdd(masked_load(mask, d, a + i), masked_load(mask, d, b + i), sum);
      });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void copy_rows(const float* from, std::int64_t rows, std::int64_t columns, float* to,
               std::int64_t ld) {
  for (std::int64_t r = 0; r < rows; ++r)
    map_vectors(from + r * columns, to + r * ld, columns, [](VecF v) { return v; });
}

void attend_backward(const AttentionTask& task, const AttentionBackward& io, float* memory) {
  const AttentionBuffers b(task, memory, true);
  const std::int64_t size = task.head_size;
  constexpr float log2_e = 1.44269504f;
  pack_transposed(io.k, task, b.padded, static_cast<float>(task.scale) * log2_e, b.keys_t);
  pack_transposed(io.v, task, b.padded, 1.0f, b.values_t);
  pack_rows(io.k, task.width, task.length, b.padded, size, b.keys);
  for (std::int64_t q0 = 0; q0 < task.length; q0 += b.block) {
    const std::int64_t rows = std::min(b.block, task.length - q0);
    const std::int64_t padded_rows = round_up(rows, 16);
    const std::int64_t at = q0 * task.width;
    pack_rows(io.q + at, task.width, rows, padded_rows, size, b.queries);
    pack_rows(io.d_o + at, task.width, rows, padded_rows, size, b.d_output);
    gemm({padded_rows, b.padded, size, size, b.padded, b.padded}, b.queries, b.keys_t, b.scores);
    gemm({padded_rows, b.padded, size, size, b.padded, b.padded}, b.d_output, b.values_t,
         b.d_scores);
    for (std::int64_t r = 0; r < rows; ++r) {
      const float inner = dot(io.d_o + at + r * task.width, io.o + at + r * task.width, size);
      rebuild(b.scores + r * b.padded, b.d_scores + r * b.padded, task.length, b.padded, task,
              static_cast<std::uint32_t>(task.first_token + q0 + r),
              io.log_sum[(q0 + r) * task.heads] * log2_e, inner);
    }
    // Padding rows must not reach dk and dv: their q and do are zero, their scores finite.
    const bool later = q0 != 0;
    gemm({b.padded, size, padded_rows, b.padded, size, size, true, later}, b.scores, b.d_output,
         b.d_values);
    gemm({b.padded, size, padded_rows, b.padded, size, size, true, later}, b.d_scores, b.queries,
         b.d_keys);
    gemm({padded_rows, size, b.padded, b.padded, size, size}, b.d_scores, b.keys, b.output);
    copy_rows(b.output, rows, size, io.dq + at, task.width);
  }
  copy_rows(b.d_keys, task.length, size, io.dk, task.width);
  copy_rows(b.d_values, task.length, size, io.dv, task.width);
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(attend_backward);

namespace {

void run(const KernelCall& call) {
  const AttentionSetup setup(call, 3, bound_probabilities(call));
  if (call.flop != nullptr) *call.flop += setup.flop(5);
  const auto backward_target = HWY_DYNAMIC_DISPATCH(attend_backward);
  parallel_items(setup.items(), [&](std::int64_t item, int thread) {
    const AttentionTask task = setup.task(item);
    const std::int64_t at = task.first_token * task.width + task.head * task.head_size;
    backward_target(
        task,
        {call.in(0).as() + at, call.in(1).as() + at,
         call.in(2).as() + task.first_token * task.heads + task.head, call.in(3).as() + at,
         call.in(4).as() + at, call.in(5).as() + at, call.out(0).as() + at, call.out(1).as() + at,
         call.out(2).as() + at},
        reinterpret_cast<float*>(call.workspace) + setup.floats_per_thread(true) * thread);
  });
}

}  // namespace

Kernel cpu_kernel_attention_grad() {
  Kernel kernel{{"cpu.attention_grad",
                 "query blocks against whole sequences, probabilities rebuilt in cache"},
                "attention_grad",
                RowRule::whole,
                10};
  kernel.refuse = [](const KernelQuery& query) {
    return query.has(8) ? "takes all queries of a sequence; these are picked rows" : std::string();
  };
  kernel.bind = bind_node_probabilities;
  kernel.workspace = [](const KernelQuery& query) { return attention_workspace(query, 3, true); };
  kernel.run = run;
  return kernel;
}

}  // namespace hone
#endif
