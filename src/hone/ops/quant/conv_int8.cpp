// conv_channels_last(quantize(x), w, b, add) with sums of whole numbers: x [N,H,W,C] is rounded to
// 8-bit codes, a place a row, the filters w [O,C,KH,KW] are packed ones. x may be codes already,
// u8[N,H,W,C in whole fours], and y may be given as codes, for the convolution after this one.
#include <cstring>
#include <limits>

#include "hone/ops/detail/conv_int8.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace conv_int8_op {

std::vector<ValueType> infer(const OpTypes& t) {
  const ConvInt8 conv = bind_conv_int8(*t.attributes);
  const auto fail = [&] {
    fail_shapes("conv_int8",
                "x f32[N,H,W,C] or its codes u8 (a scale for all, C in whole fours), packed w of "
                "one group, b f32[O], add as y",
                t);
  };
  const bool codes = t[0].dtype == DType::u8 && conv.data_layout.fixed;
  if ((t[0].dtype != DType::f32 && !codes) || t[0].dims.size() != 4 ||
      !(t[0].dims[3] == Dim(codes ? conv.padded : conv.channels)))
    fail();
  if (t.has(3) && (!is_vector(t[3]) || !(t[3].dims[0] == Dim(conv.filters)))) fail();
  check_packed_types("conv_int8", t, 1);
  const Window window = window_of(*t.attributes, conv.kernel, "conv_int8");
  const std::vector<Dim> sizes = window_sizes({t[0].dims[1], t[0].dims[2]}, window, "conv_int8");
  const ValueType y{DType::f32, {t[0].dims[0], sizes[0], sizes[1], Dim(conv.filters)}};
  if (t.has(4) && !(t[4] == y)) fail();
  const GivenCodes given = bind_given_codes(*t.attributes);
  std::vector<ValueType> outputs;
  if (given.values) outputs.push_back(y);
  if (given.quantizer != nullptr) {
    outputs.push_back({DType::u8, y.dims});
    outputs.back().dims[3] = Dim(code_columns(conv.filters));
  }
  return outputs;
}

// What codes of x stand for.
Tensor decode(const ConvInt8& conv, const Tensor& codes) {
  Shape shape = codes.shape();
  shape[3] = conv.channels;
  Tensor x(DType::f32, shape);
  const std::int32_t zero = conv.zero;
  for (std::int64_t i = 0; i < x.size(); ++i)
    x.as<float>()[i] =
        conv.data_layout.scale *
        static_cast<float>(
            codes.as<std::uint8_t>()[i / conv.channels * conv.padded + i % conv.channels] - zero);
  return x;
}

void reference(const OpCall& call) {
  const ConvInt8 conv = bind_conv_int8(*call.attributes);
  const GivenCodes given = bind_given_codes(*call.attributes);
  const Tensor w = conv.weight->unpack(
      packed_tensor(*call.attributes, call.in(1), call.has(2) ? &call.in(2) : nullptr));
  const Tensor x =
      call.in(0).dtype() == DType::u8 ? decode(conv, call.in(0)) : conv.data->quantize(call.in(0));
  const Window window = window_of(*call.attributes, conv.kernel, "conv_int8");
  const bool relu = call.attributes->boolean("relu");
  const double high = call.attributes->real("high");
  const Shape& from = x.shape();
  Shape to = call.out(0).shape();
  to[3] = conv.filters;
  Tensor y(DType::f32, to);
  if (y.size() == 0) return;
  std::int64_t i = 0;
  Shape at(4, 0);
  do {
    double sum = call.has(3) ? call.in(3).as<float>()[at[3]] : 0.0;
    if (call.has(4)) sum += call.in(4).as<float>()[i];
    for (std::int64_t r = 0; r < conv.kernel[0]; ++r)
      for (std::int64_t s = 0; s < conv.kernel[1]; ++s) {
        const std::int64_t h = window_place(window, 0, at[1], r);
        const std::int64_t v = window_place(window, 1, at[2], s);
        if (h < 0 || h >= from[1] || v < 0 || v >= from[2]) continue;
        const float* place = x.as<float>() + ((at[0] * from[1] + h) * from[2] + v) * from[3];
        const float* weights =
            w.as<float>() + at[3] * element_count({from[3], conv.kernel[0], conv.kernel[1]});
        for (std::int64_t c = 0; c < from[3]; ++c)
          sum += static_cast<double>(place[c]) *
                 weights[(c * conv.kernel[0] + r) * conv.kernel[1] + s];
      }
    y.as<float>()[i++] = static_cast<float>(!relu ? sum : sum < 0 ? 0 : sum > high ? high : sum);
  } while (advance(at, to));
  if (given.values) std::memcpy(call.out(0).data(), y.data(), y.bytes());
  if (given.quantizer == nullptr) return;
  Tensor& codes = call.out(given.values ? 1 : 0);
  const std::int64_t padded = codes.shape()[3];
  encode_given(given, y.as<float>(), conv.filters, y.size() / conv.filters, conv.filters,
               codes.as<std::uint8_t>(), padded, padded);
}

