// dense_attention with AMX, by blocks of keys as cpu.dense_attention: 32 queries meet a block,
// their scores become powers of two and meet the values. Numbers are sums of parts (amx_parts.hpp),
// three for float32; probabilities keep sixteen bits for float16 and are rounded to bfloat16 for
// that (as PyTorch does: 2^-9 of each). Sums are float32.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "hone/backend/cpu/detail/amx_attention.hpp"

namespace hone {
namespace {
namespace dense_attention_amx_kernel {

// Queries of an item, of a pair of tiles; keys of a block: what a block packs stays in the second
// cache.
constexpr std::int64_t most_queries = 1024, two_tiles = 2 * amx_rows;
constexpr std::int64_t block_keys = 256;

// Where a thread's memory lies, in bytes; all of it in whole lines.
struct AmxAttentionMemory {
  std::size_t queries, keys, values, scores, powers, product, output, rows, total;

  AmxAttentionMemory(const DenseAttentionSizes& s, DType type) {
    const int parts = amx_parts(type);
    AmxMemory memory;
    queries = memory.parts(most_queries * s.head_size, parts);
    keys = memory.parts(block_keys * s.head_size, parts);
    values = memory.parts(block_keys * s.value_size, parts);
    scores = memory.floats(two_tiles * block_keys);
    powers = memory.parts(two_tiles * block_keys, parts);
    product = memory.floats(two_tiles * s.value_size);
    output = memory.floats(most_queries * s.value_size);
    rows = memory.floats(3 * most_queries);  // of each query: largest, sum, factor
    total = memory.bytes;
  }
};

std::string refuse(const KernelQuery& query) {
  if (!(query.node.attributes.real("scale") >= 0)) return "the largest product is no largest score";
  return refuse_amx_attention(query, 0);
}

#ifdef HONE_AMX

// The first `count` products of a row and their mask become scores in powers of two. What is hidden
// is so whatever it was, as far as a boolean mask says it.
HONE_AMX_BF16_TARGET void mask_products(const DenseMask& mask, std::int64_t offset,
                                        std::int64_t count, float scale, float* products) {
  const bool hides = mask.dtype == DType::boolean;
  for (std::int64_t j = 0; j < count; j += 16) {
    const __m512 added = mask_sixteen(mask, offset + j * mask.strides.key, count - j);
    const __mmask16 whole =
        hides ? _mm512_cmp_ps_mask(added, _mm512_setzero_ps(), _CMP_LT_OQ) : __mmask16{0};
    const __m512 score =
        _mm512_fmadd_ps(_mm512_load_ps(products + j), _mm512_set1_ps(scale), added);
    _mm512_store_ps(products + j, _mm512_mask_mov_ps(score, whole, added));
  }
}

// The products of up to sixteen queries with a block of keys, rows block_keys apart.
struct ScoreRows {
  const float* products;
  std::int64_t rows, padded;  // padded: keys in whole groups
  float scale;
  std::int64_t visible[amx_rows];  // keys that each query sees
};

// The largest product of `count`, by lanes.
HONE_AMX_BF16_TARGET inline __m512 largest_of(const float* products, std::int64_t count) {
  const __m512 lowest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  __m512 most[2] = {lowest, lowest};
  std::int64_t j = 0;
  for (; j + 32 <= count; j += 32) {
    most[0] = _mm512_max_ps(_mm512_load_ps(products + j), most[0]);
    most[1] = _mm512_max_ps(_mm512_load_ps(products + j + 16), most[1]);
  }
  for (; j < count; j += 16)
    most[0] =
        _mm512_mask_max_ps(most[0], lanes_left(count - j), _mm512_load_ps(products + j), most[0]);
  return _mm512_max_ps(most[0], most[1]);
}

// A row's products less `shift`, times `scale`, become powers of two, zeros from `count` on; gives
// their sum, by lanes.
template <int Parts>
HONE_AMX_BF16_TARGET inline __m512 powers_of_row(const float* products, std::int64_t count,
                                                 std::int64_t padded, __m512 scale, __m512 shift,
                                                 __m512i* powers) {
  __m512 sums[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  const auto power = [&](std::int64_t at) HONE_AMX_BF16_TARGET {
    // (Not fused: the largest becomes 1, however large it is.)
    const __m512 below = _mm512_sub_ps(_mm512_load_ps(products + at), shift);
    return power_of_two<Parts>(_mm512_mul_ps(below, scale));
  };
  const auto store = [&](__m512 a, __m512 b) HONE_AMX_BF16_TARGET {
    sums[0] = _mm512_add_ps(sums[0], a);
    sums[1] = _mm512_add_ps(sums[1], b);
    __m512i part[Parts];
    pair_neighbours(a, b, part);
    HONE_UNROLL for (int v = 0; v < Parts; ++v) _mm512_store_si512(powers + v, part[v]);
    powers += Parts;
  };
  std::int64_t j = 0;
  for (; j + amx_group <= count; j += amx_group) store(power(j), power(j + 16));
  for (; j < padded; j += amx_group)
    store(_mm512_maskz_mov_ps(lanes_left(count - j), power(j)),
          _mm512_maskz_mov_ps(lanes_left(count - j - 16), power(j + 16)));
  return _mm512_add_ps(sums[0], sums[1]);
}

// Powers of all rows, `power_bytes` apart; what was seen (its largest as a product) of them is
// brought up to date.
template <int Parts>
HONE_AMX_BF16_TARGET void powers_of(const ScoreRows& s, const SeenScores& seen, std::byte* powers,
                                    std::int64_t power_bytes) {
  const __m512 lowest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  const __mmask16 rows = lanes_left(s.rows);
  __m512 lanes[amx_rows];
  for (std::int64_t r = 0; r < amx_rows; ++r)
    lanes[r] = r < s.rows ? largest_of(s.products + r * block_keys, s.visible[r]) : lowest;
  const __m512 most = join_lanes(
      lanes, [](__m512 a, __m512 b) HONE_AMX_BF16_TARGET { return _mm512_max_ps(a, b); });
  const __m512 scale = _mm512_set1_ps(s.scale);
  const __m512 before = _mm512_maskz_loadu_ps(rows, seen.largest);
  const __m512 now = _mm512_max_ps(most, before);
  const __mmask16 same = _mm512_cmp_ps_mask(before, now, _CMP_EQ_OQ);
  _mm512_mask_storeu_ps(
      seen.factor, rows,
      _mm512_mask_mov_ps(power_of_two<3>(_mm512_mul_ps(_mm512_sub_ps(before, now), scale)), same,
                         _mm512_set1_ps(1.0f)));
  _mm512_mask_storeu_ps(seen.largest, rows, now);
  alignas(64) float shift[amx_rows];
  _mm512_store_ps(shift, _mm512_mask_mov_ps(now, _mm512_cmp_ps_mask(now, lowest, _CMP_EQ_OQ),
                                            _mm512_setzero_ps()));
  for (std::int64_t r = 0; r < amx_rows; ++r)
    lanes[r] = r < s.rows
                   ? powers_of_row<Parts>(s.products + r * block_keys, s.visible[r], s.padded,
                                          scale, _mm512_set1_ps(shift[r]),
                                          reinterpret_cast<__m512i*>(powers + r * power_bytes))
                   : _mm512_setzero_ps();
  const __m512 sums = join_lanes(
      lanes, [](__m512 a, __m512 b) HONE_AMX_BF16_TARGET { return _mm512_add_ps(a, b); });
  _mm512_mask_storeu_ps(seen.sum, rows,
                        _mm512_fmadd_ps(_mm512_maskz_loadu_ps(rows, seen.sum),
                                        _mm512_maskz_loadu_ps(rows, seen.factor), sums));
}

template <DType Type>
HONE_AMX_BF16_TARGET void attention_item(const DenseForward& f, std::int64_t item,
                                         std::byte* memory) {
  constexpr int parts = amx_parts(Type);
  const DenseAttentionSizes& s = f.sizes;
  const AmxAttentionMemory m(s, Type);
  const std::int64_t chunk = item % f.chunks() * f.chunk, head = f.head_of(item);
  const std::int64_t batch = f.batch_of(item), group = head / s.group_heads();
  const std::int64_t queries = std::min(f.chunk, s.queries - chunk);
  auto* const scores = reinterpret_cast<float*>(memory + m.scores);
  std::byte* const powers = memory + m.powers;
  auto* const product = reinterpret_cast<float*>(memory + m.product);
  auto* const output = reinterpret_cast<float*>(memory + m.output);
  auto* const rows = reinterpret_cast<float*>(memory + m.rows);
  const SeenScores seen{rows, rows + most_queries, rows + 2 * most_queries};
  const std::int64_t padded_queries = round_up(queries, two_tiles);
  const std::int64_t query_bytes = s.head_size * parts * 2, power_bytes = block_keys * parts * 2;

  const AmxMatrix q = head_rows(f.q, Type, s.q, batch, head, chunk, queries, s.head_size);
  const auto* query = static_cast<const std::byte*>(q.data);
  std::int64_t query_step = q.step * 2;
  // Rows of bfloat16 are tiles' as they are; where they do not fill pairs of tiles, zeros do.
  if (parts != 1 || padded_queries != queries) {
    pack_left<Type>(q, padded_queries, memory + m.queries);
    query = memory + m.queries;
    query_step = query_bytes;
  }
  std::fill(seen.largest, seen.largest + queries, -std::numeric_limits<float>::infinity());
  std::fill(seen.sum, seen.sum + queries, 0.0f);
  const auto scale = static_cast<float>(s.scale * 1.4426950408889634);

  const AmxTiles tiles(amx_rows, 64);
  const std::int64_t last = s.visible(chunk + queries - 1);
  for (std::int64_t key = 0; key < last; key += block_keys) {
    const std::int64_t keys = std::min(block_keys, last - key), padded = round_up(keys, amx_group);
    pack_right_transposed<Type>(head_rows(f.k, Type, s.k, batch, group, key, keys, s.head_size),
                                padded, memory + m.keys);
    pack_right<Type>(head_rows(f.v, Type, s.v, batch, group, key, keys, s.value_size), padded,
                     memory + m.values);
    for (std::int64_t row = 0; row < queries; row += two_tiles) {
      const std::int64_t count = std::min(two_tiles, queries - row);
      const std::int64_t visible = std::min(keys, s.visible(chunk + row + count - 1) - key);
      float* const sums = output + row * s.value_size;
      if (visible <= 0) {
        if (key == 0) std::fill_n(sums, count * s.value_size, 0.0f);
        continue;
      }
      const std::int64_t width = round_up(visible, amx_group);
      amx_product<parts, false>(
          {query + row * query_step, query_step, memory + m.keys, s.head_size * parts * 32,
           s.head_size / amx_group, scores, block_keys},
          1, width / 16);
      for (std::int64_t first = 0; first < count; first += amx_rows) {
        ScoreRows some{scores + first * block_keys,
                       std::min(amx_rows, count - first),
                       width,
                       f.mask ? 1.0f : scale,
                       {}};
        for (std::int64_t r = 0; r < some.rows; ++r) {
          const std::int64_t i = chunk + row + first + r;
          some.visible[r] = std::clamp<std::int64_t>(s.visible(i) - key, 0, visible);
          if (f.mask)
            mask_products(f.mask, f.mask.offset(batch, head, i, key), some.visible[r], scale,
                          scores + (first + r) * block_keys);
        }
        powers_of<parts>(some, seen.from(row + first), powers + first * power_bytes, power_bytes);
      }
      if (count < two_tiles)
        std::memset(powers + count * power_bytes, 0,
                    static_cast<std::size_t>((two_tiles - count) * power_bytes));
      amx_product<parts, false>({powers, power_bytes, memory + m.values, padded * parts * 32,
                                 width / amx_group, key == 0 ? sums : product, s.value_size},
                                1, s.value_size / 16);
      for (std::int64_t r = 0; r < count && key > 0; ++r) {
        const __m512 shrink = _mm512_set1_ps(seen.factor[row + r]);
        float* const to = sums + r * s.value_size;
        for (std::int64_t e = 0; e < s.value_size; e += 16)
          _mm512_store_ps(to + e, _mm512_fmadd_ps(_mm512_load_ps(to + e), shrink,
                                                  _mm512_load_ps(product + r * s.value_size + e)));
      }
    }
  }

  for (std::int64_t i = 0; i < queries; ++i) {
    const std::int64_t visible = s.visible(chunk + i);
    const bool sees =
        visible > 0 && (seen.sum[i] != 0 || !f.mask.hides_all(batch, head, chunk + i, visible));
    const __m512 share = _mm512_set1_ps(sees ? 1 / seen.sum[i] : 0.0f);
    const std::int64_t to = batch * s.o.batch + head * s.o.head + (chunk + i) * s.o.token;
    for (std::int64_t e = 0; e < s.value_size; e += 16)
      store_sixteen<Type>(f.o, to + e,
                          sees ? _mm512_mul_ps(_mm512_load_ps(output + i * s.value_size + e), share)
                               : _mm512_setzero_ps());
    if (!sees) seen.sum[i] = -1;
  }
  // (Products so far: scores are in powers of two.)
  if (!f.mask)
    for (std::int64_t i = 0; i < queries; ++i) seen.largest[i] *= scale;
  dense_log_sums(seen, queries, f.log_sum + (batch * s.heads + head) * s.queries + chunk);
}

void run(const KernelCall& call) {
  const DenseForward f = dense_forward(call, most_queries, 4 * two_tiles);
  if (f.sizes.queries == 0) return;
  const std::size_t bytes = AmxAttentionMemory(f.sizes, f.dtype).total;
  const auto item_of = f.dtype == DType::f32   ? attention_item<DType::f32>
                       : f.dtype == DType::f16 ? attention_item<DType::f16>
                                               : attention_item<DType::bf16>;
  parallel_items(f.items(), [&](std::int64_t item, int thread) {
    item_of(f, item, call.workspace + bytes * static_cast<std::size_t>(thread));
  });
}

#else
void run(const KernelCall&) {}
#endif

}  // namespace dense_attention_amx_kernel
}  // namespace

Kernel cpu_kernel_dense_attention_amx() {
  using namespace dense_attention_amx_kernel;
  Kernel kernel{{"cpu.dense_attention_amx", "32 queries meet blocks of keys, by AMX"},
                "dense_attention",
                RowRule::whole,
                20};
  kernel.missing = missing_amx_bf16;
  kernel.refuse = refuse;
  kernel.workspace = [](const KernelQuery& query) {
    const Shape q = query.input_shape(0), k = query.input_shape(1), v = query.input_shape(2);
    const AmxAttentionMemory memory(
        dense_attention_sizes(q.data(), k.data(), v.data(), query.node.attributes),
        query.graph.type(query.node.inputs[0]).dtype);
    return memory.total * static_cast<std::size_t>(query.threads);
  };
  kernel.run = run;
  return kernel;
}

}  // namespace hone
