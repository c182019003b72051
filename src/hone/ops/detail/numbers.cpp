#include "hone/ops/detail/numbers.hpp"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

// Calls f with a pointer to the elements as they are stored, of a type that is a number itself.
template <typename F>
auto with_integers(DType dtype, const void* data, const F& f) {
  switch (dtype) {
    case DType::i8: return f(static_cast<const std::int8_t*>(data));
    case DType::u8: return f(static_cast<const std::uint8_t*>(data));
    case DType::i16: return f(static_cast<const std::int16_t*>(data));
    case DType::i32: return f(static_cast<const std::int32_t*>(data));
    case DType::u32: return f(static_cast<const std::uint32_t*>(data));
    case DType::i64: return f(static_cast<const std::int64_t*>(data));
    default: return f(static_cast<const bool*>(data));
  }
}

template <typename T>
T saturated(double value) {
  if (std::isnan(value)) return 0;
  const double low = static_cast<double>(std::numeric_limits<T>::lowest());
  // (The largest 64-bit integer is no double.)
  const double high = std::ldexp(1.0, std::numeric_limits<T>::digits);
  if (value <= low) return std::numeric_limits<T>::lowest();
  if (value >= high) return std::numeric_limits<T>::max();
  return static_cast<T>(value);
}

template <typename T>
void put(Tensor& tensor, std::int64_t i, T value) {
  tensor.as<T>()[i] = value;
}

}  // namespace

double real_at(const Tensor& tensor, std::int64_t i) {
  switch (tensor.dtype()) {
    case DType::f32: return static_cast<double>(tensor.as<float>()[i]);
    case DType::f64: return tensor.as<double>()[i];
    case DType::f16: return static_cast<double>(f16_to_f32(tensor.as<std::uint16_t>()[i]));
    case DType::bf16: return static_cast<double>(bf16_to_f32(tensor.as<std::uint16_t>()[i]));
    default: return static_cast<double>(integer_at(tensor, i));
  }
}

std::int64_t integer_at(const Tensor& tensor, std::int64_t i) {
  if (is_real(tensor.dtype())) return saturated<std::int64_t>(real_at(tensor, i));
  return with_integers(tensor.dtype(), tensor.data(),
                       [i](const auto* data) { return static_cast<std::int64_t>(data[i]); });
}

void set_real(Tensor& tensor, std::int64_t i, double value) {
  switch (tensor.dtype()) {
    case DType::f32: return put(tensor, i, static_cast<float>(value));
    case DType::f64: return put(tensor, i, value);
    case DType::f16: return put(tensor, i, f32_to_f16(static_cast<float>(value)));
    case DType::bf16: return put(tensor, i, f32_to_bf16(static_cast<float>(value)));
    case DType::i8: return put(tensor, i, saturated<std::int8_t>(value));
    case DType::u8: return put(tensor, i, saturated<std::uint8_t>(value));
    case DType::i16: return put(tensor, i, saturated<std::int16_t>(value));
    case DType::i32: return put(tensor, i, saturated<std::int32_t>(value));
    case DType::u32: return put(tensor, i, saturated<std::uint32_t>(value));
    case DType::i64: return put(tensor, i, saturated<std::int64_t>(value));
    case DType::boolean: return put(tensor, i, value != 0);
  }
}

void set_integer(Tensor& tensor, std::int64_t i, std::int64_t value) {
  switch (tensor.dtype()) {
    case DType::i8: return put(tensor, i, static_cast<std::int8_t>(value));
    case DType::u8: return put(tensor, i, static_cast<std::uint8_t>(value));
    case DType::i16: return put(tensor, i, static_cast<std::int16_t>(value));
    case DType::i32: return put(tensor, i, static_cast<std::int32_t>(value));
    case DType::u32: return put(tensor, i, static_cast<std::uint32_t>(value));
    case DType::i64: return put(tensor, i, value);
    case DType::boolean: return put(tensor, i, value != 0);
    default: set_real(tensor, i, static_cast<double>(value));
  }
}

void copy_element(const Tensor& from, std::int64_t i, Tensor& to, std::int64_t j) {
  const std::size_t size = size_of(from.dtype());
  std::memcpy(static_cast<std::byte*>(to.data()) + static_cast<std::size_t>(j) * size,
              static_cast<const std::byte*>(from.data()) + static_cast<std::size_t>(i) * size,
              size);
}

std::vector<std::int64_t> integers_of(const Options& attributes, const std::string& name) {
  const std::string& text = attributes.text(name);
  std::vector<std::int64_t> integers;
  if (trim(text).empty()) return integers;
  for (const std::string& part : split(text, ',')) {
    const std::string_view digits = trim(part);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size())
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("attribute '{}': '{}' is no whole number", name, printable(part, 40)));
    integers.push_back(value);
  }
  return integers;
}

std::string to_text(const std::vector<std::int64_t>& integers) {
  std::string text;
  for (const std::int64_t one : integers) text += (text.empty() ? "" : ",") + std::to_string(one);
  return text;
}

std::vector<std::int64_t> strides_of(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

bool advance(std::vector<std::int64_t>& index, const Shape& shape) {
  for (std::size_t d = shape.size(); d-- > 0;) {
    if (++index[d] < shape[d]) return true;
    index[d] = 0;
  }
  return false;
}

}  // namespace hone
