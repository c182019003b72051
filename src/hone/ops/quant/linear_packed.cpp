// y = x w^T + b, w packed: linear(x, dequantize(codes, scales), b) that keeps no float32 copy of w.
#include "hone/ops/detail/quantizer.hpp"

namespace hone {
namespace {
namespace linear_packed_op {

std::vector<ValueType> infer(const OpTypes& t) {
  const Shape shape = parse_shape(t.attributes->text("shape"));
  if (shape.size() != 2 || !is_matrix(t[0]) || !(t[0].dims[1] == Dim(shape[1])) ||
      (t.has(3) && (!is_vector(t[3]) || !(t[3].dims[0] == Dim(shape[0])))))
    fail_shapes("linear_packed", "x f32[R,K], packed w of [N,K], b f32[N]", t);
  check_packed_types("linear_packed", t, 1);
  return {{DType::f32, {t[0].dims[0], Dim(shape[0])}}};
}

void reference(const OpCall& call) {
  const Tensor w = bind_quantizer(*call.attributes)
                       ->unpack(packed_tensor(*call.attributes, call.in(1),
                                              call.has(2) ? &call.in(2) : nullptr));
  OpCall plain{
      {&call.in(0), &w, call.has(3) ? &call.in(3) : nullptr}, call.outputs, call.attributes};
  find_op("linear").reference(plain);
}

double flop(const std::vector<Shape>& inputs, const Options& attributes) {
  const Shape shape = parse_shape(attributes.text("shape"));
  return 2.0 * static_cast<double>(inputs[0][0]) * static_cast<double>(shape[0] * shape[1]);
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, std::int64_t r, std::int64_t k, std::int64_t n, bool bias,
                       const char* format, const char* options) {
    PackedSample w = pack_sample(random_tensor({n, k}, 2), format, options);
    OpSample sample{name, {random_tensor({r, k}, 1), w.codes, w.scales}, w.attributes, {}, 1e-5};
    sample.inputs.push_back(bias ? random_tensor({n}, 3) : Tensor());
    return sample;
  };
  return {make("one row", 1, 4, 3, true, "integer", ""),
          make("odd", 7, 19, 5, true, "minifloat_ieee", ""),
          make("no bias", 5, 8, 6, false, "log", "width=5"),
          make("no rows", 0, 8, 8, true, "integer", ""),
          make("blocks", 130, 96, 64, true, "mxfp", ""),
          make("wide", 33, 67, 200, true, "binary_scaling", "")};
}

}  // namespace linear_packed_op
}  // namespace

Op op_linear_packed() {
  using namespace linear_packed_op;
  Op op{{"linear_packed", "y = x w^T + b with packed weights", packed_attributes()},
        2,
        4,
        {"x", "codes", "scales", "b"},
        RowRule::rows};
  op.infer = infer;
  op.reference = reference;
  op.flop = flop;
  op.samples = samples;
  return op;
}

}  // namespace hone
