#include "hone/ops/detail/dense_attention.hpp"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {

std::vector<OptionSpec> dense_attention_options() {
  return {{"scale", OptionType::real, 0.0, "of the scores; 0: 1 / sqrt(head size)"},
          {"causal", OptionType::boolean, false,
           "query i sees keys 0 to i + diagonal, and none behind"},
          {"diagonal", OptionType::integer, std::int64_t{0},
           "keys that stand before query 0, of a causal one", -1e12, 1e12},
          {"heads_last", OptionType::boolean, false,
           "q, k, v and the result are [B,S,H,D] and not [B,H,S,D]"}};
}

DenseAttentionSizes dense_attention_sizes(const std::int64_t* q, const std::int64_t* k,
                                          const std::int64_t* v, const Options& attributes) {
  const bool last = attributes.boolean_or("heads_last", false);
  const int head = last ? 2 : 1, token = last ? 1 : 2;
  const auto strides = [&](std::int64_t heads, std::int64_t tokens,
                           std::int64_t size) -> HeadStrides {
    return last ? HeadStrides{tokens * heads * size, size, heads * size}
                : HeadStrides{tokens * heads * size, tokens * size, size};
  };
  DenseAttentionSizes s{};
  s.batch = q[0];
  s.heads = q[head];
  s.groups = k[head];
  s.queries = q[token];
  s.keys = k[token];
  s.head_size = q[3];
  s.value_size = v[3];
  s.q = strides(s.heads, s.queries, s.head_size);
  s.k = strides(s.groups, s.keys, s.head_size);
  s.v = strides(s.groups, s.keys, s.value_size);
  s.o = strides(s.heads, s.queries, s.value_size);
  s.scale = attributes.real_or("scale", 0.0);
  if (s.scale == 0) s.scale = 1 / std::sqrt(static_cast<double>(s.head_size));
  s.causal = attributes.boolean_or("causal", false);
  s.diagonal = attributes.integer_or("diagonal", 0);
  return s;
}

MaskStrides mask_strides(const std::int64_t* dims, int rank) {
  std::int64_t strides[4] = {0, 0, 0, 0};
  std::int64_t dense = 1;
  for (int i = rank; i-- > 0;) {
    strides[4 - rank + i] = dims[i] == 1 ? 0 : dense;
    dense *= dims[i];
  }
  return {strides[0], strides[1], strides[2], strides[3]};
}

void check_dense_attention(const OpTypes& t, std::size_t first, std::size_t mask, const char* op) {
  const ValueType &q = t[first], &k = t[first + 1], &v = t[first + 2];
  const bool last = t.attributes->boolean("heads_last");
  const std::size_t head = last ? 2 : 1, token = last ? 1 : 2;
  bool good = (q.dtype == DType::f32 || q.dtype == DType::f16 || q.dtype == DType::bf16) &&
              k.dtype == q.dtype && v.dtype == q.dtype && q.dims.size() == 4 &&
              k.dims.size() == 4 && v.dims.size() == 4;
  good = good && k.dims[0] == q.dims[0] && v.dims[0] == q.dims[0] && k.dims[head] == v.dims[head] &&
         k.dims[token] == v.dims[token] && k.dims[3] == q.dims[3];
  if (good && !(q.dims[head] == k.dims[head]))
    good = q.dims[head].is_fixed() && k.dims[head].is_fixed() && k.dims[head].offset > 0 &&
           q.dims[head].offset % k.dims[head].offset == 0;
  if (good && t.has(mask)) {
    const ValueType& m = t[mask];
    const std::vector<Dim> scores{q.dims[0], q.dims[head], q.dims[token], k.dims[token]};
    good = (m.dtype == DType::boolean || m.dtype == DType::f32 || m.dtype == q.dtype) &&
           m.dims.size() <= 4;
    for (std::size_t i = 0; good && i < m.dims.size(); ++i)
      good = m.dims[i] == Dim(1) || m.dims[i] == scores[4 - m.dims.size() + i];
  }
  if (!good)
    fail_shapes(op,
                fmt::format("q {0}, k and v {1} of f32, f16 or bf16, G dividing H, and a mask of "
                            "bool, f32 or their type that broadcasts to [B,H,S,T]",
                            last ? "[B,S,H,D]" : "[B,H,S,D]", last ? "[B,T,G,D]" : "[B,G,T,D]"),
                t);
}

