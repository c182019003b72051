// The format of a node, bound once when the plan is made.
#pragma once

#include "hone/backend/kernel.hpp"
#include "hone/ops/detail/quantizer.hpp"

namespace hone {

inline std::shared_ptr<const void> bind_node_quantizer(const KernelQuery& query) {
  return std::shared_ptr<const Quantizer>(bind_quantizer(query.node.attributes));
}
inline const Quantizer& bound_quantizer(const KernelCall& call) {
  return *static_cast<const Quantizer*>(call.bound);
}

// A view as a tensor that shares its memory.
inline Tensor as_tensor(const TensorView& v) {
  return {v.dtype, Shape(v.dims.begin(), v.dims.begin() + v.rank), nullptr, v.data};
}

// A format bound to the packed bits that a node reads.
struct BoundPacked {
  std::shared_ptr<const Quantizer> quantizer;
  Shape shape;
  int bits;

  // Checked when the model was loaded, so not again here.
  PackedTensor view(const TensorView& codes, const TensorView* scales) const {
    return {shape, bits, as_tensor(codes),
            scales != nullptr && *scales ? as_tensor(*scales) : Tensor()};
  }
};
inline std::shared_ptr<const void> bind_node_packed(const KernelQuery& query) {
  const Options& attributes = query.node.attributes;
  return std::make_shared<BoundPacked>(BoundPacked{bind_quantizer(attributes),
                                                   parse_shape(attributes.text("shape")),
                                                   static_cast<int>(attributes.integer("bits"))});
}

}  // namespace hone
