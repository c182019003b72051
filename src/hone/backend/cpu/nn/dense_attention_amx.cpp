// dense_attention of bfloat16 with AMX, by blocks of keys as cpu.dense_attention: 32 queries meet a
// block, their scores become powers of two as bfloat16 (as PyTorch rounds them: 2^-9 of each) and
// meet the values. Sums are float32.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "hone/backend/cpu/detail/amx.hpp"
#include "hone/backend/cpu/detail/dense_attention.hpp"
#include "hone/core/round_up.hpp"
#include "hone/core/threads.hpp"

#ifdef HONE_AMX
#define HONE_AMX_BF16_TARGET \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")))
#endif

namespace hone {
namespace {
namespace dense_attention_amx_kernel {

// Queries of an item, of a pair of tiles; keys of a block.
constexpr std::int64_t most_queries = 1024, pair_rows = 2 * amx_rows, block_keys = 256;

// Where a thread's memory lies, in bytes; all of it in whole lines.
struct AmxAttentionMemory {
  std::size_t queries, keys, values, scores, powers, product, output, rows, total;

  explicit AmxAttentionMemory(const DenseAttentionSizes& s) {
    std::size_t at = 0;
    const auto take = [&](std::int64_t numbers, std::size_t bytes) {
      const std::size_t begin = at;
      at += round_up(static_cast<std::size_t>(numbers) * bytes, 64);
      return begin;
    };
    queries = take(most_queries * s.head_size, 2);
    keys = take(block_keys * s.head_size, 2);
    values = take(block_keys * s.value_size, 2);
    scores = take(pair_rows * block_keys, 4);
    powers = take(pair_rows * block_keys, 2);
    product = take(pair_rows * s.value_size, 4);
    output = take(most_queries * s.value_size, 4);
    rows = take(3 * most_queries, 4);  // of each query: largest, sum, factor
    total = at;
  }
};

std::string refuse(const KernelQuery& query) {
  if (query.graph.type(query.node.inputs[0]).dtype != DType::bf16) return "it is for bfloat16";
  if (query.has(3)) return "it knows no mask";
  if (!(query.node.attributes.real("scale") >= 0)) return "the largest product is no largest score";
  const Shape q = query.input_shape(0), v = query.input_shape(2);
  if (q[3] == 0 || q[3] % 32 != 0 || q[3] > 256) return "heads of queries do not fill tiles";
  if (v[3] == 0 || v[3] % 32 != 0 || v[3] > 256) return "heads of values do not fill tiles";
  return "";
}

#ifdef HONE_AMX

struct AmxAttention {
  DenseAttentionSizes sizes;
  const std::uint16_t *q, *k, *v;
  std::uint16_t* o;
  float* log_sum;
  std::int64_t chunk;  // queries of an item

  std::int64_t chunks() const { return (sizes.queries + chunk - 1) / chunk; }
  std::int64_t items() const { return sizes.batch * sizes.heads * chunks(); }
};

// c[32, 16 * panels] = a b over `steps` times 32 numbers; panels are even. a: rows `row` bytes
// apart. b: panels of 16 columns, `panel` bytes apart, pairs of a column's numbers beside each
// other. c: rows `wide` numbers apart.
HONE_AMX_BF16_TARGET void pair_product(const void* a, std::int64_t row, const void* b,
                                       std::int64_t panel, std::int64_t panels, std::int64_t steps,
                                       float* c, std::int64_t wide) {
  const auto* rows = static_cast<const std::byte*>(a);
  const auto* columns = static_cast<const std::byte*>(b);
  const std::int64_t bytes = wide * 4;
  written(a);
  for (std::int64_t p = 0; p < panels; p += 2, columns += 2 * panel, c += 32) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::int64_t k = 0; k < steps; ++k) {
      _tile_loadd(6, columns + k * 1024, 64);
      _tile_loadd(4, rows + k * 64, row);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, columns + panel + k * 1024, 64);
      _tile_dpbf16ps(1, 4, 7);
      _tile_loadd(5, rows + amx_rows * row + k * 64, row);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, bytes);
    _tile_stored(1, c + 16, bytes);
    _tile_stored(2, c + amx_rows * wide, bytes);
    _tile_stored(3, c + amx_rows * wide + 16, bytes);
  }
}

