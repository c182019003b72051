#include "hone/ops/detail/attention.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {

std::vector<OptionSpec> attention_options() {
  std::vector<OptionSpec> options{
      {"heads", OptionType::integer, {}, "number of heads; divides the width", 1, 65536},
      {"dropout", OptionType::real, 0.0, "probability of dropping an attention weight", 0.0, 0.999},
      {"stream", OptionType::integer, std::int64_t{0}, "random stream of head 0", 0, 4294967295.0}};
  for (OptionSpec& spec : probabilities_attributes()) options.push_back(std::move(spec));
  return options;
}

AttentionSizes attention_sizes(std::int64_t width, const Options& attributes) {
  AttentionSizes sizes{};
  sizes.heads = attributes.integer("heads");
  sizes.head_size = width / sizes.heads;
  sizes.scale = 1.0 / std::sqrt(static_cast<double>(sizes.head_size));
  sizes.threshold = dropout_threshold(attributes.real_or("dropout", 0.0));
  sizes.stream = static_cast<std::uint32_t>(attributes.integer_or("stream", 0));
  return sizes;
}

std::int64_t sequence_of(const Tensor& offsets, std::int64_t row) {
  const auto values = offsets.span<std::int32_t>();
  const auto after = std::upper_bound(values.begin(), values.end(), static_cast<std::int32_t>(row));
  return after - values.begin() - 1;
}

void check_attention(const OpTypes& t, std::size_t first, const char* op) {
  const ValueType& q = t[first];
  const ValueType& k = t[first + 1];
  const bool has_rows = t.has(first + 5);
  bool good =
      is_matrix(q) && is_matrix(k) && t[first + 2] == k && is_vector(t[first + 3], DType::i32) &&
      q.dims[1] == k.dims[1] && (has_rows || q == k) &&
      (!has_rows || (is_vector(t[first + 5], DType::i32) && t[first + 5].dims[0] == q.dims[0]));
  if (t.has(first + 4)) good = good && is_vector(t[first + 4], DType::u32);
  if (!good)
    fail_shapes(op, "q f32[R,H], k f32[T,H], v f32[T,H], offsets i32[B+1], rng u32[3], rows i32[R]",
                t);
  const std::int64_t heads = t.attributes->integer("heads");
  if (q.dims[1].is_fixed() && q.dims[1].offset % heads != 0)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("[{}] width {} is not divisible by {} heads", op, q.dims[1].offset, heads));
  if (t.attributes->real("dropout") > 0 && !t.has(first + 4))
    fail_shapes(op, "rng u32[3] for dropout", t);
  bind_probabilities(*t.attributes);
}

AttentionRow attention_row(const float* q, const Tensor& k, const Tensor& offsets,
                           const std::uint32_t* rng, std::int64_t row, std::int64_t head,
                           const AttentionSizes& sizes, const Quantizer* probabilities) {
  AttentionRow result;
  const std::int64_t sequence = sequence_of(offsets, row);
  result.begin = offsets.as<std::int32_t>()[sequence];
  const std::int64_t length = offsets.as<std::int32_t>()[sequence + 1] - result.begin;
  const std::int64_t width = sizes.heads * sizes.head_size;
  double largest = -1e300;
  for (std::int64_t j = 0; j < length; ++j) {
    const float* key = k.as<float>() + (result.begin + j) * width + head * sizes.head_size;
    double score = 0;
    for (std::int64_t i = 0; i < sizes.head_size; ++i) score += static_cast<double>(q[i]) * key[i];
    result.probability.push_back(score * sizes.scale);
    largest = std::max(largest, result.probability.back());
  }
  double sum = 0;
  for (double& p : result.probability) sum += p = std::exp(p - largest);
  result.log_sum = largest + std::log(sum);
  result.rounded = result.probability;
  if (probabilities != nullptr) {
    std::vector<float> exponentials(result.probability.begin(), result.probability.end());
    probabilities->quantize(exponentials.data(), exponentials.data(), 1, length);
    result.rounded.assign(exponentials.begin(), exponentials.end());
  }
  for (std::int64_t j = 0; j < length; ++j) {
    result.probability[static_cast<std::size_t>(j)] /= sum;
    result.rounded[static_cast<std::size_t>(j)] /= sum;
    const bool keep =
        sizes.threshold == 0 || dropout_keeps(rng, sizes.stream + static_cast<std::uint32_t>(head),
                                              static_cast<std::uint32_t>(row),
                                              static_cast<std::uint32_t>(j), sizes.threshold);
    result.keep.push_back(keep ? dropout_scale(sizes.threshold) : 0.0);
  }
  return result;
}

std::vector<OpSample> attention_samples() {
  const auto make = [](const char* name, std::vector<std::int32_t> offsets, std::int64_t heads,
                       std::int64_t head_size, double dropout, std::vector<std::int32_t> rows,
                       double scale = 1.0) {
    const std::int64_t tokens = offsets.back();
    const std::int64_t width = heads * head_size;
    const bool picked = !rows.empty();
    const auto queries = picked ? static_cast<std::int64_t>(rows.size()) : tokens;
    OpSample sample{name,
                    {random_tensor({queries, width}, 1, scale),
                     random_tensor({tokens, width}, 2, scale), random_tensor({tokens, width}, 3),
                     Tensor::from<std::int32_t>(
                         DType::i32, {static_cast<std::int64_t>(offsets.size())}, offsets),
                     rng_tensor(11, 4),
                     picked ? Tensor::from<std::int32_t>(DType::i32, {queries}, rows) : Tensor()},
                    {{"heads", heads}, {"dropout", dropout}, {"stream", std::int64_t{5}}},
                    {}};
    sample.tolerance = 2e-5;
    return sample;
  };
  std::vector<OpSample> samples{
      make("two short", {0, 3, 8}, 2, 4, 0.0, {}),
      make("dropout", {0, 5, 6}, 2, 3, 0.25, {}),
      make("picked rows", {0, 5, 9, 11}, 2, 4, 0.1, {0, 5, 9}),
      make("one token", {0, 1}, 1, 8, 0.0, {}),
      make("long", {0, 130, 131, 290}, 2, 64, 0.1, {}),
      make("odd heads", {0, 33, 81}, 3, 20, 0.0, {}),
      make("large scores", {0, 40}, 1, 64, 0.0, {}, 12.0),
      make("two rows of one sequence", {0, 70, 75}, 2, 32, 0.1, {3, 69, 70}),
      make("no tokens", {0}, 2, 4, 0.0, {})};
  const auto round = [&](const char* name, std::size_t like, const char* format,
                         const char* options) {
    OpSample sample = samples[like];
    sample.name = name;
    const Options rounding = probabilities_options(format, options);
    for (const auto& [key, value] : rounding.values()) sample.attributes.set(key, value);
    samples.push_back(std::move(sample));
  };
  const char* unit = "frac_width=8 is_signed=false width=8";
  round("rounded", 0, "integer", unit);
  round("rounded, dropout", 1, "integer", unit);
  round("rounded, picked rows", 2, "integer", unit);
  round("rounded, two rows", 7, "affine", "symmetric=false");
  // Scores of a thousand carry rounding of 1e-4, whatever the order of the sum.
  samples[6].tolerance = 2e-4;
  for (int i = 0; i < 4; ++i) samples[static_cast<std::size_t>(i)].differentiable = {0, 1, 2};
  return samples;
}

}  // namespace hone
