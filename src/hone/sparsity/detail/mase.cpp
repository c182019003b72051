#include "hone/sparsity/detail/mase.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hone/core/philox.hpp"

namespace hone::mase {

float magnitude_quantile(const std::vector<const Tensor*>& tensors, double sparsity) {
  std::vector<float> a;
  for (const Tensor* tensor : tensors)
    for (const float x : tensor->span<float>()) {
      if (std::isnan(x)) return std::numeric_limits<float>::quiet_NaN();
      a.push_back(std::fabs(x));
    }
  if (a.empty()) return 0;
  const float rank = static_cast<float>(sparsity) * static_cast<float>(a.size() - 1);
  const std::size_t last = a.size() - 1;
  const std::size_t i = std::min(static_cast<std::size_t>(std::floor(rank)), last);
  const std::size_t j = std::min(static_cast<std::size_t>(std::ceil(rank)), last);
  const float weight = rank - std::floor(rank);
  std::nth_element(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(i), a.end());
  const float low = a[i];
  const float high =
      i == j ? low : *std::min_element(a.begin() + static_cast<std::ptrdiff_t>(i) + 1, a.end());
  return weight < 0.5f ? low + weight * (high - low) : high - (high - low) * (1.0f - weight);
}

Tensor above(const Tensor& x, float threshold) {
  Tensor mask(DType::u8, x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i)
    mask.as<std::uint8_t>()[i] = std::fabs(x.as<float>()[i]) > threshold;
  return mask;
}

Tensor drawn(const Shape& shape, double sparsity, std::uint64_t seed, std::uint32_t stream) {
  Tensor mask(DType::u8, shape);
  RandomStream random(seed, stream);
  for (std::int64_t i = 0; i < mask.size(); ++i)
    mask.as<std::uint8_t>()[i] = random.uniform() >= sparsity;
  return mask;
}

}  // namespace hone::mase
