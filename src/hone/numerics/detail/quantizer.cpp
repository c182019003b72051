#include <cstring>

#include "hone/numerics/detail/quantizers.hpp"

namespace hone {

Tensor Quantizer::quantize(const Tensor& x) const {
  const MatrixView view = matrix_view(x.shape());
  Tensor y(DType::f32, x.shape());
  quantize(x.as<float>(), y.as<float>(), view.rows, view.columns);
  return y;
}

void Quantizer::gradient(const float* x, const float* dy, float* dx, std::int64_t rows,
                         std::int64_t columns) const {
  const Range* range = gradient_range();
  for (std::int64_t i = 0; i < rows * columns; ++i)
    dx[i] = range == nullptr || (x[i] >= range->low && x[i] <= range->high) ? dy[i] : 0.0f;
}

void Quantizer::unpack_rows(const PackedTensor& packed, std::int64_t first, std::int64_t rows,
                            float* y) const {
  const Tensor whole = unpack(packed);
  const std::int64_t columns = matrix_view(packed.shape).columns;
  std::memcpy(y, whole.as<float>() + first * columns,
              static_cast<std::size_t>(rows * columns) * sizeof(float));
}

void Quantizer::encode_int8(const float*, std::int64_t, std::int64_t, std::int8_t*, std::int64_t,
                            float*, std::int32_t*) const {
  throw Error(ErrorCode::internal, "the format has no 8-bit codes");
}

void Quantizer::unpack_int8(const PackedTensor&, std::int64_t, std::int64_t, std::int8_t*,
                            std::int64_t, float*, std::int32_t*) const {
  throw Error(ErrorCode::internal, "the format has no 8-bit codes");
}

}  // namespace hone
