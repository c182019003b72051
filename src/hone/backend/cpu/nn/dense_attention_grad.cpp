// dense_attention_grad by blocks: keys outside, queries inside. Probabilities are rebuilt from the
// kept logarithms; dk and dv of a block of keys are summed in cache and written once, dq of a head
// grows from block to block. Memory is linear in both lengths. Where there are fewer heads than
// threads, the keys of one are cut, and what each cut gives to dq is added at the end.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/dense_attention_grad.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/dense_attention-inl.hpp"
#include "hone/backend/cpu/detail/dense_attention.hpp"
#include "hone/core/threads.hpp"

#ifndef HONE_DENSE_ATTENTION_BACKWARD
#define HONE_DENSE_ATTENTION_BACKWARD
namespace hone {

inline constexpr std::int64_t grad_rows = 48, grad_keys = 64;

// Where a thread's memory lies, in floats.
struct DenseBackwardMemory {
  std::int64_t head_width, value_width;
  std::int64_t scores, d_scores, keys_t, values_t, keys, queries, query_panels, d_o, d_o_panels;
  std::int64_t dk, dv, rows, inner, dq, total;  // of a thread
  std::int64_t head_dq;                         // numbers of dq of one head

  explicit DenseBackwardMemory(const DenseAttentionSizes& s)
      : head_width(dense_padded(s.head_size)), value_width(dense_padded(s.value_size)) {
    std::int64_t at = 0;
    const auto take = [&](std::int64_t count) {
      const std::int64_t begin = at;
      at += count;
      return begin;
    };
    scores = take(grad_rows * grad_keys);
    d_scores = take(grad_rows * grad_keys);
    keys_t = take(head_width * grad_keys);
    values_t = take(value_width * grad_keys);
    keys = take(grad_keys * head_width);
    queries = take(grad_rows * head_width);
    query_panels = take(grad_rows * head_width);
    d_o = take(grad_rows * value_width);
    d_o_panels = take(grad_rows * value_width);
    dk = take(grad_keys * head_width);
    dv = take(grad_keys * value_width);
    // A row of the mask; rows to be transposed.
    rows = take(grad_keys + 16 * std::max(head_width, value_width) + 64);
    inner = take(s.group_heads() * dense_padded(s.queries));
    head_dq = s.queries * head_width;
    dq = take(s.group_heads() * head_dq);
    total = at;
  }
};

}  // namespace hone
#endif

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// One row: scores become probabilities p, d_scores (do v^T) become p (d_scores - inner) scale.
HWY_INLINE void backward_row(float* scores, float* d_scores, std::int64_t count,
                             std::int64_t padded, float log2_sum, float inner, float scale) {
  const F32 d;
  const VecF shift = hn::Set(d, log2_sum), less = hn::Set(d, inner), times = hn::Set(d, scale);
  const auto probability = [&](std::int64_t i) {
    // (None is above 1: scores near the lowest number have no digits left.)
    return power_of_two(min_or_second(hn::Zero(d), hn::Sub(hn::LoadU(d, scores + i), shift)));
  };
  const auto store = [&](std::int64_t i, VecF p) {
    const VecF ds = hn::Mul(hn::Mul(p, times), hn::Sub(hn::LoadU(d, d_scores + i), less));
    hn::StoreU(p, d, scores + i);
    hn::StoreU(ds, d, d_scores + i);
  };
  for_vectors(
      count, [&](std::int64_t i) { store(i, probability(i)); },
      [&](std::int64_t i, std::size_t rest) {
        const auto inside = hn::FirstN(d, rest);
        // (What lies behind is no number that it may be multiplied with.)
        const VecF p = hn::IfThenElseZero(inside, probability(i));
        const VecF ds = hn::Mul(hn::Mul(p, times), hn::Sub(hn::LoadU(d, d_scores + i), less));
        hn::StoreU(p, d, scores + i);
        hn::StoreU(hn::IfThenElseZero(inside, ds), d, d_scores + i);
      });
  for (std::int64_t i = padded_to_lanes(count); i < padded; i += lane_count()) {
    hn::StoreU(hn::Zero(d), d, scores + i);
    hn::StoreU(hn::Zero(d), d, d_scores + i);
  }
}

// sum(do o) of each query of a head.
inline void inner_rows(const StoredRows& a, const StoredRows& b, std::int64_t rows,
                       std::int64_t columns, float* to) {
  const F32 d;
  with_load(a.dtype, [&](auto load) HWY_ATTR {
    for (std::int64_t r = 0; r < rows; ++r) {
      VecF sum = hn::Zero(d);
      const std::byte* other = b.row(r);
      for_vectors(
          columns,
          [&](std::int64_t i) {
            const std::int64_t at = i * std::int64_t{load.bytes};
            sum = hn::MulAdd(load(a.row(r) + at), load(other + at), sum);
          },
          [&](std::int64_t i, std::size_t rest) {
            const std::int64_t at = i * std::int64_t{load.bytes};
            sum = hn::MulAdd(load_some(load, a.row(r) + at, rest),
                             load_some(load, other + at, rest), sum);
          });
      to[r] = hn::GetLane(hn::SumOfLanes(d, sum));
    }
  });
}

