// dense_attention_grad with AMX (amx_parts.hpp): blocks of keys meet blocks of queries. Scores are
// computed with keys as rows, so that probabilities and their gradients are left sides of the
// products for values and keys, and right sides of the one for queries, as they come; what queries
// need is packed for some hundreds of them at a time. Probabilities are rebuilt from the kept
// logarithms. Memory is linear in both lengths.
#include <algorithm>
#include <cstring>

#include "hone/backend/cpu/detail/amx_attention.hpp"

namespace hone {
namespace {
namespace dense_attention_grad_amx_kernel {

// Queries that are packed together, queries and keys of a block.
constexpr std::int64_t most_queries = 512, block_queries = 64, block_keys = 64;

// Where a thread's memory lies, in bytes; all of it in whole lines.
struct AmxGradMemory {
  std::size_t queries_t, d_o_t, queries, d_o, dq_t, log_sum, inner;
  std::size_t keys, values, keys_t;
  std::size_t scores, d_scores, powers, left_ds, right_ds;
  std::size_t dk, dv, total;

  AmxGradMemory(const DenseAttentionSizes& s, DType type) {
    const int parts = amx_parts(type);
    AmxMemory memory;
    queries_t = memory.parts(most_queries * s.head_size, parts);
    d_o_t = memory.parts(most_queries * s.value_size, parts);
    queries = memory.parts(most_queries * s.head_size, parts);
    d_o = memory.parts(most_queries * s.value_size, parts);
    dq_t = memory.floats(s.head_size * most_queries);
    log_sum = memory.floats(most_queries);
    inner = memory.floats(most_queries);
    keys = memory.parts(block_keys * s.head_size, parts);
    values = memory.parts(block_keys * s.value_size, parts);
    keys_t = memory.parts(s.head_size * block_keys, parts);
    scores = memory.floats(block_keys * block_queries);
    d_scores = memory.floats(block_keys * block_queries);
    powers = memory.parts(block_keys * block_queries, parts);
    left_ds = memory.parts(block_keys * block_queries, parts);
    right_ds = memory.parts(block_keys * block_queries, parts);
    const std::int64_t all_keys = round_up(s.keys, block_keys);
    dk = memory.floats(all_keys * s.head_size);
    dv = memory.floats(all_keys * s.value_size);
    total = memory.bytes;
  }
};

std::string refuse(const KernelQuery& query) {
  if (query.has(6)) return "it knows no mask";
  return refuse_amx_attention(query, 3);
}

#ifdef HONE_AMX

// sum(a b) of two rows.
template <DType Type>
HONE_AMX_BF16_TARGET float inner_product(const AmxMatrix& a, const AmxMatrix& b, std::int64_t row) {
  __m512 sum = _mm512_setzero_ps();
  for (std::int64_t c = 0; c < a.columns; c += 16)
    sum = _mm512_fmadd_ps(sixteen<Type>(a.data, row * a.step + c),
                          sixteen<Type>(b.data, row * b.step + c), sum);
  return _mm512_reduce_add_ps(sum);
}

// A block of scores, whose rows are keys.
struct ScoreBlock {
  const float *scores, *d_scores;  // products, and those of do and values
  const float *log_sum, *inner;    // of each query; logarithms to base 2
  std::int64_t keys, queries;      // there
  std::int64_t padded_keys, padded_queries;
  std::int64_t hidden;  // a query sees its keys [0, query - hidden]; huge and negative: all
  float scale;
  std::byte *powers, *left_ds, *right_ds;
};

// Scores become probabilities p and ds = p (d_scores - inner) scale, both packed.
template <int Parts>
HONE_AMX_BF16_TARGET void backward_block(const ScoreBlock& b) {
  const __m512 to_log2 = _mm512_set1_ps(b.scale * 1.44269504f);
  const __m512 scale = _mm512_set1_ps(b.scale);
  const std::int64_t left_row = b.padded_queries * Parts * 2;
  const std::int64_t panel = b.padded_keys * Parts * 32;
  for (std::int64_t first = 0; first < b.padded_keys; first += amx_group)
    for (std::int64_t i = 0; i < 16; ++i)
      for (std::int64_t q = 0; q < b.padded_queries; q += amx_group) {
        __m512 p[2][2], ds[2][2];  // of keys i and i + 16
        HONE_UNROLL for (int k = 0; k < 2; ++k) {
          const std::int64_t key = first + i + 16 * k;
          HONE_UNROLL for (int h = 0; h < 2; ++h) {
            const std::int64_t at = q + 16 * h;
            __mmask16 sees = key < b.keys ? lanes_left(b.queries - at) : __mmask16{0};
            sees &= static_cast<__mmask16>(~lanes_left(key + b.hidden - at));
            const __m512 score =
                _mm512_fmsub_ps(_mm512_load_ps(b.scores + key * block_queries + at), to_log2,
                                _mm512_load_ps(b.log_sum + at));
            // (None is above 1: scores near the lowest number have no digits left.)
            p[k][h] = _mm512_maskz_mov_ps(
                sees, power_of_two<Parts>(_mm512_min_ps(_mm512_setzero_ps(), score)));
            const __m512 less = _mm512_sub_ps(_mm512_load_ps(b.d_scores + key * block_queries + at),
                                              _mm512_load_ps(b.inner + at));
            ds[k][h] = _mm512_maskz_mul_ps(sees, _mm512_mul_ps(p[k][h], scale), less);
          }
        }
        const auto store_left = [&](const __m512(&x)[2][2], std::byte* to) HONE_AMX_BF16_TARGET {
          HONE_UNROLL for (int k = 0; k < 2; ++k) {
            __m512i part[Parts];
            pair_neighbours(x[k][0], x[k][1], part);
            std::byte* const row = to + (first + i + 16 * k) * left_row + q * Parts * 2;
            HONE_UNROLL for (int n = 0; n < Parts; ++n) _mm512_store_si512(row + n * 64, part[n]);
          }
        };
        store_left(p, b.powers);
        store_left(ds, b.left_ds);
        HONE_UNROLL for (int h = 0; h < 2; ++h) {
          __m512i part[Parts];
          pair_of_rows(ds[0][h], ds[1][h], part);
          std::byte* const tile = b.right_ds + (q / 16 + h) * panel + first * Parts * 32;
          HONE_UNROLL for (int n = 0; n < Parts; ++n)
              _mm512_store_si512(tile + n * 1024 + i * 64, part[n]);
        }
      }
}

// Rows of `to` from the columns of `from`, whose rows are most_queries numbers apart.
template <typename Store>
HONE_AMX_BF16_TARGET void store_transposed(const float* from, std::int64_t queries,
                                           std::int64_t size, const Store& store) {
  for (std::int64_t q = 0; q < queries; q += 16)
    for (std::int64_t e = 0; e < size; e += 16) {
      __m512i row[16], turned[16];
      HONE_UNROLL_16 for (int i = 0; i < 16; ++i) row[i] =
          _mm512_load_si512(from + (e + i) * most_queries + q);
      transpose_pairs(row, turned);
      for (std::int64_t i = 0; i < std::min<std::int64_t>(16, queries - q); ++i)
        store(q + i, e, _mm512_castsi512_ps(turned[i]));
    }
}

template <DType Type>
HONE_AMX_BF16_TARGET void backward_item(const DenseBackward& f, std::int64_t item,
                                        std::byte* memory, float* cut_dq) {
  constexpr int parts = amx_parts(Type);
  constexpr std::int64_t tile = parts * 32;  // bytes of a panel for each row of a right side
  const DenseAttentionSizes& s = f.sizes;
  const AmxGradMemory m(s, Type);
  const std::int64_t cut = item % f.cuts, group = item / f.cuts % s.groups;
  const std::int64_t batch = item / f.cuts / s.groups;
  const auto floats = [&](std::size_t at) { return reinterpret_cast<float*>(memory + at); };
  float *const dk = floats(m.dk), *const dv = floats(m.dv), *const dq_t = floats(m.dq_t);
  const std::int64_t begin = std::min(s.keys, cut * f.item_keys());
  const std::int64_t end = std::min(s.keys, begin + f.item_keys());
  const std::int64_t all_keys = round_up(end - begin, block_keys);
  std::fill_n(dk, all_keys * s.head_size, 0.0f);
  std::fill_n(dv, all_keys * s.value_size, 0.0f);

  const AmxTiles tiles(amx_rows, 64);
  for (std::int64_t g = 0; g < s.group_heads(); ++g) {
    const std::int64_t head = group * s.group_heads() + g;
    for (std::int64_t chunk = 0; chunk < s.queries; chunk += most_queries) {
      const std::int64_t queries = std::min(most_queries, s.queries - chunk);
      const std::int64_t padded = round_up(queries, amx_group);
      const AmxMatrix q = head_rows(f.q, Type, s.q, batch, head, chunk, queries, s.head_size);
      const AmxMatrix d_o = head_rows(f.d_o, Type, s.o, batch, head, chunk, queries, s.value_size);
      const AmxMatrix o = head_rows(f.o, Type, s.o, batch, head, chunk, queries, s.value_size);
      pack_right_transposed<Type>(q, padded, memory + m.queries_t);
      pack_right_transposed<Type>(d_o, padded, memory + m.d_o_t);
      pack_right<Type>(q, padded, memory + m.queries);
      pack_right<Type>(d_o, padded, memory + m.d_o);
      std::fill_n(dq_t, s.head_size * most_queries, 0.0f);
      const float* const log_sum = f.log_sum + (batch * s.heads + head) * s.queries + chunk;
      for (std::int64_t i = 0; i < padded; ++i) {
        floats(m.log_sum)[i] = i < queries ? log_sum[i] * 1.44269504f : 0.0f;
        floats(m.inner)[i] = i < queries ? inner_product<Type>(d_o, o, i) : 0.0f;
      }

      for (std::int64_t key = begin; key < end; key += block_keys) {
        if (s.visible(chunk + queries - 1) <= key) break;
        const std::int64_t keys = std::min(block_keys, end - key);
        const std::int64_t padded_keys = round_up(keys, amx_group);
        const AmxMatrix k = head_rows(f.k, Type, s.k, batch, group, key, keys, s.head_size);
        const AmxMatrix v = head_rows(f.v, Type, s.v, batch, group, key, keys, s.value_size);
        pack_left<Type>(k, padded_keys, memory + m.keys);
        pack_left<Type>(v, padded_keys, memory + m.values);
        pack_left_transposed<Type>(k, padded_keys, memory + m.keys_t);
        for (std::int64_t row = 0; row < queries; row += block_queries) {
          const std::int64_t count = std::min(block_queries, queries - row);
          const std::int64_t padded_count = round_up(count, amx_group);
          if (s.visible(chunk + row + count - 1) <= key) continue;
          // Groups and panels of right sides that begin at `row`.
          const std::byte* const queries_t = memory + m.queries_t + row * s.head_size * parts * 2;
          const std::byte* const d_o_t = memory + m.d_o_t + row * s.value_size * parts * 2;
          const std::byte* const right_q = memory + m.queries + row * tile;
          const std::byte* const right_d_o = memory + m.d_o + row * tile;
          const std::int64_t left_row = padded_count * parts * 2;
          amx_product<parts, false>(
              {memory + m.keys, s.head_size * parts * 2, queries_t, s.head_size * tile,
               s.head_size / amx_group, floats(m.scores), block_queries},
              padded_keys / amx_group, padded_count / 16);
          amx_product<parts, false>(
              {memory + m.values, s.value_size * parts * 2, d_o_t, s.value_size * tile,
               s.value_size / amx_group, floats(m.d_scores), block_queries},
              padded_keys / amx_group, padded_count / 16);
          backward_block<parts>({floats(m.scores), floats(m.d_scores), floats(m.log_sum) + row,
                                 floats(m.inner) + row, keys, count, padded_keys, padded_count,
                                 s.causal ? key - s.diagonal - chunk - row : -block_keys - 16,
                                 static_cast<float>(s.scale), memory + m.powers, memory + m.left_ds,
                                 memory + m.right_ds});
          amx_product<parts, true>(
              {memory + m.powers, left_row, right_d_o, padded * tile, padded_count / amx_group,
               dv + (key - begin) * s.value_size, s.value_size},
              padded_keys / amx_group, s.value_size / 16);
          amx_product<parts, true>(
              {memory + m.left_ds, left_row, right_q, padded * tile, padded_count / amx_group,
               dk + (key - begin) * s.head_size, s.head_size},
              padded_keys / amx_group, s.head_size / 16);
          amx_product<parts, true>(
              {memory + m.keys_t, padded_keys * parts * 2, memory + m.right_ds, padded_keys * tile,
               padded_keys / amx_group, dq_t + row, most_queries},
              s.head_size / amx_group, padded_count / 16);
        }
      }

      if (f.cuts == 1) {
        void* const to = head_row(f.dq, Type, s.q, batch, head, chunk);
        store_transposed(dq_t, queries, s.head_size,
                         [&](std::int64_t i, std::int64_t e, __m512 x) HONE_AMX_BF16_TARGET {
                           store_sixteen<Type>(to, i * s.q.token + e, x);
                         });
      } else {
        float* const to = cut_dq + ((item * s.group_heads() + g) * s.queries + chunk) * s.head_size;
        store_transposed(dq_t, queries, s.head_size,
                         [&](std::int64_t i, std::int64_t e, __m512 x) HONE_AMX_BF16_TARGET {
                           _mm512_storeu_ps(to + i * s.head_size + e, x);
                         });
      }
    }
  }

  const auto store_keys = [&](const float* from, void* to, const HeadStrides& strides,
                              std::int64_t size) HONE_AMX_BF16_TARGET {
    void* const rows = head_row(to, Type, strides, batch, group, begin);
    for (std::int64_t r = 0; r < end - begin; ++r)
      for (std::int64_t e = 0; e < size; e += 16)
        store_sixteen<Type>(rows, r * strides.token + e, _mm512_load_ps(from + r * size + e));
  };
  store_keys(dk, f.dk, s.k, s.head_size);
  store_keys(dv, f.dv, s.v, s.value_size);
}

void run(const KernelCall& call) {
  const DenseBackward f = dense_backward(call, block_keys);
  const std::size_t bytes = AmxGradMemory(f.sizes, f.dtype).total;
  auto* const cut_dq =
      reinterpret_cast<float*>(call.workspace + bytes * static_cast<std::size_t>(thread_count()));
  const auto item_of = f.dtype == DType::f32   ? backward_item<DType::f32>
                       : f.dtype == DType::f16 ? backward_item<DType::f16>
                                               : backward_item<DType::bf16>;
  parallel_items(f.items(), [&](std::int64_t item, int thread) {
    item_of(f, item, call.workspace + bytes * static_cast<std::size_t>(thread), cut_dq);
  });
  if (f.cuts > 1) dense_add_cuts(f, cut_dq);
}

#else
void run(const KernelCall&) {}
#endif

}  // namespace dense_attention_grad_amx_kernel
}  // namespace

Kernel cpu_kernel_dense_attention_grad_amx() {
  using namespace dense_attention_grad_amx_kernel;
  Kernel kernel{{"cpu.dense_attention_grad_amx",
                 "blocks of keys meet blocks of queries, probabilities rebuilt, by AMX"},
                "dense_attention_grad",
                RowRule::whole,
                20};
  kernel.missing = missing_amx_bf16;
  kernel.refuse = refuse;
  kernel.workspace = [](const KernelQuery& query) {
    const Shape q = query.input_shape(3), k = query.input_shape(4), v = query.input_shape(5);
    const DenseAttentionSizes s =
        dense_attention_sizes(q.data(), k.data(), v.data(), query.node.attributes);
    const AmxGradMemory memory(s, query.graph.type(query.node.inputs[3]).dtype);
    const std::int64_t kept = cut_dq_size(s, block_keys, query.threads);
    return memory.total * static_cast<std::size_t>(query.threads) +
           static_cast<std::size_t>(kept) * sizeof(float);
  };
  kernel.run = run;
  return kernel;
}

}  // namespace hone