double flop(const std::vector<Shape>& inputs, const Options& attributes) {
  const Shape w = parse_shape(attributes.text("shape"));
  const Window window = window_of(attributes, {w[2], w[3]}, "conv_int8");
  double places = static_cast<double>(inputs[0][0]);
  for (const Dim& size : window_sizes({Dim(inputs[0][1]), Dim(inputs[0][2])}, window, "conv_int8"))
    places *= static_cast<double>(size.offset);
  return 2.0 * places * static_cast<double>(element_count(w));
}

struct Case {
  const char* name;
  Shape x, w;
  const char *data, *data_options, *weight, *weight_options;
  Options attributes = {};
  Shape add = {};
  bool bias = true;
  bool codes = false;  // x is given as codes
};

OpSample sample_of(const Case& one) {
  const TensorRows rows =
      bind_quantizer(format_options(one.weight, one.weight_options))->by_elements()
          ? TensorRows::last
          : TensorRows::filters;
  const double scale = 1 / std::sqrt(static_cast<double>(one.w[1] * one.w[2] * one.w[3]));
  PackedSample w =
      pack_sample(random_tensor(one.w, 2, scale), one.weight, one.weight_options, rows);
  for (const auto& [name, value] : one.attributes.values()) w.attributes.set(name, value);
  w.attributes.set("data_format", std::string(one.data));
  w.attributes.set("data_rule", std::string("exact"));
  w.attributes.set("data_options", std::string(one.data_options));
  Tensor x = random_tensor(one.x, 1);
  if (one.codes) {
    const GivenCodes given = bind_given_codes({{"give_format", std::string(one.data)},
                                               {"give_rule", std::string("exact")},
                                               {"give_options", std::string(one.data_options)},
                                               {"give_values", false}});
    Shape shape = one.x;
    shape[3] = code_columns(one.x[3]);
    Tensor encoded(DType::u8, shape);
    encode_given(given, x.as<float>(), one.x[3], x.size() / one.x[3], one.x[3],
                 encoded.as<std::uint8_t>(), shape[3], shape[3]);
    x = encoded;
  }
  OpSample sample{one.name, {x, w.codes, w.scales}, w.attributes, {}, 1e-5};
  sample.inputs.push_back(one.bias ? random_tensor({one.w[0]}, 3) : Tensor());
  sample.inputs.push_back(one.add.empty() ? Tensor() : random_tensor(one.add, 4));
  return sample;
}

