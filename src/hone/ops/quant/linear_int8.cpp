// y = x w^T + b on the codes of x (encode_int8) and of w (packed): linear(quantize(x),
// dequantize(codes, scales), b) with sums of whole numbers.
#include "hone/ops/detail/int8.hpp"

namespace hone {
namespace {
namespace linear_int8_op {

std::vector<ValueType> infer(const OpTypes& t) {
  const Shape shape = parse_shape(t.attributes->text("shape"));
  const Int8Product product = bind_int8(*t.attributes);
  const std::int64_t scales = scale_count(product.data_layout, shape[1]) + 1;
  const bool fits = t[0].dtype == DType::u8 && t[0].dims.size() == 2 && is_matrix(t[1]) &&
                    t[0].dims[1] == Dim(code_columns(shape[1])) && t[1].dims[1] == Dim(scales) &&
                    t[0].dims[0] == t[1].dims[0] &&
                    (!t.has(4) || (is_vector(t[4]) && t[4].dims[0] == Dim(shape[0])));
  if (!fits) fail_shapes("linear_int8", "codes u8[R,K], scales f32[R,S], packed w, b f32[N]", t);
  check_packed_types("linear_int8", t, 2);
  return {{DType::f32, {t[0].dims[0], Dim(shape[0])}}};
}

void reference(const OpCall& call) {
  const Int8Product product = bind_int8(*call.attributes);
  const Tensor w = product.weight->unpack(
      packed_tensor(*call.attributes, call.in(2), call.has(3) ? &call.in(3) : nullptr));
  const std::int64_t n = w.shape()[0];
  const std::int64_t k = w.shape()[1];
  const std::int64_t padded = row_size(call.in(0));
  const std::int64_t scales = row_size(call.in(1));
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const std::uint8_t* codes = call.in(0).as<std::uint8_t>() + r * padded;
    const float* scale = call.in(1).as<float>() + r * scales;
    const double zero = scale[scales - 1];
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = call.has(4) ? call.in(4).as<float>()[j] : 0.0;
      for (std::int64_t i = 0; i < k; ++i)
        sum += scale[product.data_block(i / product.block)] * (codes[i] - zero) *
               w.as<float>()[j * k + i];
      call.out(0).as<float>()[r * n + j] = static_cast<float>(sum);
    }
  }
}

double flop(const std::vector<Shape>& inputs, const Options& attributes) {
  const Shape shape = parse_shape(attributes.text("shape"));
  return 2.0 * static_cast<double>(inputs[0][0]) * static_cast<double>(shape[0] * shape[1]);
}

std::vector<OpSample> samples() {
  std::vector<OpSample> list;
  const auto add = [&](const char* name, std::int64_t r, std::int64_t k, std::int64_t n, bool bias,
                       const char* data, const char* data_options, const char* weight,
                       const char* weight_options) {
    const Options data_attributes = format_options(data, data_options);
    const Tensor x = random_tensor({r, k}, 1);
    std::vector<Tensor> encoded = evaluate_reference(find_op("encode_int8"), {&x}, data_attributes);
    PackedSample w = pack_sample(random_tensor({n, k}, 2), weight, weight_options);
    w.attributes.set("data_format", std::string(data));
    w.attributes.set("data_rule", std::string("exact"));
    w.attributes.set("data_options", std::string(data_options));
    OpSample sample{name, {encoded[0], encoded[1], w.codes, w.scales}, w.attributes, {}, 1e-5};
    sample.inputs.push_back(bias ? random_tensor({n}, 3) : Tensor());
    list.push_back(std::move(sample));
  };
  const char* fixed = "width=8 frac_width=5";
  add("integer", 7, 19, 5, true, "integer", fixed, "integer", fixed);
  add("one row", 1, 4, 3, false, "integer", fixed, "integer", "width=4");
  add("no rows", 0, 8, 8, true, "integer", fixed, "integer", fixed);
  add("wide", 65, 128, 200, true, "integer", fixed, "integer", fixed);
  add("unsigned", 9, 64, 16, true, "integer", "is_signed=false", "integer", fixed);
  add("blocks", 33, 96, 70, true, "mxint", "", "mxint", "");
  add("odd blocks", 5, 100, 33, true, "mxint", "block_size=16", "mxint", "");
  add("blocks and rows", 6, 64, 64, true, "affine", "", "block_fp", "width=6");
  add("rows", 13, 70, 33, true, "affine", "", "affine", "");
  add("zeros", 13, 70, 33, true, "affine", "symmetric=false", "affine", "symmetric=false");
  add("groups", 13, 64, 20, true, "affine", "", "affine",
      "width=4 granularity=group group_size=16");
  return list;
}

}  // namespace linear_int8_op
}  // namespace

Op op_linear_int8() {
  using namespace linear_int8_op;
  Op op{{"linear_int8", "y = x w^T + b on 8-bit codes", int8_attributes()},
        3,
        5,
        {"x", "x scales", "codes", "scales", "b"},
        RowRule::rows,
        3};
  op.infer = infer;
  op.reference = reference;
  op.flop = flop;
  op.samples = samples;
  return op;
}

}  // namespace hone
