#include "hone/numerics/detail/mase_group.hpp"

#include <array>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_rules.hpp"
#include "hone/numerics/detail/quantizers.hpp"

namespace hone::mase {
namespace {

// y[i] = f(x[i])
template <typename F>
Tensor map(const Tensor& x, const F& f) {
  Tensor y(DType::f32, x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) y.as<float>()[i] = f(x.as<float>()[i]);
  return y;
}

// Slices of the first axis of a tensor of four dimensions.
std::int64_t slice_size(const char* format, const Tensor& x) {
  if (x.shape().size() != 4)
    fail_format(format,
                fmt::format("rule mase takes four dimensions, not {}", to_string(x.shape())),
                "use rule exact");
  return x.shape()[0] == 0 ? 0 : x.size() / x.shape()[0];
}

// Calls body(first, count) for every slice.
template <typename Body>
void for_slices(std::int64_t total, std::int64_t count, const Body& body) {
  for (std::int64_t first = 0; first < total; first += count) body(first, count);
}

}  // namespace

Tensor scale_integer(const Tensor& x, int width, bool is_signed) {
  const float low = is_signed ? -power_of_two(width - 1) : 0.0f;
  const float high = largest_code(is_signed ? width - 1 : width);
  const float steps = power_of_two(is_signed ? width - 1 : width);
  Tensor y(DType::f32, x.shape());
  const MatrixView view = matrix_view(x.shape());
  for (std::int64_t r = 0; r < view.rows; ++r) {
    const float* in = x.as<float>() + r * view.columns;
    float most = 0;
    for (std::int64_t c = 0; c < view.columns; ++c) {
      const float magnitude = std::fabs(in[c]);
      if (magnitude > most || std::isnan(magnitude)) most = magnitude;
      if (std::isnan(most)) break;
    }
    const float scale = 1.0f / (most + tiny_shift) * steps;
    for (std::int64_t c = 0; c < view.columns; ++c)
      y.as<float>()[r * view.columns + c] = clamp(std::nearbyint(in[c] * scale), low, high) / scale;
  }
  return y;
}

Tensor residual_sign_sum(const Tensor& x, std::span<const float> means) {
  return map(x, [&](float rest) {
    float sum = 0;
    for (const float mean : means) {
      const float level = binarize(rest) * std::fabs(mean);
      sum += level;
      rest -= level;
    }
    return sum;
  });
}

Tensor residual_sign(const Tensor& x, std::span<const float> means) {
  Shape shape = x.shape();
  if (means.size() > 1) shape.insert(shape.begin(), static_cast<std::int64_t>(means.size()));
  Tensor y(DType::f32, shape);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    float rest = x.as<float>()[i];
    for (std::size_t l = 0; l < means.size(); ++l) {
      const float level = binarize(rest) * std::fabs(means[l]);
      y.as<float>()[static_cast<std::int64_t>(l) * x.size() + i] = level;
      rest -= level;
    }
  }
  return y;
}

Tensor residual_sign_gradient(const Tensor& x, const Tensor& gradient,
                              std::span<const float> means) {
  Tensor dx(DType::f32, x.shape());
  std::vector<float> rests(means.size());
  for (std::int64_t i = 0; i < x.size(); ++i) {
    float rest = x.as<float>()[i];
    for (std::size_t l = 0; l < means.size(); ++l) {
      rests[l] = rest;
      rest -= binarize(rest) * std::fabs(means[l]);
    }
    float of_rest = 0;  // of the next level's input
    for (std::size_t l = means.size(); l-- > 0;) {
      const float of_level = gradient.as<float>()[i] - of_rest;
      const float inside = std::fabs(rests[l]) <= 1.0f ? 1.0f : 0.0f;
      of_rest += of_level * std::fabs(means[l]) * inside;
    }
    dx.as<float>()[i] = of_rest;
  }
  return dx;
}

std::vector<float> standard_means(int levels) {
  std::vector<float> means;
  for (int l = 0; l < levels; ++l)
    means.push_back(static_cast<float>(static_cast<double>(levels - l) /
                                       (static_cast<double>(levels) * (levels + 1) / 2)));
  return means;
}

Tensor binary(const Tensor& x, bool stochastic, bool bipolar, const Tensor* random) {
  const Tensor p =
      stochastic ? map(x, [](float v) { return clamp((v + 1.0f) / 2.0f, 0.0f, 1.0f); }) : x;
  Tensor y(DType::f32, x.shape());
  const float* in = p.as<float>();
  float* out = y.as<float>();
  if (bipolar) {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const float border = stochastic && random != nullptr ? random->as<float>()[i]
                           : stochastic                    ? 0.5f
                                                           : 0.0f;
      out[i] = in[i] >= border ? 1.0f : -1.0f;
    }
    return y;
  }
  for_slices(x.size(), slice_size("binary", x), [&](std::int64_t first, std::int64_t count) {
    double sum = 0;
    for (std::int64_t i = first; i < first + count; ++i) sum += std::fabs(in[i]);
    const auto mean = static_cast<float>(sum / static_cast<double>(count));
    for (std::int64_t i = first; i < first + count; ++i) out[i] = in[i] > 0 ? mean : 0.0f;
  });
  return y;
}

Tensor ternary(const Tensor& x, bool scaling_factor) {
  Tensor y(DType::f32, x.shape());
  const float* in = x.as<float>();
  float* out = y.as<float>();
  for_slices(x.size(), slice_size("ternary", x), [&](std::int64_t first, std::int64_t count) {
    double sum = 0;
    for (std::int64_t i = first; i < first + count; ++i) sum += std::fabs(in[i]);
    const float border = 0.75f * static_cast<float>(sum) / static_cast<float>(count);
    double outside = 0;
    std::int64_t members = 0;
    for (std::int64_t i = first; i < first + count; ++i) {
      if (!(std::fabs(in[i]) > border)) continue;
      outside += std::fabs(in[i]);
      ++members;
    }
    const float scale =
        scaling_factor ? static_cast<float>(outside) / static_cast<float>(members) : 1.0f;
    for (std::int64_t i = first; i < first + count; ++i)
      out[i] = (in[i] > border ? 1.0f : in[i] < -border ? -1.0f : 0.0f) * scale;
  });
  return y;
}

Tensor learned_step(const Tensor& x, int levels, bool symmetric, float step) {
  if (levels >= 256) return x.clone();
  const float low = symmetric ? static_cast<float>(-levels / 2) : 0.0f;
  const float high = static_cast<float>(symmetric ? levels / 2 - 1 : levels - 1);
  const auto g = static_cast<float>(
      1.0 / std::sqrt(static_cast<double>(high) * static_cast<double>(x.size())));
  const float slope = step * g;
  const float used = (step - slope) + slope;
  return map(x, [=](float v) {
    v = v / used + 0.5f;
    v = (std::floor(v) - v) + v;
    return clamp(v, low, high) * used;
  });
}

}  // namespace hone::mase