void dense_backward_item(const DenseBackward& f, std::int64_t item, float* memory, float* cut_dq) {
  const DenseAttentionSizes& s = f.sizes;
  const DenseBackwardMemory m(s);
  const std::int64_t cut = item % f.cuts, group = item / f.cuts % s.groups;
  const std::int64_t batch = item / f.cuts / s.groups;
  const std::int64_t head_width = padded_to_lanes(s.head_size);
  const std::int64_t value_width = padded_to_lanes(s.value_size);
  const std::int64_t first_head = group * s.group_heads();
  float *scores = memory + m.scores, *d_scores = memory + m.d_scores;
  float *mask = memory + m.rows, *room = mask + grad_keys;
  float ones[grad_keys];
  std::fill(ones, ones + grad_keys, 1.0f);
  constexpr float log2_e = 1.44269504f;
  const auto scale = static_cast<float>(s.scale);

  const auto rows_of = [&](void* data, const HeadStrides& strides, std::int64_t head,
                           std::int64_t token) -> StoredRows {
    return {at_element(data, batch * strides.batch + head * strides.head + token * strides.token,
                       f.dtype),
            f.dtype, strides.token};
  };
  // dq of this item's heads: the thread's own, or that of the part, which stays.
  float* const dq = f.cuts == 1 ? memory + m.dq : cut_dq + item * s.group_heads() * m.head_dq;
  std::fill(dq, dq + s.group_heads() * m.head_dq, 0.0f);
  for (std::int64_t g = 0; g < s.group_heads(); ++g)
    inner_rows(rows_of(f.d_o, s.o, first_head + g, 0), rows_of(f.o, s.o, first_head + g, 0),
               s.queries, s.value_size, memory + m.inner + g * dense_padded(s.queries));

  const std::int64_t end = std::min(s.keys, (cut + 1) * f.item_keys());
  for (std::int64_t key = cut * f.item_keys(); key < end; key += grad_keys) {
    const std::int64_t keys = std::min(grad_keys, end - key);
    const StoredRows k = rows_of(f.k, s.k, group, key), v = rows_of(f.v, s.v, group, key);
    const Panels keys_t =
        pack_transposed_panels(k, keys, s.head_size, scale * log2_e, memory + m.keys_t, room);
    const Panels values_t =
        pack_transposed_panels(v, keys, s.value_size, 1.0f, memory + m.values_t, room);
    const Panels key_panels = panels_of(k, keys, s.head_size, memory + m.keys);
    float *dk = memory + m.dk, *dv = memory + m.dv;
    std::fill(dk, dk + keys * head_width, 0.0f);
    std::fill(dv, dv + keys * value_width, 0.0f);
    for (std::int64_t g = 0; g < s.group_heads(); ++g) {
      const std::int64_t head = first_head + g;
      const float* log_sum = f.log_sum + (batch * s.heads + head) * s.queries;
      const float* inner = memory + m.inner + g * dense_padded(s.queries);
      float* const head_dq = dq + g * m.head_dq;
      if (f.mask && f.mask.strides.query == 0)
        mask_row(f.mask, f.mask.offset(batch, head, 0, key), keys, mask);
      for (std::int64_t row = 0; row < s.queries; row += grad_rows) {
        const std::int64_t rows = std::min(grad_rows, s.queries - row);
        const std::int64_t width = std::min(keys, s.visible(row + rows - 1) - key);
        if (width <= 0) continue;
        const std::int64_t padded = padded_to_lanes(width);
        const StoredRows q = rows_of(f.q, s.q, head, row), d_o = rows_of(f.d_o, s.o, head, row);
        const Panels query_panels = panels_of(q, rows, s.head_size, memory + m.query_panels);
        const Panels d_o_panels = panels_of(d_o, rows, s.value_size, memory + m.d_o_panels);
        const float *query = reinterpret_cast<const float*>(q.data),
                    *grad = reinterpret_cast<const float*>(d_o.data);
        std::int64_t query_step = s.q.token, grad_step = s.o.token;
        if (f.dtype != DType::f32) {
          query_step = head_width;
          grad_step = value_width;
          widen_rows(q, rows, s.head_size, memory + m.queries, query_step);
          widen_rows(d_o, rows, s.value_size, memory + m.d_o, grad_step);
          query = memory + m.queries;
          grad = memory + m.d_o;
        }
        block_product<false>(
            {query, query_step, 1, keys_t, s.head_size, scores, grad_keys, nullptr}, rows, padded);
        block_product<false>(
            {grad, grad_step, 1, values_t, s.value_size, d_scores, grad_keys, nullptr}, rows,
            padded);
        for (std::int64_t r = 0; r < rows; ++r) {
          const std::int64_t i = row + r;
          const std::int64_t count = std::clamp<std::int64_t>(s.visible(i) - key, 0, width);
          if (f.mask) {
            if (f.mask.strides.query != 0)
              mask_row(f.mask, f.mask.offset(batch, head, i, key), count, mask);
            add_mask_row(f.mask, mask, count, scores + r * grad_keys);
          }
          backward_row(scores + r * grad_keys, d_scores + r * grad_keys, count, padded,
                       log_sum[i] * log2_e, inner[i], scale);
        }
        block_product<true>({scores, 1, grad_keys, d_o_panels, rows, dv, value_width, ones}, width,
                            value_width);
        block_product<true>({d_scores, 1, grad_keys, query_panels, rows, dk, head_width, ones},
                            width, head_width);
        block_product<false>({d_scores, grad_keys, 1, key_panels, width, head_dq + row * head_width,
                              head_width, ones},
                             rows, head_width);
      }
    }
    const StoredRows to_k = rows_of(f.dk, s.k, group, key), to_v = rows_of(f.dv, s.v, group, key);
    for (std::int64_t r = 0; r < keys; ++r) {
      store_row(dk + r * head_width, s.head_size, 1.0f, f.dtype,
                const_cast<std::byte*>(to_k.row(r)));
      store_row(dv + r * value_width, s.value_size, 1.0f, f.dtype,
                const_cast<std::byte*>(to_v.row(r)));
    }
  }
  if (f.cuts != 1) return;
  for (std::int64_t g = 0; g < s.group_heads(); ++g) {
    const StoredRows to = rows_of(f.dq, s.q, first_head + g, 0);
    for (std::int64_t i = 0; i < s.queries; ++i)
      store_row(dq + g * m.head_dq + i * head_width, s.head_size, 1.0f, f.dtype,
                const_cast<std::byte*>(to.row(i)));
  }
}