DenseAttentionRow dense_attention_row(const DenseAttentionSizes& s, const Tensor& q,
                                      const Tensor& k, const Tensor* mask, std::int64_t batch,
                                      std::int64_t head, std::int64_t query) {
  const MaskStrides m =
      mask == nullptr ? MaskStrides{}
                      : mask_strides(mask->shape().data(), static_cast<int>(mask->shape().size()));
  const std::int64_t from = batch * s.q.batch + head * s.q.head + query * s.q.token;
  constexpr double minus_infinity = -std::numeric_limits<double>::infinity();
  DenseAttentionRow row;
  row.probability.assign(static_cast<std::size_t>(s.keys), minus_infinity);
  double largest = minus_infinity;
  bool unseen = true;
  for (std::int64_t j = 0; j < s.visible(query); ++j) {
    double score = 0;
    const std::int64_t key = batch * s.k.batch + head / s.group_heads() * s.k.head + j * s.k.token;
    for (std::int64_t i = 0; i < s.head_size; ++i)
      score += real_at(q, from + i) * real_at(k, key + i);
    score *= s.scale;
    if (mask != nullptr) {
      const std::int64_t at = batch * m.batch + head * m.head + query * m.query + j * m.key;
      if (mask->dtype() != DType::boolean) {
        const double more = real_at(*mask, at);
        score += std::isfinite(more) ? std::max(more, static_cast<double>(lowest_mask)) : more;
      } else if (integer_at(*mask, at) == 0) {
        score = minus_infinity;
      }
    }
    row.probability[static_cast<std::size_t>(j)] = score;
    unseen = unseen && score == minus_infinity;
    if (std::isnan(score) || score > largest) largest = score;
  }
  if (unseen) {
    row.probability.assign(row.probability.size(), 0.0);
    return row;
  }
  double sum = 0;
  for (double& p : row.probability) sum += p = std::exp(p - largest);
  for (double& p : row.probability) p /= sum;
  row.log_sum = largest + std::log(sum);
  return row;
}

namespace {

Tensor as_dtype(const Tensor& from, DType dtype) {
  Tensor to(dtype, from.shape());
  for (std::int64_t i = 0; i < from.size(); ++i) set_real(to, i, real_at(from, i));
  return to;
}

Tensor boolean_mask(Shape shape, int hidden_every, std::int64_t hidden_row = -1) {
  Tensor mask(DType::boolean, shape);
  const std::int64_t keys = shape.back();
  for (std::int64_t i = 0; i < mask.size(); ++i)
    mask.as<bool>()[i] = i % hidden_every != 1 && i / keys != hidden_row;
  return mask;
}

}  // namespace

