// attention_int8 with AVX-512 VNNI: scores are sums of products of bytes; so are the outputs where
// the probabilities have codes of 8 bits too, else they are float32 products.
#include <algorithm>
#include <cstring>
#include <utility>

#include "hone/backend/cpu/detail/attention.hpp"
#include "hone/backend/cpu/detail/vnni.hpp"
#include "hone/core/round_up.hpp"
#include "hone/ops/detail/int8.hpp"

namespace hone {
namespace {
namespace attention_int8_vnni_kernel {

#ifdef HONE_VNNI

// Queries that are worked on together: their scores stay in the first cache.
constexpr std::int64_t block_rows = 24;
constexpr int tile_rows = 6;

// What the tasks of a call share.
struct Bound {
  std::shared_ptr<const Quantizer> probabilities;
  float scale = 0;             // of q, k and v
  bool whole_numbers = false;  // the probabilities have codes of 8 bits
  bool signed_codes = false;   // of the probabilities; they are never negative
};

std::shared_ptr<const void> bind(const KernelQuery& query) {
  auto bound = std::make_shared<Bound>();
  bound->scale = bind_quantizer(query.node.attributes)->int8_layout(query.input_shape(0)[1])->scale;
  bound->probabilities = bind_probabilities(query.node.attributes);
  if (bound->probabilities == nullptr) return bound;
  // Blocks along the keys would have a scale each.
  const auto layout = bound->probabilities->int8_layout(1 << 20);
  bound->whole_numbers = layout && layout->block == 0;
  bound->signed_codes = layout && !layout->has_zero;
  return bound;
}

// Scores are sums over a head, outputs over the keys: one sequence may hold all tokens.
std::string refuse(const KernelQuery& query) {
  const Options& attributes = query.node.attributes;
  const Shape shape = query.input_shape(0);
  const auto data = bind_quantizer(attributes)->int8_layout(shape[1]);
  std::string scores = refuse_int8_sums(*data, *data, shape[1] / attributes.integer("heads"));
  if (!scores.empty()) return scores;
  const auto probabilities = bind_probabilities(attributes);
  if (probabilities == nullptr) return "";
  const auto layout = probabilities->int8_layout(1 << 20);
  return layout && layout->block == 0 ? refuse_int8_sums(*layout, *data, shape[0]) : "";
}

// A thread's memory for one task.
struct Buffers {
  std::int64_t keys, size;      // padded to whole panels
  std::int64_t quads;           // head size in runs of four codes
  std::int8_t* key_panels;      // [keys / 16][quads / 4][16][4]
  std::int32_t* key_sums;       // [keys]
  std::int8_t* value_panels;    // [size / 16][keys / 4][16][4]
  std::int32_t* value_sums;     // [size]
  float* values;                // [keys][head size], instead of the panels
  float* output;                // [block rows][size]
  std::uint8_t* queries;        // [block rows][quads]
  float* scores;                // [block rows][keys]
  std::uint8_t* probabilities;  // [block rows][keys]

