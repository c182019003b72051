// Ops that map elements to elements: all inputs and the output have one shape.
#pragma once

#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {

// Which element types an op takes; all of its inputs have one.
enum class Elements { f32, reals, integers, numbers, booleans, all };
std::string to_string(Elements elements);
bool takes(Elements elements, DType dtype);

// Requires inputs of one shape and one of these types; gives both.
std::vector<ValueType> infer_elementwise(const OpTypes& types, const std::string& op,
                                         Elements elements = Elements::f32);

// reference() of an op whose elements are f(a) or f(a, b), in double precision for reals; integers
// exactly, by g where it is given.
template <typename F>
void map_elements(const OpCall& call, F f) {
  Tensor& y = call.out(0);
  for (std::int64_t i = 0; i < y.size(); ++i) {
    if constexpr (std::is_invocable_v<F, double>)
      set_real(y, i, f(real_at(call.in(0), i)));
    else
      set_real(y, i, f(real_at(call.in(0), i), real_at(call.in(1), i)));
  }
}
template <typename F, typename G>
void map_elements(const OpCall& call, F f, G g) {
  if (!is_integer(call.in(0).dtype())) return map_elements(call, f);
  Tensor& y = call.out(0);
  for (std::int64_t i = 0; i < y.size(); ++i) {
    if constexpr (std::is_invocable_v<G, std::int64_t>)
      set_integer(y, i, g(integer_at(call.in(0), i)));
    else
      set_integer(y, i, g(integer_at(call.in(0), i), integer_at(call.in(1), i)));
  }
}

}  // namespace hone
