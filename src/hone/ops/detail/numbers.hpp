// Elements of any type, one at a time: what references of ops that take every type are written
// with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/graph/op.hpp"

namespace hone {

inline bool is_real(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::f16 || dtype == DType::bf16;
}
inline bool is_integer(DType dtype) { return !is_real(dtype) && dtype != DType::boolean; }

// Element i. Integers and booleans are exact as integers, and as reals up to 2^53.
double real_at(const Tensor& tensor, std::int64_t i);
std::int64_t integer_at(const Tensor& tensor, std::int64_t i);
// Rounds to the element type; to integers a real is cut (as C does), out of range saturates, NaN is
// 0. A boolean is whether it is not 0.
void set_real(Tensor& tensor, std::int64_t i, double value);
// Wraps around, as two's complement does.
void set_integer(Tensor& tensor, std::int64_t i, std::int64_t value);

// Two's complement, without overflow.
inline std::int64_t wrap_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
inline std::int64_t wrap_sub(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
inline std::int64_t wrap_mul(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

// Elements from one tensor to another of the same type and as many elements.
void copy_element(const Tensor& from, std::int64_t i, Tensor& to, std::int64_t j);

// An attribute that is a list of whole numbers: "1,2,-1"; "" is empty. Throws
// Error(invalid_argument).
std::vector<std::int64_t> integers_of(const Options& attributes, const std::string& name);
std::string to_text(const std::vector<std::int64_t>& integers);

// Elements between neighbours along each dimension of a dense tensor.
std::vector<std::int64_t> strides_of(const Shape& shape);
// The next index of a shape, the last dimension fastest; false behind the last one.
bool advance(std::vector<std::int64_t>& index, const Shape& shape);

}  // namespace hone