// The transpose of 16 x 16 pairs: first by twos and fours within quarters of vectors, then
// quarters.
HONE_AMX_BF16_TARGET inline void transpose(const __m512i (&row)[16], std::uint32_t* to) {
  __m512i two[16], four[16];
  HONE_UNROLL for (int i = 0; i < 16; i += 2) {
    two[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
    two[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
  }
  HONE_UNROLL for (int i = 0; i < 16; i += 4) {
    four[i] = _mm512_unpacklo_epi64(two[i], two[i + 2]);
    four[i + 1] = _mm512_unpackhi_epi64(two[i], two[i + 2]);
    four[i + 2] = _mm512_unpacklo_epi64(two[i + 1], two[i + 3]);
    four[i + 3] = _mm512_unpackhi_epi64(two[i + 1], two[i + 3]);
  }
  HONE_UNROLL for (int i = 0; i < 4; ++i) {
    const __m512i even = _mm512_shuffle_i32x4(four[i], four[i + 4], 0x88),
                  odd = _mm512_shuffle_i32x4(four[i], four[i + 4], 0xdd),
                  more_even = _mm512_shuffle_i32x4(four[i + 8], four[i + 12], 0x88),
                  more_odd = _mm512_shuffle_i32x4(four[i + 8], four[i + 12], 0xdd);
    _mm512_store_si512(to + i * 16, _mm512_shuffle_i32x4(even, more_even, 0x88));
    _mm512_store_si512(to + (i + 4) * 16, _mm512_shuffle_i32x4(odd, more_odd, 0x88));
    _mm512_store_si512(to + (i + 8) * 16, _mm512_shuffle_i32x4(even, more_even, 0xdd));
    _mm512_store_si512(to + (i + 12) * 16, _mm512_shuffle_i32x4(odd, more_odd, 0xdd));
  }
}

// Keys [0, keys) as panels of 16, pairs of a key's numbers beside each other; zeros up to `padded`.
HONE_AMX_BF16_TARGET void pack_keys(const std::uint16_t* k, std::int64_t step, std::int64_t keys,
                                    std::int64_t padded, std::int64_t size, std::uint32_t* to) {
  for (std::int64_t first = 0; first < padded; first += 16)
    for (std::int64_t i = 0; i < size; i += 32, to += 256) {
      __m512i row[16];
      HONE_UNROLL for (int r = 0; r < 16; ++r) row[r] =
          first + r < keys ? _mm512_loadu_si512(k + (first + r) * step + i)
                           : _mm512_setzero_si512();
      transpose(row, to);
    }
}

HONE_AMX_BF16_TARGET inline __m512i sixteen_values(const std::uint16_t* v, std::int64_t step,
                                                   std::int64_t keys, std::int64_t key,
                                                   std::int64_t column) {
  if (key >= keys) return _mm512_setzero_si512();
  return _mm512_cvtepu16_epi32(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + key * step + column)));
}

// Values [0, keys) as panels of 16 columns, pairs of keys beside each other; zeros up to `padded`.
HONE_AMX_BF16_TARGET void pack_values(const std::uint16_t* v, std::int64_t step, std::int64_t keys,
                                      std::int64_t padded, std::int64_t size, std::uint32_t* to) {
  for (std::int64_t column = 0; column < size; column += 16)
    for (std::int64_t key = 0; key < padded; key += 2, to += 16)
      _mm512_store_si512(
          to,
          _mm512_or_si512(sixteen_values(v, step, keys, key, column),
                          _mm512_slli_epi32(sixteen_values(v, step, keys, key + 1, column), 16)));
}

