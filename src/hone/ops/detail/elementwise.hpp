// Ops that map elements to elements: all inputs and the output have one shape.
#pragma once

#include "hone/ops/detail/common.hpp"

namespace hone {

// Requires f32 inputs of one shape; gives that shape.
std::vector<ValueType> infer_elementwise(const OpTypes& types, const char* op);

// reference() of an op whose elements are f(a) or f(a, b) in double precision.
template <typename F>
void map_elements(const OpCall& call, F f) {
  float* y = call.out(0).as<float>();
  const float* a = call.in(0).as<float>();
  for (std::int64_t i = 0; i < call.out(0).size(); ++i) {
    if constexpr (std::is_invocable_v<F, double>)
      y[i] = static_cast<float>(f(static_cast<double>(a[i])));
    else
      y[i] = static_cast<float>(
          f(static_cast<double>(a[i]), static_cast<double>(call.in(1).as<float>()[i])));
  }
}

}  // namespace hone
