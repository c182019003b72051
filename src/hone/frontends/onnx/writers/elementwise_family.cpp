// hone's ops that work element by element, as ONNX's.
#include <algorithm>
#include <cmath>

#include "hone/frontends/onnx/onnx_builder.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

OnnxOpWriter same_op(const char* op, const char* name, std::int64_t since = 1) {
  return make_onnx_writer(op, name, [name, since](OnnxExportCall& call) {
    call.out(0, call.add(name, call.broadcast(), {}, since));
  });
}

OnnxOpWriter same_reals(const char* op, const char* name, std::vector<std::string> reals) {
  return make_onnx_writer(op, name, [name, reals = std::move(reals)](OnnxExportCall& call) {
    OnnxAttributes attributes;
    for (const std::string& key : reals) attributes[key] = onnx_value(call.attributes().real(key));
    call.out(0, call.add(name, {call.in(0)}, attributes));
  });
}

// x and a number.
OnnxOpWriter by_number(const char* op, const char* name, const char* attribute) {
  return make_onnx_writer(op, name, [name, attribute](OnnxExportCall& call) {
    const std::string by = call.number(call.attributes().real(attribute), call.type(0).dtype);
    call.out(0, call.add(name, {call.in(0), by}));
  });
}

void write_clip(OnnxExportCall& call) {
  const DType dtype = call.type(0).dtype;
  call.out(0, call.add("Clip", {call.in(0), call.number(call.attributes().real("low"), dtype),
                                call.number(call.attributes().real("high"), dtype)}));
}

// hone's casts of real numbers to integers saturate; of ONNX's, what is out of range is not defined
// (ONNX Runtime wraps). So they are bounded before, in a type that has the bounds.
std::string bounded_for(OnnxExportCall& call, DType to) {
  const auto bits = static_cast<int>(8 * size_of(to));
  const bool is_signed = to != DType::u8 && to != DType::u32;
  const double low = is_signed ? -std::ldexp(1.0, bits - 1) : 0;
  double high = std::ldexp(1.0, is_signed ? bits - 1 : bits);
  // (The largest 64-bit integer is no double.)
  high = bits == 64 ? std::nextafter(high, 0) : high - 1;
  const DType from = call.type(0).dtype;
  const DType within = bits > 16 || from == DType::f64 ? DType::f64 : DType::f32;
  std::string x = call.in(0);
  if (from != within) x = call.add("Cast", {x}, {{"to", onnx_value(onnx_number_of(within))}});
  return call.add("Clip", {x, call.number(low, within), call.number(high, within)});
}

void write_cast(OnnxExportCall& call) {
  const DType to = call.result_type().dtype;
  const bool saturates = is_real(call.type(0).dtype) && is_integer(to);
  call.out(0, call.add("Cast", {saturates ? bounded_for(call, to) : call.in(0)},
                       {{"to", onnx_value(onnx_number_of(to))}}));
}

void write_bit_cast(OnnxExportCall& call) {
  const std::int64_t to = onnx_number_of(call.result_type().dtype);
  call.out(0, call.add("BitCast", {call.in(0)}, {{"to", onnx_value(to)}}, 26));
}

OnnxOpWriter write_shift(const char* op, const char* direction) {
  return make_onnx_writer(op, "BitShift", [direction](OnnxExportCall& call) {
    call.out(0, call.add("BitShift", call.broadcast(),
                         {{"direction", onnx_value(std::string(direction))}}));
  });
}

OnnxOpWriter write_remainder(const char* op, bool c) {
  return make_onnx_writer(op, "Mod", [c](OnnxExportCall& call) {
    call.out(0, call.add("Mod", call.broadcast(), {{"fmod", onnx_value(std::int64_t{c ? 1 : 0})}}));
  });
}

// By Gelu, or before it was there by what it is.
void write_gelu(OnnxExportCall& call) {
  const std::string form = call.attributes().text_or("approximate", "none");
  const std::string x = call.in(0);
  if (call.opset() >= 20)
    return call.out(0, call.add("Gelu", {x}, {{"approximate", onnx_value(form)}}, 20));
  const auto number = [&](double value) { return call.number(value, DType::f32); };
  std::string inner;
  if (form == "none") {
    inner = call.add("Erf", {call.add("Mul", {x, number(0.70710678118654752)})});
  } else {
    const std::string cube = call.add("Mul", {x, call.add("Mul", {x, x})});
    const std::string sum = call.add("Add", {x, call.add("Mul", {cube, number(0.044715)})});
    inner = call.add("Tanh", {call.add("Mul", {sum, number(0.79788456080286536)})});
  }
  const std::string gate = call.add("Add", {inner, number(1)});
  call.out(0, call.add("Mul", {call.add("Mul", {x, gate}), number(0.5)}));
}

// Of a value that only a run knows: a masked weight is an initializer.
void write_mask(OnnxExportCall& call) {
  const std::string keep =
      call.add("Cast", {call.in(1)}, {{"to", onnx_value(onnx_number_of(DType::boolean))}});
  call.out(0, call.add("Where", {keep, call.in(0), call.number(0, DType::f32)}));
}

// A product of matrices and what is added to each of its rows: one Gemm.
bool write_gemm(OnnxExportCall& call) {
  if (call.result_type().dims.size() != 2) return false;
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    const Node* product = call.graph().producer(call.id(i), "batch_matmul");
    const Node* repeated = call.graph().producer(call.id(1 - i), "expand");
    if (product == nullptr || repeated == nullptr || call.result_type().dtype != DType::f32 ||
        call.builder().reader_count(call.id(i)) != 1)
      continue;
    const auto a = call.operand(product->inputs[0]), b = call.operand(product->inputs[1]);
    call.out(0, call.add("Gemm", {a.name, b.name, call.builder().name_of(repeated->inputs[0])},
                         {{"transA", onnx_value(a.is_transposed)},
                          {"transB", onnx_value(b.is_transposed)}}));
    return true;
  }
  return false;
}