  Buffers(std::int64_t length, std::int64_t head_size, std::byte* memory)
      : keys(round_up(length, 16)), size(round_up(head_size, 16)), quads(round_up(head_size, 4)) {
    std::byte* at = memory;
    const auto take = [&at](std::int64_t count) {
      return std::exchange(at, at + round_up(count, 64));
    };
    key_panels = reinterpret_cast<std::int8_t*>(take(keys * quads));
    key_sums = reinterpret_cast<std::int32_t*>(take(keys * 4));
    value_panels = reinterpret_cast<std::int8_t*>(take(keys * size));
    value_sums = reinterpret_cast<std::int32_t*>(take(size * 4));
    values = reinterpret_cast<float*>(take(keys * head_size * 4));
    output = reinterpret_cast<float*>(take(round_up(block_rows, 16) * size * 4));
    queries = reinterpret_cast<std::uint8_t*>(take(block_rows * quads));
    scores = reinterpret_cast<float*>(take(round_up(block_rows, 16) * keys * 4));
    probabilities = reinterpret_cast<std::uint8_t*>(take(block_rows * keys));
    bytes = at - memory;
  }
  std::int64_t bytes;
};

std::int8_t signed_code(std::uint8_t code) { return static_cast<std::int8_t>(code ^ 0x80u); }

// sums[c] = the sum of column c of panels of `rows` codes (a multiple of 4).
HONE_VNNI_TARGET void sum_columns(const std::int8_t* panels, std::int64_t rows,
                                  std::int64_t columns, std::int32_t* sums) {
  const __m512i ones = _mm512_set1_epi8(1);
  for (std::int64_t c = 0; c < columns; c += 16) {
    __m512i sum = _mm512_setzero_si512();
    for (std::int64_t k = 0; k < rows; k += 4)
      sum = _mm512_dpbusd_epi32(sum, ones, _mm512_load_si512(panels + c * rows + k * 16));
    _mm512_store_si512(sums + c, sum);
  }
}

void pack_keys(const std::uint8_t* codes, const AttentionTask& task, const Buffers& b) {
  std::memset(b.key_panels, 0, static_cast<std::size_t>(b.keys * b.quads));
  for (std::int64_t j = 0; j < task.length; ++j) {
    const std::uint8_t* row = codes + j * task.width;
    std::int8_t* panel = b.key_panels + j / 16 * 16 * b.quads + j % 16 * 4;
    std::int64_t i = 0;
    for (; i + 4 <= task.head_size; i += 4) {
      std::uint32_t four;
      std::memcpy(&four, row + i, 4);
      four ^= 0x80808080u;
      std::memcpy(panel + i * 16, &four, 4);
    }
    for (; i < task.head_size; ++i) panel[i / 4 * 64 + i % 4] = signed_code(row[i]);
  }
  sum_columns(b.key_panels, b.quads, b.keys, b.key_sums);
}

// Four rows of 16 codes to one panel's 16 columns of 4.
HONE_VNNI_TARGET void pack_four(const std::uint8_t* const (&rows)[4], std::int8_t* to) {
  const __m128i high = _mm_set1_epi8(static_cast<char>(0x80));
  __m128i r[4];
  for (int i = 0; i < 4; ++i)
    r[i] = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[i])), high);
  const __m128i low01 = _mm_unpacklo_epi8(r[0], r[1]);
  const __m128i high01 = _mm_unpackhi_epi8(r[0], r[1]);
  const __m128i low23 = _mm_unpacklo_epi8(r[2], r[3]);
  const __m128i high23 = _mm_unpackhi_epi8(r[2], r[3]);
  auto* out = reinterpret_cast<__m128i*>(to);
  _mm_store_si128(out, _mm_unpacklo_epi16(low01, low23));
  _mm_store_si128(out + 1, _mm_unpackhi_epi16(low01, low23));
  _mm_store_si128(out + 2, _mm_unpacklo_epi16(high01, high23));
  _mm_store_si128(out + 3, _mm_unpackhi_epi16(high01, high23));
}

HONE_VNNI_TARGET void pack_values(const std::uint8_t* codes, const AttentionTask& task,
                                  const Buffers& b) {
  // Rows after the last and columns after the head's are zeros.
  alignas(16) std::uint8_t none[16];
  alignas(16) std::uint8_t tail[4][16];
  std::memset(none, 0x80, sizeof none);
  for (std::int64_t c = 0; c < b.size; c += 16) {
    const std::int64_t columns = std::min<std::int64_t>(16, task.head_size - c);
    for (std::int64_t j = 0; j < b.keys; j += 4) {
      const std::uint8_t* rows[4];
      for (std::int64_t i = 0; i < 4; ++i) {
        rows[i] = j + i < task.length ? codes + (j + i) * task.width + c : none;
        if (columns == 16 || j + i >= task.length) continue;
        std::memset(tail[i], 0x80, 16);
        std::memcpy(tail[i], rows[i], static_cast<std::size_t>(columns));
        rows[i] = tail[i];
      }
      pack_four(rows, b.value_panels + c * b.keys + j * 16);
    }
  }
  sum_columns(b.value_panels, b.keys, b.size, b.value_sums);
}