// 2^x for x <= 0, to 4e-6 of itself, far below a step of bfloat16: Taylor's polynomial, ln(2)^i /
// i!, for what is left of the nearest whole number.
HONE_AMX_BF16_TARGET inline __m512 power(__m512 x) {
  // (Far below all others; NaN stays NaN.)
  x = _mm512_max_ps(_mm512_set1_ps(-1000.0f), x);
  const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 rest = _mm512_sub_ps(x, whole);
  __m512 p = _mm512_set1_ps(1.3333558e-3f);
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(9.6181291e-3f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(5.5504109e-2f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(2.4022651e-1f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(6.9314718e-1f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, whole);
}

// Of each query.
struct RowState {
  float *largest, *sum, *factor;
};

// Products of query i become powers of two of the scores, as bfloat16, zeros from `count` on.
HONE_AMX_BF16_TARGET void powers_of(const float* products, std::int64_t count, std::int64_t padded,
                                    float scale, const RowState& state, std::int64_t i,
                                    std::uint16_t* powers) {
  constexpr float lowest = -std::numeric_limits<float>::infinity();
  __m512 most[2] = {_mm512_set1_ps(lowest), _mm512_set1_ps(lowest)};
  std::int64_t j = 0;
  for (; j + 32 <= count; j += 32) {
    most[0] = _mm512_max_ps(_mm512_load_ps(products + j), most[0]);
    most[1] = _mm512_max_ps(_mm512_load_ps(products + j + 16), most[1]);
  }
  for (; j < count; j += 16)
    most[0] =
        _mm512_mask_max_ps(most[0], lanes_left(count - j), _mm512_load_ps(products + j), most[0]);
  const float before = state.largest[i];
  float now = before;
  if (count > 0) now = std::max(now, scale * _mm512_reduce_max_ps(_mm512_max_ps(most[0], most[1])));
  state.factor[i] = before == now ? 1.0f : before == lowest ? 0.0f : std::exp2(before - now);
  state.largest[i] = now;
  const __m512 factor = _mm512_set1_ps(scale);
  const __m512 shift = _mm512_set1_ps(now == lowest ? 0.0f : now);
  __m512 sums[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  // (`padded` are whole pairs of vectors.)
  for (j = 0; j < padded; j += 32) {
    __m512 p[2];
    HONE_UNROLL for (int v = 0; v < 2; ++v) {
      const __mmask16 inside = lanes_left(count - j - 16 * v);
      p[v] = _mm512_maskz_mov_ps(
          inside, power(_mm512_fmsub_ps(_mm512_load_ps(products + j + 16 * v), factor, shift)));
      sums[v] = _mm512_add_ps(sums[v], p[v]);
    }
    const __m512bh rounded = _mm512_cvtne2ps_pbh(p[1], p[0]);
    std::memcpy(powers + j, &rounded, sizeof rounded);
  }
  state.sum[i] =
      state.sum[i] * state.factor[i] + _mm512_reduce_add_ps(_mm512_add_ps(sums[0], sums[1]));
}

HONE_AMX_BF16_TARGET void attention_item(const AmxAttention& f, std::int64_t item,
                                         std::byte* memory) {
  const DenseAttentionSizes& s = f.sizes;
  const AmxAttentionMemory m(s);
  const std::int64_t chunk = item % f.chunks() * f.chunk, head = item / f.chunks() % s.heads;
  const std::int64_t batch = item / f.chunks() / s.heads, group = head / s.group_heads();
  const std::int64_t queries = std::min(f.chunk, s.queries - chunk);
  auto* const q = reinterpret_cast<std::uint16_t*>(memory + m.queries);
  auto* const keys_t = reinterpret_cast<std::uint32_t*>(memory + m.keys);
  auto* const values = reinterpret_cast<std::uint32_t*>(memory + m.values);
  auto* const scores = reinterpret_cast<float*>(memory + m.scores);
  auto* const powers = reinterpret_cast<std::uint16_t*>(memory + m.powers);
  auto* const product = reinterpret_cast<float*>(memory + m.product);
  auto* const output = reinterpret_cast<float*>(memory + m.output);
  auto* const rows = reinterpret_cast<float*>(memory + m.rows);
  const RowState state{rows, rows + most_queries, rows + 2 * most_queries};
  const std::int64_t padded_queries = round_up(queries, pair_rows);

  // Where queries do not fill pairs of tiles, zeros do.
  const std::uint16_t* from = f.q + batch * s.q.batch + head * s.q.head + chunk * s.q.token;
  std::int64_t step = s.q.token;
  if (padded_queries != queries) {
    for (std::int64_t i = 0; i < queries; ++i)
      std::memcpy(q + i * s.head_size, from + i * s.q.token,
                  static_cast<std::size_t>(s.head_size) * 2);
    std::memset(q + queries * s.head_size, 0,
                static_cast<std::size_t>((padded_queries - queries) * s.head_size) * 2);
    from = q;
    step = s.head_size;
  }
  std::fill(state.largest, state.largest + queries, -std::numeric_limits<float>::infinity());
  std::fill(state.sum, state.sum + queries, 0.0f);
  const auto scale = static_cast<float>(s.scale * 1.4426950408889634);

  const AmxTiles tiles(amx_rows, 64);
  const std::int64_t seen = s.visible(chunk + queries - 1);
  for (std::int64_t key = 0; key < seen; key += block_keys) {
    const std::int64_t keys = std::min(block_keys, seen - key), padded = round_up(keys, 32);
    pack_keys(f.k + batch * s.k.batch + group * s.k.head + key * s.k.token, s.k.token, keys, padded,
              s.head_size, keys_t);
    pack_values(f.v + batch * s.v.batch + group * s.v.head + key * s.v.token, s.v.token, keys,
                padded, s.value_size, values);
    for (std::int64_t row = 0; row < queries; row += pair_rows) {
      const std::int64_t count = std::min(pair_rows, queries - row);
      const std::int64_t visible = std::min(keys, s.visible(chunk + row + count - 1) - key);
      if (visible <= 0) {
        if (key == 0) std::fill_n(output + row * s.value_size, count * s.value_size, 0.0f);
        continue;
      }
      const std::int64_t width = round_up(visible, 32);
      pair_product(from + row * step, step * 2, keys_t, s.head_size * 32, width / 16,
                   s.head_size / 32, scores, block_keys);
      for (std::int64_t r = 0; r < count; ++r)
        powers_of(scores + r * block_keys,
                  std::clamp<std::int64_t>(s.visible(chunk + row + r) - key, 0, visible), width,
                  scale, state, row + r, powers + r * block_keys);
      if (count < pair_rows)
        std::memset(powers + count * block_keys, 0,
                    static_cast<std::size_t>((pair_rows - count) * block_keys) * 2);
      pair_product(powers, block_keys * 2, values, padded * 32, s.value_size / 16, width / 32,
                   key == 0 ? output + row * s.value_size : product, s.value_size);
      for (std::int64_t r = 0; r < count && key > 0; ++r) {
        const __m512 shrink = _mm512_set1_ps(state.factor[row + r]);
        float* const to = output + (row + r) * s.value_size;
        for (std::int64_t e = 0; e < s.value_size; e += 16)
          _mm512_storeu_ps(to + e,
                           _mm512_fmadd_ps(_mm512_loadu_ps(to + e), shrink,
                                           _mm512_loadu_ps(product + r * s.value_size + e)));
      }
    }
  }

  for (std::int64_t i = 0; i < queries; ++i) {
    const bool sees = s.visible(chunk + i) > 0;
    const __m512 share = _mm512_set1_ps(sees ? 1 / state.sum[i] : 0.0f);
    std::uint16_t* const to = f.o + batch * s.o.batch + head * s.o.head + (chunk + i) * s.o.token;
    for (std::int64_t e = 0; e < s.value_size; e += 16) {
      const __m256bh rounded =
          _mm512_cvtneps_pbh(_mm512_mul_ps(_mm512_loadu_ps(output + i * s.value_size + e), share));
      std::memcpy(to + e, &rounded, sizeof rounded);
    }
    f.log_sum[(batch * s.heads + head) * s.queries + chunk + i] =
        sees ? (state.largest[i] + std::log2(state.sum[i])) * 0.69314718f : 0.0f;
  }
}

void run(const KernelCall& call) {
  AmxAttention f{dense_attention_sizes(call.in(0).dims.data(), call.in(1).dims.data(),
                                       call.in(2).dims.data(), *call.attributes),
                 call.in(0).as<std::uint16_t>(),
                 call.in(1).as<std::uint16_t>(),
                 call.in(2).as<std::uint16_t>(),
                 call.out(0).as<std::uint16_t>(),
                 call.out(1).as(),
                 most_queries};
  if (f.sizes.queries == 0) return;
  // Work for all threads: shorter chunks where there are few heads.
  while (f.chunk > 4 * pair_rows && f.items() < 4 * thread_count()) f.chunk /= 2;
  const std::size_t bytes = AmxAttentionMemory(f.sizes).total;
  parallel_items(f.items(), [&](std::int64_t item, int thread) {
    attention_item(f, item, call.workspace + bytes * static_cast<std::size_t>(thread));
  });
}

#else
void run(const KernelCall&) {}
#endif

}  // namespace dense_attention_amx_kernel
}  // namespace

Kernel cpu_kernel_dense_attention_amx() {
  using namespace dense_attention_amx_kernel;
  Kernel kernel{{"cpu.dense_attention_amx", "32 queries of bfloat16 meet blocks of keys, by AMX"},
                "dense_attention",
                RowRule::whole,
                20};
  kernel.missing = missing_amx_bf16;
  kernel.refuse = refuse;
  kernel.workspace = [](const KernelQuery& query) {
    const Shape q = query.input_shape(0), k = query.input_shape(1), v = query.input_shape(2);
    const AmxAttentionMemory memory(
        dense_attention_sizes(q.data(), k.data(), v.data(), query.node.attributes));
    return memory.total * static_cast<std::size_t>(query.threads);
  };
  kernel.run = run;
  return kernel;
}

}  // namespace hone
