#include "hone/ops/detail/elementwise.hpp"

namespace hone {

std::vector<ValueType> infer_elementwise(const OpTypes& types, const char* op) {
  for (std::size_t i = 0; i < types.count(); ++i)
    if (types[i].dtype != DType::f32 || !(types[i].dims == types[0].dims))
      fail_shapes(op, "f32 inputs of one shape", types);
  return {types[0]};
}

}  // namespace hone