void unpack_values(const std::uint8_t* codes, const AttentionTask& task, float scale,
                   const Buffers& b) {
  for (std::int64_t j = 0; j < task.length; ++j)
    for (std::int64_t i = 0; i < task.head_size; ++i)
      b.values[j * task.head_size + i] =
          scale * static_cast<float>(codes[j * task.width + i] - 128);
  std::fill(b.values + task.length * task.head_size, b.values + b.keys * task.head_size, 0.0f);
}

// Scores of Rows queries and Panels * 16 keys.
template <int Rows, int Panels>
HONE_VNNI_TARGET void score_tile(const Buffers& b, std::int64_t row, std::int64_t key,
                                 float scale) {
  __m512i sums[Rows][Panels];
  const __m512i zero = _mm512_set1_epi32(-128);
  HONE_UNROLL for (int p = 0; p < Panels; ++p) {
    const __m512i start = _mm512_mullo_epi32(zero, _mm512_load_si512(b.key_sums + key + p * 16));
    HONE_UNROLL for (int r = 0; r < Rows; ++r) sums[r][p] = start;
  }
  add_products(b.queries + row * b.quads, b.quads, b.key_panels + key * b.quads, 16 * b.quads,
               b.quads, sums);
  const __m512 factor = _mm512_set1_ps(scale);
  HONE_UNROLL for (int r = 0; r < Rows; ++r) HONE_UNROLL for (int p = 0; p < Panels; ++p)
      _mm512_store_ps(b.scores + (row + r) * b.keys + key + p * 16,
                      _mm512_mul_ps(_mm512_cvtepi32_ps(sums[r][p]), factor));
}

// How a row of codes of probabilities becomes numbers.
struct RowScale {
  float scale;        // of a product of codes
  std::int32_t zero;  // of the probabilities
  float inverse;      // of the row's sum
};

// Where the outputs of a block go: rows of `columns` numbers.
struct Output {
  float* to;
  std::int64_t stride, columns;
};

// Outputs of Rows queries and Panels * 16 columns.
template <int Rows, int Panels>
HONE_VNNI_TARGET void output_tile(const Buffers& b, std::int64_t row, std::int64_t column,
                                  const RowScale* scales, const Output& output) {
  __m512i sums[Rows][Panels];
  HONE_UNROLL for (int r = 0; r < Rows; ++r) {
    const __m512i zero = _mm512_set1_epi32(-scales[row + r].zero);
    HONE_UNROLL for (int p = 0; p < Panels; ++p) sums[r][p] =
        _mm512_mullo_epi32(zero, _mm512_load_si512(b.value_sums + column + p * 16));
  }
  add_products(b.probabilities + row * b.keys, b.keys, b.value_panels + column * b.keys,
               16 * b.keys, b.keys, sums);
  HONE_UNROLL for (int r = 0; r < Rows; ++r) {
    const __m512 scale = _mm512_set1_ps(scales[row + r].scale);
    const __m512 inverse = _mm512_set1_ps(scales[row + r].inverse);
    HONE_UNROLL for (int p = 0; p < Panels; ++p) {
      const std::int64_t left = output.columns - column - p * 16;
      const __mmask16 mask = left >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << left) - 1u);
      const __m512 sum = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[r][p]), scale);
      _mm512_mask_storeu_ps(output.to + (row + r) * output.stride + column + p * 16, mask,
                            _mm512_mul_ps(sum, inverse));
    }
  }
}

struct Codes {
  const std::uint8_t *q, *k, *v;
  float* o;
};

