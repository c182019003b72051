// dx of quantize, for formats whose gradient does not pass straight through.
#include "hone/ops/detail/quantizer.hpp"

namespace hone {
namespace {
namespace quantize_grad_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (t[0].dtype != DType::f32 || t[0].dims.empty() || !(t[0] == t[1]))
    fail_shapes("quantize_grad", "x and dy f32[R,...] of one shape", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  bind_quantizer(*call.attributes)
      ->gradient(call.in(0).as<float>(), call.in(1).as<float>(), call.out(0).as<float>(),
                 row_count(call.in(0)), row_size(call.in(0)));
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, Shape shape) {
    return OpSample{name,
                    {random_tensor(shape, 1), random_tensor(shape, 2)},
                    format_options("binary", ""),
                    {},
                    1e-12};
  };
  return {make("odd", {7, 19}), make("one row", {1, 128}), make("vector", {33}),
          make("no rows", {0, 8})};
}

}  // namespace quantize_grad_op
}  // namespace

Op op_quantize_grad() {
  using namespace quantize_grad_op;
  Op op{{"quantize_grad", "gradient of quantize where it is clipped", format_attributes()},
        2,
        2,
        {"x", "dy"},
        RowRule::rows,
        3};
  op.cheap = true;
  op.linear_rows = 2;
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
