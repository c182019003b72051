// A dense, row-major tensor that owns (or shares) its memory. Copying a Tensor shares the memory;
// clone() copies it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hone/core/dtype.hpp"

namespace hone {

// Sizes of the dimensions, outermost first; empty means a scalar with one element.
using Shape = std::vector<std::int64_t>;

// Number of elements; throws Error(invalid_argument) when the product overflows or a size is
// negative.
std::int64_t element_count(const Shape& shape);
// "[2,128]"
std::string to_string(const Shape& shape);

class Tensor {
public:
  Tensor() = default;
  // Zero-filled memory, 64-byte aligned.
  Tensor(DType dtype, Shape shape);
  // Shares memory owned elsewhere (a mapped file): `owner` keeps it alive; `data` must hold
  // element_count(shape) elements.
  Tensor(DType dtype, Shape shape, std::shared_ptr<void> owner, void* data);

  template <typename T>
  static Tensor from(DType dtype, Shape shape, std::span<const T> values);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t size() const { return size_; }
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * size_of(dtype_); }
  bool empty() const { return data_ == nullptr; }

  void* data() { return data_; }
  const void* data() const { return data_; }
  template <typename T>
  T* as() {
    return static_cast<T*>(data_);
  }
  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data_);
  }
  template <typename T>
  std::span<T> span() {
    return {as<T>(), static_cast<std::size_t>(size_)};
  }
  template <typename T>
  std::span<const T> span() const {
    return {as<T>(), static_cast<std::size_t>(size_)};
  }

  Tensor clone() const;
  // The same memory under another shape with the same number of elements.
  Tensor reshaped(Shape shape) const;
  // A float32 copy; from f32, f64, f16, bf16 and the integer types.
  Tensor to_f32() const;

private:
  DType dtype_ = DType::f32;
  Shape shape_;
  std::int64_t size_ = 0;
  std::shared_ptr<void> owner_;
  void* data_ = nullptr;
};

template <typename T>
Tensor Tensor::from(DType dtype, Shape shape, std::span<const T> values) {
  Tensor tensor(dtype, std::move(shape));
  T* out = tensor.as<T>();
  for (std::size_t i = 0; i < values.size() && i < static_cast<std::size_t>(tensor.size()); ++i)
    out[i] = values[i];
  return tensor;
}

}  // namespace hone