void attend(const AttentionTask& task, const Codes& io, const Bound& bound, std::byte* memory) {
  const Buffers b(task.length, task.head_size, memory);
  pack_keys(io.k, task, b);
  if (bound.whole_numbers)
    pack_values(io.v, task, b);
  else
    unpack_values(io.v, task, bound.scale, b);
  std::memset(b.queries, 0x80, static_cast<std::size_t>(block_rows * b.quads));
  for (std::int64_t q0 = 0; q0 < task.length; q0 += block_rows) {
    const std::int64_t rows = std::min(block_rows, task.length - q0);
    for (std::int64_t r = 0; r < rows; ++r)
      std::memcpy(b.queries + r * b.quads, io.q + (q0 + r) * task.width,
                  static_cast<std::size_t>(task.head_size));
    for_tiles<tile_rows>(rows, b.keys,
                         [&]<int Rows, int Panels>(std::int64_t row, std::int64_t key) {
                           score_tile<Rows, Panels>(b, row, key, bound.scale * bound.scale);
                         });
    RowScale scales[block_rows];
    for (std::int64_t r = 0; r < rows; ++r) {
      float* scores = b.scores + r * b.keys;
      const float sum =
          attention_exponentials(scores, b.keys, task,
                                 static_cast<std::uint32_t>(task.first_token + q0 + r))
              .sum;
      scales[r].inverse = 1.0f / sum;
      if (!bound.whole_numbers) continue;
      std::uint8_t* codes = b.probabilities + r * b.keys;
      float scale = 0;
      std::int32_t zero = 0;
      bound.probabilities->encode_int8(
          scores, 1, task.length, reinterpret_cast<std::int8_t*>(codes), b.keys, &scale, &zero);
      std::fill(codes + task.length, codes + b.keys, std::uint8_t{0});
      scales[r].scale = scale * bound.scale;
      scales[r].zero = bound.signed_codes ? 0 : zero;
    }
    const Output output{io.o + q0 * task.width, task.width, task.head_size};
    if (bound.whole_numbers) {
      for_tiles<tile_rows>(rows, b.size,
                           [&]<int Rows, int Panels>(std::int64_t row, std::int64_t column) {
                             output_tile<Rows, Panels>(b, row, column, scales, output);
                           });
      continue;
    }
    gemm({round_up(rows, 16), task.head_size, b.keys, b.keys, task.head_size, task.head_size},
         b.scores, b.values, b.output);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t i = 0; i < task.head_size; ++i)
        output.to[r * output.stride + i] = b.output[r * task.head_size + i] * scales[r].inverse;
  }
}

void run(const KernelCall& call) {
  const auto& bound = *static_cast<const Bound*>(call.bound);
  // Rounding happens where the codes are made, unless the probabilities have none.
  const AttentionSetup setup(call, 0, bound.whole_numbers ? nullptr : bound.probabilities.get());
  if (call.flop != nullptr) *call.flop += setup.flop(2);
  parallel_items(setup.items(), [&](std::int64_t item, int thread) {
    const AttentionTask task = setup.task(item);
    const std::int64_t at = task.first_token * task.width + task.head * task.head_size;
    const std::int64_t bytes = Buffers(setup.longest(), task.head_size, nullptr).bytes;
    attend(task,
           {call.in(0).as<std::uint8_t>() + at, call.in(1).as<std::uint8_t>() + at,
            call.in(2).as<std::uint8_t>() + at, call.out(0).as() + at},
           bound, call.workspace + bytes * thread);
  });
}

std::size_t workspace(const KernelQuery& query) {
  const Shape codes = query.input_shape(0);
  const std::int64_t heads = query.node.attributes.integer("heads");
  // One sequence may hold all tokens.
  return static_cast<std::size_t>(Buffers(codes[0], codes[1] / heads, nullptr).bytes) *
         static_cast<std::size_t>(query.threads);
}

#else
void run(const KernelCall&) {}
std::shared_ptr<const void> bind(const KernelQuery&) { return nullptr; }
std::string refuse(const KernelQuery&) { return ""; }
std::size_t workspace(const KernelQuery&) { return 0; }
#endif

}  // namespace attention_int8_vnni_kernel
}  // namespace

Kernel cpu_kernel_attention_int8_vnni() {
  using namespace attention_int8_vnni_kernel;
  Kernel kernel{{"cpu.attention_int8_vnni",
                 "sums of whole numbers by AVX-512 VNNI, 24 queries against whole sequences"},
                "attention_int8",
                RowRule::whole,
                20};
  kernel.missing = missing_vnni;
  kernel.refuse = refuse;
  kernel.bind = bind;
  kernel.workspace = workspace;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
