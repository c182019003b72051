#include "hone/core/tensor.hpp"

#include <cstdlib>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "hone/core/error.hpp"

namespace hone {
namespace {

// From this on a tensor has pages of its own: zero without being written, there once they are used,
// gone when it is.
constexpr std::size_t mapped_bytes = 1 << 20;

std::shared_ptr<void> allocate(std::size_t bytes) {
  const std::size_t padded =
      (bytes + 127) / 64 * 64;  // one line more: kernels may read past the end
  // (More than the machine has is promised by the system, and ends the process once it is written.)
  static const std::size_t all = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) *
                                 static_cast<std::size_t>(sysconf(_SC_PAGE_SIZE));
  const bool mapped = padded >= mapped_bytes;
  void* memory = nullptr;
  if (padded <= all && mapped)
    memory = mmap(nullptr, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  else if (padded <= all)
    memory = std::aligned_alloc(64, padded);
  if (memory == nullptr || memory == MAP_FAILED)
    throw Error(ErrorCode::io,
                "out of memory: could not allocate " + std::to_string(padded) + " bytes",
                "use a smaller batch or a shorter --max-length");
  if (mapped) return {memory, [padded](void* p) { munmap(p, padded); }};
  std::memset(memory, 0, padded);
  return {memory, [](void* p) { std::free(p); }};
}

// Bytes of the widest type, with padding, must still fit in a signed 64-bit size.
constexpr std::int64_t max_elements = std::int64_t{1} << 59;

template <typename From>
void convert(const Tensor& from, float* to) {
  const From* values = from.as<From>();
  for (std::int64_t i = 0; i < from.size(); ++i) to[i] = static_cast<float>(values[i]);
}

void convert_halves(const Tensor& from, float* to) {
  const std::uint16_t* values = from.as<std::uint16_t>();
  std::int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= from.size(); i += 8)
    _mm256_storeu_ps(
        to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values + i))));
#endif
  for (; i < from.size(); ++i) to[i] = f16_to_f32(values[i]);
}

}  // namespace

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, size, &count) || count > max_elements)
      throw Error(ErrorCode::invalid_argument, "impossible tensor shape " + to_string(shape));
  }
  return count;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ",";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype), shape_(std::move(shape)), size_(element_count(shape_)) {
  owner_ = allocate(bytes());
  data_ = owner_.get();
}

Tensor::Tensor(DType dtype, Shape shape, std::shared_ptr<void> owner, void* data)
    : dtype_(dtype),
      shape_(std::move(shape)),
      size_(element_count(shape_)),
      owner_(std::move(owner)),
      data_(data) {}

Tensor Tensor::clone() const {
  Tensor copy(dtype_, shape_);
  if (size_ != 0) std::memcpy(copy.data_, data_, bytes());
  return copy;
}

Tensor Tensor::reshaped(Shape shape) const {
  if (element_count(shape) != size_)
    throw Error(ErrorCode::invalid_argument,
                "cannot view " + to_string(shape_) + " as " + to_string(shape));
  Tensor view = *this;
  view.shape_ = std::move(shape);
  return view;
}

Tensor Tensor::to_f32() const {
  Tensor result(DType::f32, shape_);
  float* out = result.as<float>();
  switch (dtype_) {
    case DType::f32: std::memcpy(out, data_, bytes()); break;
    case DType::f64: convert<double>(*this, out); break;
    case DType::f16: convert_halves(*this, out); break;
    case DType::bf16:
      for (std::int64_t i = 0; i < size_; ++i) out[i] = bf16_to_f32(as<std::uint16_t>()[i]);
      break;
    case DType::i8: convert<std::int8_t>(*this, out); break;
    case DType::boolean:
    case DType::u8: convert<std::uint8_t>(*this, out); break;
    case DType::i16: convert<std::int16_t>(*this, out); break;
    case DType::i32: convert<std::int32_t>(*this, out); break;
    case DType::u32: convert<std::uint32_t>(*this, out); break;
    case DType::i64: convert<std::int64_t>(*this, out); break;
  }
  return result;
}

}  // namespace hone