std::vector<OpSample> samples() {
  const auto text = [](const char* value) { return std::string(value); };
  const char *fixed = "width=8 frac_width=5", *fine = "width=8 frac_width=7";
  std::vector<OpSample> list;
  for (const Case& one : std::vector<Case>{
           {"three by three",
            {2, 7, 6, 16},
            {24, 16, 3, 3},
            "integer",
            fixed,
            "integer",
            fine,
            {{"pads", text("1,1,1,1")}, {"relu", true}},
            {2, 7, 6, 24}},
           {"few channels",
            {2, 15, 14, 3},
            {16, 3, 7, 7},
            "integer",
            fixed,
            "affine",
            "",
            {{"pads", text("3,3,3,3")}, {"strides", text("2,2")}}},
           {"strided",
            {1, 9, 9, 20},
            {70, 20, 3, 3},
            "affine",
            "scale=0.03",
            "affine",
            "",
            {{"strides", text("2,2")}, {"pads", text("1,0,1,2")}, {"relu", true}, {"high", 0.25}},
            {},
            false},
           {"one by one",
            {2, 5, 4, 37},
            {6, 37, 1, 1},
            "affine",
            "scale=0.03 zero_point=20 symmetric=false",
            "affine",
            "",
            {},
            {2, 5, 4, 6}},
           {"one by one, strided",
            {3, 7, 7, 8},
            {64, 8, 1, 1},
            "integer",
            fixed,
            "integer",
            fine,
            {{"strides", text("2,2")}}},
           {"unsigned",
            {1, 8, 8, 64},
            {130, 64, 3, 3},
            "integer",
            "is_signed=false frac_width=6",
            "affine",
            "",
            {{"pads", text("1,1,1,1")}}},
           {"a scale a place",
            {1, 6, 5, 12},
            {20, 12, 3, 3},
            "affine",
            "",
            "affine",
            "",
            {{"pads", text("1,1,1,1")}, {"dilations", text("2,1")}}},
           {"blocks",
            {2, 4, 5, 64},
            {33, 64, 3, 3},
            "mxint",
            "",
            "mxint",
            "",
            {{"pads", text("1,1,1,1")}}},
           {"blocks of the weight",
            {1, 4, 5, 32},
            {9, 32, 2, 2},
            "integer",
            fixed,
            "mxint",
            "block_size=16",
            {{"pads", text("0,0,1,1")}}},
           {"codes to codes",
            {2, 6, 9, 22},
            {36, 22, 3, 3},
            "integer",
            fixed,
            "integer",
            fine,
            {{"pads", text("1,1,1,1")},
             {"relu", true},
             {"give_format", text("integer")},
             {"give_options", text("width=8 frac_width=5")},
             {"give_values", false}},
            {},
            true,
            true},
           {"codes where they lie, to values and codes",
            {2, 5, 7, 64},
            {34, 64, 1, 1},
            "affine",
            "scale=0.03 zero_point=20 symmetric=false",
            "affine",
            "",
            {{"give_format", text("affine")},
             {"give_options", text("scale=0.02 zero_point=90 symmetric=false")}},
            {2, 5, 7, 34},
            true,
            true},
           {"a row in tiles",
            {1, 3, 35, 32},
            {50, 32, 3, 3},
            "integer",
            fixed,
            "integer",
            fine,
            {{"pads", text("1,1,1,1")}},
            {1, 3, 35, 50}},
           {"many tiles of places",
            {2, 13, 18, 22},
            {40, 22, 3, 3},
            "affine",
            "scale=0.03 zero_point=20 symmetric=false",
            "affine",
            "",
            {{"pads", text("1,1,1,1")},
             {"relu", true},
             {"high", 3.0},
             {"give_format", text("affine")},
             {"give_options", text("scale=0.02 zero_point=90 symmetric=false")}},
            {2, 13, 18, 40},
            true,
            true},
           {"a row of many tiles, to codes",
            {1, 4, 230, 17},
            {16, 17, 3, 3},
            "integer",
            fixed,
            "integer",
            fine,
            {{"pads", text("1,1,1,1")},
             {"give_format", text("integer")},
             {"give_options", text("width=8 frac_width=5")},
             {"give_values", false}}},
           {"no planes", {0, 4, 4, 8}, {8, 8, 3, 3}, "integer", fixed, "integer", fine}})
    list.push_back(sample_of(one));
  return list;
}

}  // namespace conv_int8_op
}  // namespace

Op op_conv_int8() {
  using namespace conv_int8_op;
  Op op{
      {"conv_int8", "convolution, bias, addition and relu on 8-bit codes", conv_int8_attributes()},
      2,
      5,
      {"x", "codes", "scales", "b", "add"}};
  op.infer = infer;
  op.reference = reference;
  op.flop = flop;
  op.samples = samples;
  return op;
}

}  // namespace hone