// dq of all cuts, added in their order, of one head.
void dense_add_cuts_of(const DenseBackward& f, std::int64_t batch, std::int64_t head, float* dq) {
  const F32 d;
  const DenseAttentionSizes& s = f.sizes;
  const std::int64_t head_width = padded_to_lanes(s.head_size);
  const std::int64_t head_size = s.queries * dense_padded(s.head_size);
  const std::int64_t group = head / s.group_heads(), g = head % s.group_heads();
  for (std::int64_t i = 0; i < s.queries; ++i) {
    float* sum = nullptr;
    for (std::int64_t cut = 0; cut < f.cuts; ++cut) {
      const std::int64_t item = (batch * s.groups + group) * f.cuts + cut;
      float* row = dq + (item * s.group_heads() + g) * head_size + i * head_width;
      if (sum == nullptr)
        sum = row;
      else
        for (std::int64_t c = 0; c < head_width; c += lane_count())
          hn::StoreU(hn::Add(hn::LoadU(d, sum + c), hn::LoadU(d, row + c)), d, sum + c);
    }
    store_row(sum, s.head_size, 1.0f, f.dtype,
              at_element(f.dq, batch * s.q.batch + head * s.q.head + i * s.q.token, f.dtype));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(dense_backward_item);
HWY_EXPORT(dense_add_cuts_of);

void dense_add_cuts(const DenseBackward& f, float* dq) {
  const auto target = HWY_DYNAMIC_DISPATCH(dense_add_cuts_of);
  parallel_items(f.sizes.batch * f.sizes.heads,
                 [&](std::int64_t i, int) { target(f, i / f.sizes.heads, i % f.sizes.heads, dq); });
}

namespace {

void run(const KernelCall& call) {
  const DenseBackward f = dense_backward(call, grad_keys);
  const std::int64_t floats = DenseBackwardMemory(f.sizes).total;
  auto* memory = reinterpret_cast<float*>(call.workspace);
  float* const cut_dq = memory + floats * thread_count();
  const auto backward_target = HWY_DYNAMIC_DISPATCH(dense_backward_item);
  parallel_items(f.items(), [&](std::int64_t item, int thread) {
    backward_target(f, item, memory + floats * thread, cut_dq);
  });
  if (f.cuts > 1) dense_add_cuts(f, cut_dq);
}

}  // namespace

Kernel cpu_kernel_dense_attention_grad() {
  Kernel kernel{{"cpu.dense_attention_grad",
                 "blocks of keys meet blocks of queries, probabilities rebuilt in cache"},
                "dense_attention_grad",
                RowRule::whole,
                10};
  kernel.workspace = [](const KernelQuery& query) {
    const Shape q = query.input_shape(3), k = query.input_shape(4), v = query.input_shape(5);
    const DenseAttentionSizes s =
        dense_attention_sizes(q.data(), k.data(), v.data(), query.node.attributes);
    const DenseBackwardMemory memory(s);
    const std::int64_t kept = cut_dq_size(s, grad_keys, query.threads);
    return static_cast<std::size_t>(memory.total * query.threads + kept) * sizeof(float);
  };
  kernel.run = run;
  return kernel;
}

}  // namespace hone
#endif
