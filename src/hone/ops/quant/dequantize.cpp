// y = the numbers that packed bits hold.
#include "hone/ops/detail/quantizer.hpp"

namespace hone {
namespace {
namespace dequantize_op {

std::vector<ValueType> infer(const OpTypes& t) {
  check_packed_types("dequantize", t, 0);
  ValueType type{DType::f32, {}};
  for (std::int64_t size : parse_shape(t.attributes->text("shape"))) type.dims.emplace_back(size);
  return {type};
}

void reference(const OpCall& call) {
  const Tensor y = bind_quantizer(*call.attributes)
                       ->unpack(packed_tensor(*call.attributes, call.in(0),
                                              call.has(1) ? &call.in(1) : nullptr));
  std::copy(y.as<float>(), y.as<float>() + y.size(), call.out(0).as<float>());
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, Shape shape, const char* format, const char* options,
                       TensorRows rows = TensorRows::last) {
    PackedSample packed = pack_sample(random_tensor(std::move(shape), 1), format, options, rows);
    return OpSample{name, {packed.codes, packed.scales}, packed.attributes, {}, 1e-12};
  };
  return {make("integer", {7, 19}, "integer", "width=5"),
          make("one", {1}, "integer", ""),
          make("blocks", {9, 70}, "mxint", ""),
          make("channels", {9, 37}, "affine", "width=4"),
          make("bits", {3, 21}, "binary_scaling", ""),
          make("filters", {6, 5, 3, 3}, "affine", "width=4", TensorRows::filters)};
}

}  // namespace dequantize_op
}  // namespace

Op op_dequantize() {
  using namespace dequantize_op;
  Op op{{"dequantize", "the numbers that packed bits hold", packed_attributes()},
        1,
        2,
        {"codes", "scales"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