std::vector<OpSample> dense_attention_samples() {
  const auto qkv = [](Shape q, Shape k, DType dtype = DType::f32) -> std::vector<Tensor> {
    return {as_dtype(random_tensor(q, 1), dtype), as_dtype(random_tensor(k, 2), dtype),
            as_dtype(random_tensor(k, 3), dtype)};
  };
  const auto masked = [&](Shape q, Shape k, Tensor mask, DType dtype = DType::f32) {
    std::vector<Tensor> inputs = qkv(std::move(q), std::move(k), dtype);
    inputs.push_back(std::move(mask));
    return inputs;
  };
  const double lowest = std::numeric_limits<float>::lowest();
  const double hidden = -std::numeric_limits<double>::infinity();
  Tensor padding = f32_tensor({2, 1, 1, 5}, {0, 0, 0, 0, 0, 0, 0, lowest, lowest, lowest});
  Tensor infinite =
      f32_tensor({3, 4}, {0, 1, hidden, 2, hidden, hidden, hidden, hidden, -1, 0, 0, hidden});
  Tensor all_lowest = f32_tensor({2, 3}, {lowest, lowest, lowest, 0, lowest, 0});
  std::vector<Tensor> uneven = qkv({1, 2, 3, 4}, {1, 2, 5, 4});
  uneven[2] = random_tensor({1, 2, 5, 3}, 3);
  std::vector<Tensor> uneven_halves = qkv({1, 2, 45, 32}, {1, 2, 70, 32}, DType::f16);
  uneven_halves[2] = as_dtype(random_tensor({1, 2, 70, 64}, 3), DType::f16);
  const Options causal{{"causal", true}};
  return {
      {"heads", qkv({2, 2, 5, 4}, {2, 2, 5, 4}), {}, {0, 1, 2}, 2e-6},
      {"values of another size", uneven, {{"scale", 0.7}}, {0, 1, 2}, 2e-6},
      {"more queries, causal", qkv({1, 1, 6, 3}, {1, 1, 4, 3}), causal, {0, 1, 2}, 2e-6},
      {"past keys, causal",
       qkv({1, 2, 3, 4}, {1, 1, 7, 4}),
       {{"causal", true}, {"diagonal", std::int64_t{4}}},
       {0, 1, 2},
       2e-6},
      {"queries that see nothing",
       qkv({1, 1, 4, 3}, {1, 1, 4, 3}),
       {{"causal", true}, {"diagonal", std::int64_t{-2}}},
       {0, 1, 2},
       2e-6},
      {"groups, heads last",
       qkv({2, 5, 4, 3}, {2, 6, 2, 3}),
       {{"heads_last", true}},
       {0, 1, 2},
       2e-6},
      {"padding", masked({2, 2, 3, 4}, {2, 2, 5, 4}, padding), {}, {0, 1, 2}, 2e-6},
      {"minus infinity", masked({1, 2, 3, 4}, {1, 2, 4, 4}, infinite), {}, {0, 1, 2}, 2e-6},
      {"rows of the lowest number", masked({1, 1, 2, 4}, {1, 1, 3, 4}, all_lowest), {}, {2}, 2e-6},
      {"boolean",
       masked({2, 2, 3, 4}, {2, 2, 4, 4}, boolean_mask({2, 1, 3, 4}, 3, 1)),
       causal,
       {0, 1, 2},
       2e-6},
      {"one", qkv({1, 1, 1, 1}, {1, 1, 1, 1}), {}, {2}, 2e-6},
      {"nothing", qkv({0, 2, 3, 4}, {0, 2, 3, 4}), {}, {}},
      {"no query", qkv({1, 2, 0, 4}, {1, 2, 3, 4}), {}, {}},
      {"no key", qkv({1, 2, 3, 4}, {1, 2, 0, 4}), {}, {}},
      // Several blocks of queries and keys, sizes that no block divides.
      {"blocks", qkv({1, 2, 150, 20}, {1, 1, 301, 20}), {}, {}, 1e-5},
      {"blocks, causal, masked",
       masked({1, 1, 150, 72}, {1, 1, 270, 72}, boolean_mask({150, 270}, 7)),
       {{"causal", true}, {"diagonal", std::int64_t{120}}},
       {},
       1e-5},
      {"blocks, additive",
       masked({1, 2, 131, 32}, {1, 2, 259, 32}, random_tensor({2, 1, 259}, 4, 3.0)),
       {},
       {},
       1e-5},
      {"f16", qkv({1, 2, 50, 24}, {1, 2, 140, 24}, DType::f16), {}, {}, 1e-3},
      {"f16, odd, masked",
       masked({1, 1, 9, 5}, {1, 1, 11, 5}, as_dtype(random_tensor({9, 11}, 4), DType::f16),
              DType::f16),
       causal,
       {},
       1e-3},
      {"bf16", qkv({1, 3, 50, 24}, {1, 1, 140, 24}, DType::bf16), {}, {}, 1e-3},
      // Heads that fill tiles, blocks of keys, queries and keys that do not.
      {"bf16, tiles", qkv({2, 4, 37, 64}, {2, 2, 300, 64}, DType::bf16), {}, {}, 1e-3},
      {"bf16, tiles, causal, heads last",
       qkv({1, 70, 2, 32}, {1, 290, 2, 32}, DType::bf16),
       {{"causal", true}, {"diagonal", std::int64_t{210}}, {"heads_last", true}},
       {},
       1e-3},
      {"f32, tiles", qkv({2, 4, 37, 64}, {2, 2, 300, 64}), {}, {}, 3e-6},
      {"f16, tiles", qkv({2, 4, 37, 64}, {2, 2, 300, 64}, DType::f16), {}, {}, 1e-3},
      {"f32, tiles, causal, heads last",
       qkv({1, 170, 2, 32}, {1, 290, 2, 32}),
       {{"causal", true}, {"diagonal", std::int64_t{110}}, {"heads_last", true}},
       {},
       3e-6},
      {"f32, tiles, queries that see nothing, causal",
       qkv({1, 1, 75, 64}, {1, 1, 70, 64}),
       {{"causal", true}, {"diagonal", std::int64_t{-33}}},
       {},
       3e-6},
      {"f32, tiles, masked",
       masked({2, 2, 40, 96}, {2, 2, 150, 96}, boolean_mask({2, 1, 40, 150}, 3, 7)),
       {},
       {},
       3e-6},
      {"f16, tiles, chunks, causal",
       qkv({1, 1, 530, 32}, {1, 1, 130, 32}, DType::f16),
       {{"causal", true}, {"diagonal", std::int64_t{-395}}},
       {},
       1e-3},
      {"f16, tiles, additive, one row",
       masked({2, 2, 33, 32}, {2, 1, 45, 32},
              as_dtype(random_tensor({2, 1, 1, 45}, 4, 3.0), DType::f16), DType::f16),
       {},
       {},
       1e-3},
      {"f16, tiles, values of another size",
       uneven_halves,
       {{"causal", true}, {"diagonal", std::int64_t{30}}},
       {},
       1e-3},
      {"f16, tiles, boolean, rows that see nothing",
       masked({1, 2, 35, 32}, {1, 2, 50, 32}, boolean_mask({2, 35, 50}, 3, 40), DType::f16),
       {},
       {},
       1e-3},
      {"f16, tiles, mask in float32, one key for all",
       masked({2, 2, 3, 32}, {2, 2, 37, 32}, random_tensor({2, 2, 3, 1}, 4, 3.0), DType::f16),
       {},
       {},
       1e-3},
      {"f16, tiles, two chunks", qkv({1, 1, 700, 32}, {1, 1, 40, 32}, DType::f16), {}, {}, 1e-3},
      {"bf16, tiles, no key", qkv({1, 2, 3, 32}, {1, 2, 0, 32}, DType::bf16), {}, {}, 1e-3},
  };
}

}  // namespace hone
