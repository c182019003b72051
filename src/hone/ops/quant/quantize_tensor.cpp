// y = the numbers of a format that stand for x, where they depend on the whole tensor: a scale of
// the tensor, blocks of several rows, a vector.
#include "hone/ops/detail/quantizer.hpp"

namespace hone {
namespace {
namespace quantize_tensor_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (t[0].dtype != DType::f32 || t[0].dims.empty())
    fail_shapes("quantize_tensor", "x f32[...,C]", t);
  bind_quantizer(*t.attributes);
  return {t[0]};
}

void reference(const OpCall& call) {
  const Tensor y = bind_quantizer(*call.attributes)->quantize(call.in(0));
  std::copy(y.as<float>(), y.as<float>() + y.size(), call.out(0).as<float>());
}

std::vector<ValueId> gradient(const GradientCall& call) {
  if (!bind_quantizer(call.attributes())->has_gradient()) return {call.grad()};
  Options attributes = call.attributes();
  attributes.erase("slot");
  attributes.erase("rows");
  return {call.graph.apply("quantize_grad", {call.in(0), call.grad()}, attributes)};
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, Shape shape, const char* format, const char* options,
                       const char* rows = "last") {
    Options attributes = format_options(format, options);
    attributes.set("rows", std::string(rows));
    return OpSample{name, {random_tensor(std::move(shape), 1)}, std::move(attributes), {}, 1e-12};
  };
  return {make("vector", {19}, "integer", "width=8 frac_width=4"),
          make("one", {1}, "mxint", ""),
          make("empty", {0}, "integer", ""),
          make("vector in blocks", {70}, "mxint", ""),
          make("one scale", {7, 12}, "affine", "width=4 granularity=tensor"),
          make("boxes", {9, 37}, "block_fp", "block_size=4,16"),
          make("boxes of filters", {9, 5, 3, 2}, "block_fp", "block_size=4,16", "filters"),
          make("one scale of planes", {2, 3, 4, 5}, "affine", "granularity=tensor", "channels")};
}

}  // namespace quantize_tensor_op
}  // namespace

Op op_quantize_tensor() {
  using namespace quantize_tensor_op;
  std::vector<OptionSpec> options = format_attributes();
  options.push_back(slot_attribute());
  options.push_back(rows_attribute());
  Op op{{"quantize_tensor", "rounds a whole tensor to the numbers of a format", std::move(options)},
        1,
        1,
        {"x"}};
  op.straight_through = true;
  op.stands_for = 0;
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
