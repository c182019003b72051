#include "hone/numerics/tensor_rows.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/numerics/detail/quantizers.hpp"

namespace hone {
namespace {

constexpr std::array<const char*, 3> names{"last", "channels", "filters"};

// [outer, channels, places]: what rows of channels and filters lie in.
struct Planes {
  std::int64_t outer = 1, channels = 1, places = 1;
};

Planes planes_of(const Shape& shape) {
  if (shape.size() < 2)
    throw Error(ErrorCode::internal, "a tensor " + to_string(shape) + " has no channels");
  Planes planes{shape[0], shape[1], 1};
  for (std::size_t i = 2; i < shape.size(); ++i) planes.places *= shape[i];
  return planes;
}

// [outer, from, to] becomes [outer, to, from].
void turn(const float* x, float* y, std::int64_t outer, std::int64_t from, std::int64_t to) {
  if (from == 1 || to == 1) {
    std::memcpy(y, x, static_cast<std::size_t>(outer * from * to) * sizeof(float));
    return;
  }
  constexpr std::int64_t tile = 16;
  for (std::int64_t n = 0; n < outer; ++n, x += from * to, y += from * to)
    for (std::int64_t i = 0; i < from; i += tile)
      for (std::int64_t j = 0; j < to; j += tile)
        for (std::int64_t a = i; a < std::min(from, i + tile); ++a)
          for (std::int64_t b = j; b < std::min(to, j + tile); ++b) y[b * from + a] = x[a * to + b];
}

class ByTensorRows : public Quantizer {
public:
  ByTensorRows(std::unique_ptr<const Quantizer> inner, TensorRows rows)
      : inner_(std::move(inner)), rows_(rows) {}

  void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns) const override {
    inner_->quantize(x, y, rows, columns);
  }
  Tensor quantize(const Tensor& x) const override {
    return from_rows(inner_->quantize(to_rows(x, rows_)), x.shape(), rows_);
  }
  bool by_rows(std::int64_t columns) const override { return inner_->by_rows(columns); }
  bool is_stochastic() const override { return inner_->is_stochastic(); }
  void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns,
                const RandomDraws& draws) const override {
    inner_->quantize(x, y, rows, columns, draws);
  }
  bool has_gradient() const override { return inner_->has_gradient(); }
  const Range* gradient_range() const override { return inner_->gradient_range(); }
  void gradient(const float* x, const float* dy, float* dx, std::int64_t rows,
                std::int64_t columns) const override {
    inner_->gradient(x, dy, dx, rows, columns);
  }

  PackedTensor pack(const Tensor& x) const override {
    PackedTensor packed = inner_->pack(to_rows(x, rows_));
    packed.shape = x.shape();
    return packed;
  }
  Tensor unpack(const PackedTensor& packed) const override {
    return from_rows(inner_->unpack(matrix(packed)), packed.shape, rows_);
  }
  void check(const PackedTensor& packed) const override { inner_->check(matrix(packed)); }
  double bits_per_value(const Shape& shape) const override {
    return inner_->bits_per_value(rows_shape(shape));
  }
  std::optional<Int8Layout> int8_layout(std::int64_t columns) const override {
    return inner_->int8_layout(columns);
  }
  void encode_int8(const float* x, std::int64_t rows, std::int64_t columns, std::int8_t* codes,
                   std::int64_t stride, float* scales, std::int32_t* zeros) const override {
    inner_->encode_int8(x, rows, columns, codes, stride, scales, zeros);
  }
  void unpack_int8(const PackedTensor& packed, std::int64_t first, std::int64_t rows,
                   std::int8_t* codes, std::int64_t stride, float* scales,
                   std::int32_t* zeros) const override {
    inner_->unpack_int8(matrix(packed), first, rows, codes, stride, scales, zeros);
  }
  std::vector<float> values(std::size_t limit) const override { return inner_->values(limit); }

private:
  Shape rows_shape(const Shape& shape) const {
    const std::int64_t length = row_length(shape, rows_);
    return {length == 0 ? 0 : element_count(shape) / length, length};
  }
  PackedTensor matrix(const PackedTensor& packed) const {
    PackedTensor rows = packed;
    rows.shape = rows_shape(packed.shape);
    return rows;
  }

  std::unique_ptr<const Quantizer> inner_;
  TensorRows rows_;
};

}  // namespace

TensorRows parse_tensor_rows(const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw Error(ErrorCode::invalid_argument, "a tensor has no rows called '" + name + "'",
                did_you_mean(name, tensor_rows_names()));
  return static_cast<TensorRows>(found - names.begin());
}

const char* name_of(TensorRows rows) { return names[static_cast<std::size_t>(rows)]; }

std::vector<std::string> tensor_rows_names() { return {names.begin(), names.end()}; }

std::int64_t row_length(const Shape& shape, TensorRows rows) {
  if (rows == TensorRows::last) return shape.empty() ? 1 : shape.back();
  const Planes planes = planes_of(shape);
  return rows == TensorRows::channels ? planes.channels : planes.channels * planes.places;
}

Tensor to_rows(const Tensor& x, TensorRows rows) {
  const std::int64_t length = row_length(x.shape(), rows);
  Tensor matrix(DType::f32, {length == 0 ? 0 : x.size() / length, length});
  if (x.size() == 0) return matrix;
  if (rows == TensorRows::last) {
    std::memcpy(matrix.as<float>(), x.as<float>(), x.bytes());
  } else {
    const Planes planes = planes_of(x.shape());
    turn(x.as<float>(), matrix.as<float>(), planes.outer, planes.channels, planes.places);
  }
  return matrix;
}

Tensor from_rows(const Tensor& matrix, const Shape& shape, TensorRows rows) {
  Tensor x(DType::f32, shape);
  if (x.size() == 0) return x;
  if (rows == TensorRows::last) {
    std::memcpy(x.as<float>(), matrix.as<float>(), x.bytes());
  } else {
    const Planes planes = planes_of(shape);
    turn(matrix.as<float>(), x.as<float>(), planes.outer, planes.places, planes.channels);
  }
  return x;
}

std::unique_ptr<const Quantizer> by_tensor_rows(std::unique_ptr<const Quantizer> quantizer,
                                                TensorRows rows) {
  if (rows == TensorRows::last || quantizer->by_elements() || quantizer->by_shape())
    return quantizer;
  return std::make_unique<ByTensorRows>(std::move(quantizer), rows);
}

void quantize_by_rows(const Quantizer& quantizer, TensorRows rows, const Shape& shape,
                      const float* x, float* y, const RandomDraws* draws) {
  const std::int64_t count = element_count(shape);
  const std::int64_t length = row_length(shape, rows);
  if (count == 0) return;
  const auto round = [&](const float* from, float* to) {
    if (draws != nullptr && quantizer.is_stochastic())
      quantizer.quantize(from, to, count / length, length, *draws);
    else
      quantizer.quantize(from, to, count / length, length);
  };
  if (rows == TensorRows::last || quantizer.by_elements()) return round(x, y);
  const Planes planes = planes_of(shape);
  if (planes.places == 1) return round(x, y);
  std::vector<float> turned(static_cast<std::size_t>(count));
  turn(x, turned.data(), planes.outer, planes.channels, planes.places);
  round(turned.data(), turned.data());
  turn(turned.data(), y, planes.outer, planes.places, planes.channels);
}

}  // namespace hone
