#include "hone/ops/detail/elementwise.hpp"

namespace hone {

std::string to_string(Elements elements) {
  switch (elements) {
    case Elements::f32: return "f32";
    case Elements::reals: return "real";
    case Elements::integers: return "integer";
    case Elements::numbers: return "number";
    case Elements::booleans: return "bool";
    case Elements::all: return "any";
  }
  return "";
}

bool takes(Elements elements, DType dtype) {
  switch (elements) {
    case Elements::f32: return dtype == DType::f32;
    case Elements::reals: return is_real(dtype);
    case Elements::integers: return is_integer(dtype);
    case Elements::numbers: return dtype != DType::boolean;
    case Elements::booleans: return dtype == DType::boolean;
    case Elements::all: return true;
  }
  return false;
}

std::vector<ValueType> infer_elementwise(const OpTypes& types, const std::string& op,
                                         Elements elements) {
  for (std::size_t i = 0; i < types.count(); ++i)
    if (!takes(elements, types[i].dtype) || types[i].dtype != types[0].dtype ||
        !(types[i].dims == types[0].dims))
      fail_shapes(op, to_string(elements) + " inputs of one type and shape", types);
  return {types[0]};
}

}  // namespace hone
