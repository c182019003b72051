#include "hone/numerics/detail/mase_mx.hpp"

#include <array>
#include <limits>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone::mase {
namespace {

void check_count(const char* format, const Tensor& x, std::int64_t block) {
  if (x.size() % block != 0)
    fail_format(format,
                fmt::format("block_size = {} does not divide the {} numbers of {}", block, x.size(),
                            to_string(x.shape())),
                "rule mase has no shorter last block");
}

// The largest magnitude; NaN when there is one.
float largest_magnitude(const float* x, std::int64_t n) {
  float largest = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float magnitude = std::fabs(x[i]);
    if (magnitude > largest || std::isnan(magnitude)) largest = magnitude;
    if (std::isnan(largest)) break;
  }
  return largest;
}

// The block x quantized with the maximum `most`, into y.
void quantize_int(const MxIntOptions& o, float most, const float* x, float* y) {
  const float m = std::isnan(most) ? most : std::max(most, std::numeric_limits<float>::min());
  const int bias = (1 << (o.scale_bits - 1)) - 1;
  const int e = std::isfinite(m) ? ceil_log2(m) : 128;
  const int scale = std::clamp(e + bias, 0, (1 << o.scale_bits) - 1) - bias;
  const float power = std::isnan(m) ? m : power_of_two(e);
  const float steps = power_of_two(o.width - 1);
  for (std::int64_t i = 0; i < o.block_size; ++i) {
    const float k = clamp(std::nearbyint(x[i] / power * steps), -steps, steps - 1.0f);
    y[i] = k / steps * power_of_two(scale);
  }
}

// Linear interpolation at rank q (n - 1) of sorted magnitudes, in float32.
float quantile(const std::vector<float>& sorted, float q) {
  const float rank = q * static_cast<float>(sorted.size() - 1);
  const float below = std::floor(rank);
  const float weight = rank - below;
  const auto i = static_cast<std::size_t>(below);
  const float a = sorted[i];
  const float b = sorted[std::min(i + 1, sorted.size() - 1)];
  const float step = b - a;
  return weight < 0.5f ? a + weight * step : b - step * (1.0f - weight);
}

constexpr std::array<float, 11> quantiles{1.0f, 0.995f, 0.99f, 0.97f, 0.95f, 0.93f,
                                          0.9f, 0.8f,   0.7f,  0.6f,  0.5f};

// `original` is what the error is taken against.
void search_int(const MxIntOptions& o, const float* original, float* block) {
  const auto n = static_cast<std::size_t>(o.block_size);
  std::vector<float> sorted(n), candidate(n), best(n);
  for (std::size_t i = 0; i < n; ++i) sorted[i] = std::fabs(block[i]);
  std::sort(sorted.begin(), sorted.end());
  float least = std::numeric_limits<float>::infinity();
  bool any = false;
  for (const float q : quantiles) {
    quantize_int(o, quantile(sorted, q), block, candidate.data());
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const float error = original[i] - candidate[i];
      sum += static_cast<double>(error) * static_cast<double>(error);
    }
    const auto norm = static_cast<float>(std::sqrt(sum));
    if (any && !(norm < least)) continue;
    any = true;
    least = norm;
    best = candidate;
  }
  std::copy(best.begin(), best.end(), block);
}

void quantize_fp(const ElementCode& code, float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    if (std::fabs(x[i]) < std::numeric_limits<float>::min()) x[i] = 0.0f;
  const float most = largest_magnitude(x, n);
  if (most == 0) {
    std::fill_n(x, n, 0.0f);
    return;
  }
  if (!std::isfinite(most)) {
    std::fill_n(x, n, std::nanf(""));
    return;
  }
  const int emax = (1 << code.exponent_width) - 1 - code.bias();
  const int e = std::clamp(floor_log2(most) - emax, -127, 128);
  for (std::int64_t i = 0; i < n; ++i) x[i] = code.value(x[i] / power_of_two(e)) * power_of_two(e);
}

// Runs lie along the rows of a matrix, and straddle their ends where they do not divide them.
std::int64_t row_run(const MxOptions& o) {
  return o.block_dim == -1 || o.block_dim == 1 ? o.block_size : 0;
}

}  // namespace

std::unique_ptr<const Quantizer> make_mxint(const MxIntOptions& o) {
  const double bits =
      o.width + static_cast<double>(o.scale_bits) / static_cast<double>(o.block_size);
  return std::make_unique<TensorRule>("mxint", "mase", bits, row_run(o), [o](const Tensor& x) {
    check_count("mxint", x, o.block_size);
    return along_axis(x, o.block_dim, [&](float* numbers, std::int64_t count, std::int64_t) {
      for (std::int64_t i = 0; i < count; i += o.block_size) {
        if (o.quantile_search)
          search_int(o, x.as<float>() + i, numbers + i);
        else
          quantize_int(o, largest_magnitude(numbers + i, o.block_size), numbers + i, numbers + i);
      }
    });
  });
}

std::unique_ptr<const Quantizer> make_mxfp(const MxOptions& o, int exponent_width, int fraction) {
  const ElementCode code{exponent_width, fraction, true, CodeRounding::nearest};
  const double bits = 1 + exponent_width + fraction + 8.0 / static_cast<double>(o.block_size);
  return std::make_unique<TensorRule>("mxfp", "mase", bits, row_run(o), [o, code](const Tensor& x) {
    check_count("mxfp", x, o.block_size);
    return along_axis(x, o.block_dim, [&](float* numbers, std::int64_t count, std::int64_t) {
      for (std::int64_t i = 0; i < count; i += o.block_size)
        quantize_fp(code, numbers + i, o.block_size);
    });
  });
}

}  // namespace hone::mase