void write_add(OnnxExportCall& call) {
  if (!write_gemm(call)) call.out(0, call.add("Add", call.broadcast()));
}

// exp(x - max) / sum over axes, as imports make it of Softmax.
bool write_softmax(OnnxExportCall& call) {
  const Node* powers = call.graph().producer(call.id(0), "exp");
  const Node* repeated = call.graph().producer(call.id(1), "expand");
  const Node* sum =
      repeated == nullptr ? nullptr : call.graph().producer(repeated->inputs[0], "sum");
  if (powers == nullptr || sum == nullptr || sum->inputs[0] != call.id(0) ||
      !sum->attributes.boolean("keep"))
    return false;
  const Node* shifted = call.graph().producer(powers->inputs[0], "sub");
  const Node* largest =
      shifted == nullptr ? nullptr : call.graph().producer(shifted->inputs[1], "expand");
  const Node* max = largest == nullptr ? nullptr : call.graph().producer(largest->inputs[0], "max");
  const std::string& axes = sum->attributes.text("axes");
  if (max == nullptr || max->inputs[0] != shifted->inputs[0] ||
      max->attributes.text("axes") != axes || axes.empty() || axes.find(',') != std::string::npos)
    return false;
  const std::int64_t axis = std::stoll(axes);
  call.out(0, call.add("Softmax", {call.builder().name_of(shifted->inputs[0])},
                       {{"axis", onnx_value(axis)}}));
  return true;
}

void write_div(OnnxExportCall& call) {
  if (!write_softmax(call)) call.out(0, call.add("Div", call.broadcast()));
}

}  // namespace

std::vector<OnnxOpWriter> onnx_writer_elementwise_family() {
  std::vector<OnnxOpWriter> writers;
  for (const auto& [op, name] : std::initializer_list<std::pair<const char*, const char*>>{
           {"abs", "Abs"},
           {"acos", "Acos"},
           {"acosh", "Acosh"},
           {"and", "And"},
           {"asin", "Asin"},
           {"asinh", "Asinh"},
           {"atan", "Atan"},
           {"atanh", "Atanh"},
           {"ceil", "Ceil"},
           {"cos", "Cos"},
           {"cosh", "Cosh"},
           {"equal", "Equal"},
           {"erf", "Erf"},
           {"exp", "Exp"},
           {"floor", "Floor"},
           {"greater", "Greater"},
           {"greater_equal", "GreaterOrEqual"},
           {"less", "Less"},
           {"less_equal", "LessOrEqual"},
           {"log", "Log"},
           {"maximum", "Max"},
           {"minimum", "Min"},
           {"mul", "Mul"},
           {"neg", "Neg"},
           {"or", "Or"},
           {"pow", "Pow"},
           {"reciprocal", "Reciprocal"},
           {"relu", "Relu"},
           {"round", "Round"},
           {"sigmoid", "Sigmoid"},
           {"sign", "Sign"},
           {"sin", "Sin"},
           {"sinh", "Sinh"},
           {"softplus", "Softplus"},
           {"softsign", "Softsign"},
           {"sqrt", "Sqrt"},
           {"sub", "Sub"},
           {"tan", "Tan"},
           {"tanh", "Tanh"},
           {"where", "Where"},
           {"xor", "Xor"}})
    writers.push_back(same_op(op, name));
  for (const auto& [op, name] :
       std::initializer_list<std::pair<const char*, const char*>>{{"bit_and", "BitwiseAnd"},
                                                                  {"bit_or", "BitwiseOr"},
                                                                  {"bit_xor", "BitwiseXor"},
                                                                  {"mish", "Mish"}})
    writers.push_back(same_op(op, name, 18));
  for (OnnxOpWriter writer :
       std::vector<OnnxOpWriter>{same_reals("celu", "Celu", {"alpha"}),
                                 same_reals("elu", "Elu", {"alpha"}),
                                 same_reals("hard_sigmoid", "HardSigmoid", {"alpha", "beta"}),
                                 same_reals("leaky_relu", "LeakyRelu", {"alpha"}),
                                 same_reals("selu", "Selu", {"alpha", "gamma"}),
                                 same_reals("shrink", "Shrink", {"bias", "lambd"}),
                                 same_reals("thresholded_relu", "ThresholdedRelu", {"alpha"}),
                                 by_number("scale", "Mul", "factor"),
                                 by_number("offset", "Add", "by"),
                                 write_shift("shift_left", "LEFT"),
                                 write_shift("shift_right", "RIGHT"),
                                 write_remainder("mod", false),
                                 write_remainder("fmod", true),
                                 make_onnx_writer("add", "Add, or Gemm", write_add),
                                 make_onnx_writer("bit_cast", "BitCast", write_bit_cast),
                                 make_onnx_writer("cast", "Cast", write_cast),
                                 make_onnx_writer("clip", "Clip", write_clip),
                                 make_onnx_writer("div", "Div, or Softmax", write_div),
                                 make_onnx_writer("gelu", "Gelu", write_gelu),
                                 make_onnx_writer("mask", "Where", write_mask)})
    writers.push_back(std::move(writer));
  return writers;
}

}  // namespace hone
