// ONNX ops that work element by element, with numpy's broadcasting.
#include <cctype>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

using Convert = void (*)(OnnxCall& call);

// One op of hone's, whose attributes are ONNX's of the same name.
OnnxOp same(const char* name, const char* op, std::int64_t since = 1) {
  return make_onnx_op(
      name, op, [op](OnnxCall& call) { call.out(0, call.apply(op, {call.in(0)})); }, since);
}

// The same with real attributes and their ONNX defaults.
OnnxOp with_reals(const char* name, const char* op,
                  std::vector<std::pair<std::string, double>> reals, std::int64_t since = 1) {
  return make_onnx_op(
      name, op,
      [op, reals = std::move(reals)](OnnxCall& call) {
        Options attributes;
        for (const auto& [key, otherwise] : reals) attributes.set(key, call.real(key, otherwise));
        call.out(0, call.apply(op, {call.in(0)}, attributes));
      },
      since);
}

// Of sizes that only a run knows: arithmetic on their names.
bool convert_sizes(OnnxCall& call, const std::string& op) {
  if (call.count() != 2 || (!call.is_symbolic(0) && !call.is_symbolic(1))) return false;
  const auto a = call.find_sizes(0), b = call.find_sizes(1);
  if (!a || !b) return false;
  const std::size_t count = std::max(a->size(), b->size());
  if ((a->size() != 1 && a->size() != count) || (b->size() != 1 && b->size() != count))
    return false;
  std::vector<Dim> result;
  for (std::size_t i = 0; i < count; ++i) {
    const Dim& x = (*a)[a->size() == 1 ? 0 : i];
    const Dim& y = (*b)[b->size() == 1 ? 0 : i];
    if (op == "add")
      result.push_back(add(x, y));
    else if (op == "sub")
      result.push_back(subtract(x, y));
    else if (op == "mul")
      result.push_back(multiply(x, y));
    else if (op == "div" && y.is_fixed() && y.offset > 0)
      result.push_back(divide_down(x, y.offset));
    else if (op == "maximum" || op == "minimum") {
      const bool first = is_at_least(subtract(x, y), 0), second = is_at_least(subtract(y, x), 0);
      if (!first && !second) return false;
      result.push_back((op == "maximum") == first ? x : y);
    } else if (op == "equal") {
      const std::optional<bool> same = are_equal(x, y);
      if (!same) return false;
      result.push_back(*same ? 1 : 0);
    } else
      return false;
  }
  if (op == "equal") {
    Tensor truth(DType::boolean, call.is_number(0) && call.is_number(1)
                                     ? Shape{}
                                     : Shape{static_cast<std::int64_t>(count)});
    for (std::size_t i = 0; i < count; ++i)
      set_integer(truth, static_cast<std::int64_t>(i), result[i].offset);
    call.out(0, truth);
    return true;
  }
  call.out_sizes(0, std::move(result), call.is_number(0) && call.is_number(1));
  return true;
}

// Before operator set 7 input 1 is repeated only where the attribute broadcast says so; its
// dimensions stand for those of input 0 from `axis` on, or for the last ones.
std::pair<ValueId, ValueId> both(OnnxCall& call) {
  if (call.opset() >= 7) return call.broadcast(call.in(0), call.in(1));
  const bool repeated = call.integer("broadcast", 0) != 0;
  const std::vector<Dim> left = call.type(0).dims;
  std::vector<Dim> right = call.type(1).dims;
  if (call.has_attribute("axis")) {
    const std::int64_t axis = call.axis(call.integer("axis"), left.size());
    if (repeated)
      while (right.size() + static_cast<std::size_t>(axis) < left.size()) right.emplace_back(1);
  }
  if (!repeated && !(left == right))
    call.fail(
        fmt::format("[{}] and [{}] differ, and broadcast is 0", to_string(left), to_string(right)));
  return {call.in(0), call.expanded(call.reshaped(call.in(1), right), left)};
}

OnnxOp two(const char* name, const char* op) {
  return make_onnx_op(name, op, [op](OnnxCall& call) {
    if (convert_sizes(call, op)) return;
    const auto [a, b] = both(call);
    call.out(0, call.apply(op, {a, b}));
  });
}

// Any number of inputs, joined one after the other.
OnnxOp many(const char* name, const char* op, bool mean) {
  return make_onnx_op(name, op, [op, mean](OnnxCall& call) {
    if (!mean && convert_sizes(call, op)) return;
    std::vector<Dim> dims = call.type(0).dims;
    for (std::size_t i = 1; i < call.count(); ++i)
      dims = call.broadcast_dims(dims, call.type(i).dims);
    ValueId all = call.expanded(call.in(0), dims);
    for (std::size_t i = 1; i < call.count(); ++i)
      all = call.apply(op, {all, call.expanded(call.in(i), dims)});
    if (mean)
      all = call.apply("div", {all, call.number(static_cast<double>(call.count()),
                                                call.graph().type(all).dtype, dims)});
    call.out(0, all);
  });
}

void convert_pow(OnnxCall& call) {
  if (call.opset() < 7) {
    const auto [base, exponent] = both(call);
    call.out(0, call.apply("pow", {base, exponent}));
    return;
  }
  const DType dtype = call.type(0).dtype;
  ValueId a = call.in(0), b = call.in(1);
  if (call.type(1).dtype != dtype || !is_real(dtype)) {
    a = call.cast(a, DType::f64);
    b = call.cast(b, DType::f64);
  }
  const auto [left, right] = call.broadcast(a, b);
  call.out(0, call.cast(call.apply("pow", {left, right}), dtype));
}

void convert_mod(OnnxCall& call) {
  const bool c = call.integer("fmod", 0) != 0;
  const auto [a, b] = call.broadcast(call.in(0), call.in(1));
  call.out(0, call.apply(c ? "fmod" : "mod", {a, b}));
}

void convert_shift(OnnxCall& call) {
  const std::string direction = call.text("direction");
  if (direction != "LEFT" && direction != "RIGHT")
    call.fail("attribute 'direction' is LEFT or RIGHT");
  const auto [a, b] = call.broadcast(call.in(0), call.in(1));
  call.out(0, call.apply(direction == "LEFT" ? "shift_left" : "shift_right", {a, b}));
}

ValueId logical_not(OnnxCall& call, ValueId x) {
  const ValueId ones = call.number(1, DType::boolean, call.graph().type(x).dims);
  return call.apply("xor", {x, ones});
}

void convert_bitwise_not(OnnxCall& call) {
  const ValueId ones = call.number(0, call.type(0).dtype, call.type(0).dims);
  const ValueId all =
      call.apply("sub", {ones, call.number(1, call.type(0).dtype, call.type(0).dims)});
  call.out(0, call.apply("bit_xor", {call.in(0), all}));
}

// Among sizes, by a condition that is known.
bool choose_sizes(OnnxCall& call) {
  if (call.constant(0) == nullptr || (!call.is_symbolic(1) && !call.is_symbolic(2))) return false;
  const auto a = call.find_sizes(1), b = call.find_sizes(2);
  const Tensor& condition = *call.constant(0);
  if (!a || !b || condition.shape().size() > 1) return false;
  const auto count = static_cast<std::size_t>(condition.size());
  const std::size_t longest = std::max({count, a->size(), b->size()});
  for (const std::size_t own : {count, a->size(), b->size()})
    if (own != 1 && own != longest) return false;
  std::vector<Dim> chosen;
  for (std::size_t i = 0; i < longest; ++i) {
    const bool truth = integer_at(condition, static_cast<std::int64_t>(count == 1 ? 0 : i)) != 0;
    const std::vector<Dim>& from = truth ? *a : *b;
    chosen.push_back(from[from.size() == 1 ? 0 : i]);
  }
  call.out_sizes(0, std::move(chosen),
                 condition.shape().empty() && call.is_number(1) && call.is_number(2));
  return true;
}

void convert_where(OnnxCall& call) {
  if (choose_sizes(call)) return;
  const std::vector<Dim> dims = call.broadcast_dims(
      call.broadcast_dims(call.type(0).dims, call.type(1).dims), call.type(2).dims);
  call.out(0, call.apply("where", {call.expanded(call.in(0), dims), call.expanded(call.in(1), dims),
                                   call.expanded(call.in(2), dims)}));
}

std::int64_t number_of_onnx_type(OnnxCall& call, std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (std::int64_t number = 1; number <= 16; ++number)
    if (name_of_onnx_dtype(number) == name) return number;
  call.fail("attribute 'to' is no element type");
}

void cast_to(OnnxCall& call, DType dtype) {
  if (call.is_symbolic(0) && (dtype == DType::i64 || dtype == DType::i32)) {
    call.out_sizes(0, *call.find_sizes(0), call.is_number(0));
    return;
  }
  call.out(0, call.cast(call.in(0), dtype));
}

void convert_cast(OnnxCall& call) {
  // (A name before operator set 6.)
  const std::int64_t to =
      call.opset() < 6 ? number_of_onnx_type(call, call.text("to")) : call.integer("to");
  call.ignore("saturate");  // of 8-bit floats alone
  const auto dtype = dtype_of_onnx(to);
  if (!dtype) call.refuse("casts to " + name_of_onnx_dtype(to));
  cast_to(call, *dtype);
}

void convert_cast_like(OnnxCall& call) {
  call.ignore("saturate");
  cast_to(call, call.type(1).dtype);
}

void convert_bit_cast(OnnxCall& call) {
  const std::int64_t to = call.integer("to");
  const auto dtype = dtype_of_onnx(to);
  if (!dtype) call.refuse("casts to " + name_of_onnx_dtype(to));
  call.out(0, call.apply("bit_cast", {call.in(0)}, {{"to", std::string(name_of(*dtype))}}));
}

void convert_identity(OnnxCall& call) {
  if (call.is_symbolic(0)) {
    call.out_sizes(0, *call.find_sizes(0), call.is_number(0));
    return;
  }
  call.out(0, call.in(0));
}

// Of inference, or of training where nothing is dropped.
void convert_dropout(OnnxCall& call) {
  for (const char* name : {"ratio", "seed", "is_test"}) call.ignore(name);
  if (call.has(2)) {
    const Tensor *training = call.constant(2), *ratio = call.constant(1);
    const bool inference = training != nullptr && integer_at(*training, 0) == 0;
    const bool nothing = call.has(1) && ratio != nullptr && real_at(*ratio, 0) == 0;
    if (!inference && !nothing) call.refuse("it is of training", "export the model for inference");
  }
  call.out(0, call.in(0));
  if (call.node().outputs.size() > 1)
    call.out(1, call.number(1, DType::boolean, call.type(0).dims));
}

// Bounds as attributes (to operator set 10) or as inputs.
void convert_clip(OnnxCall& call) {
  const DType dtype = call.type(0).dtype;
  const std::vector<Dim> dims = call.type(0).dims;
  ValueId y = call.in(0);
  const auto bound = [&](std::size_t i, const char* attribute) -> ValueId {
    if (call.opset() < 11) {
      if (!call.has_attribute(attribute)) return none;
      return call.number(call.real(attribute), dtype, dims);
    }
    return call.has(i) ? call.expanded(call.in(i), dims) : ValueId(none);
  };
  if (const ValueId low = bound(1, "min"); low != none) y = call.apply("maximum", {y, low});
  if (const ValueId high = bound(2, "max"); high != none) y = call.apply("minimum", {y, high});
  call.out(0, y);
}

void convert_prelu(OnnxCall& call) {
  const ValueId x = call.in(0);
  const std::vector<Dim> dims = call.type(0).dims;
  // (One of each channel, before operator set 7.)
  std::vector<Dim> own = call.type(1).dims;
  if (call.opset() < 7 && own.size() == 1 && dims.size() > 1 && own[0] == dims[1])
    own.resize(dims.size() - 1, Dim(1));
  const ValueId slope = call.expanded(call.reshaped(call.in(1), own), dims);
  const ValueId zero = call.number(0, call.type(0).dtype, dims);
  const ValueId below = call.apply("less", {x, zero});
  call.out(0, call.apply("where", {below, call.apply("mul", {x, slope}), x}));
}

void convert_hard_swish(OnnxCall& call) {
  const ValueId x = call.in(0);
  const ValueId gate = call.apply("hard_sigmoid", {x}, {{"alpha", 1.0 / 6.0}, {"beta", 0.5}});
  call.out(0, call.apply("mul", {x, gate}));
}

void convert_swish(OnnxCall& call) {
  const ValueId x = call.in(0);
  const ValueId inner = call.apply("scale", {x}, {{"factor", call.real("alpha", 1.0)}});
  call.out(0, call.apply("mul", {x, call.apply("sigmoid", {inner})}));
}

void convert_swiglu(OnnxCall& call) {
  const ValueId x = call.in(0);
  const ValueId inner = call.apply("scale", {x}, {{"factor", call.real("alpha", 1.0)}});
  const ValueId gate = call.apply("mul", {x, call.apply("sigmoid", {inner})});
  call.out(0, call.apply("mul", {gate, call.in(1)}));
}

void convert_gelu(OnnxCall& call) {
  const std::string form = call.text("approximate", "none");
  const ValueId x = call.in(0);
  ValueId inner;
  if (form == "none") {
    inner = call.apply("erf", {call.apply("scale", {x}, {{"factor", std::sqrt(0.5)}})});
  } else {
    const ValueId cube = call.apply("mul", {x, call.apply("mul", {x, x})});
    const ValueId sum = call.apply("add", {x, call.apply("scale", {cube}, {{"factor", 0.044715}})});
    inner = call.apply("tanh",
                       {call.apply("scale", {sum}, {{"factor", std::sqrt(2 / std::acos(-1.0))}})});
  }
  const ValueId gate = call.apply("offset", {inner}, {{"by", 1.0}});
  call.out(0, call.apply("scale", {call.apply("mul", {x, gate})}, {{"factor", 0.5}}));
}

void convert_is_nan(OnnxCall& call) {
  call.out(0, logical_not(call, call.apply("equal", {call.in(0), call.in(0)})));
}

void convert_is_inf(OnnxCall& call) {
  const bool up = call.integer("detect_positive", 1) != 0;
  const bool down = call.integer("detect_negative", 1) != 0;
  const double infinity = std::numeric_limits<double>::infinity();
  const ValueId x = call.in(0);
  const ValueType type = call.type(0);
  const auto is = [&](double value) {
    return call.apply("equal", {x, call.number(value, type.dtype, type.dims)});
  };
  if (up && down)
    call.out(0, call.apply("or", {is(infinity), is(-infinity)}));
  else if (up || down)
    call.out(0, is(up ? infinity : -infinity));
  else
    call.out(0, call.number(0, DType::boolean, call.type(0).dims));
}

}  // namespace

std::vector<OnnxOp> onnx_elementwise_family() {
  std::vector<OnnxOp> ops;
  for (const auto& [name, op] : std::initializer_list<std::pair<const char*, const char*>>{
           {"Abs", "abs"},           {"Acos", "acos"},
           {"Acosh", "acosh"},       {"Asin", "asin"},
           {"Asinh", "asinh"},       {"Atan", "atan"},
           {"Atanh", "atanh"},       {"Ceil", "ceil"},
           {"Cos", "cos"},           {"Cosh", "cosh"},
           {"Erf", "erf"},           {"Exp", "exp"},
           {"Floor", "floor"},       {"Log", "log"},
           {"Neg", "neg"},           {"Reciprocal", "reciprocal"},
           {"Relu", "relu"},         {"Round", "round"},
           {"Sigmoid", "sigmoid"},   {"Sign", "sign"},
           {"Sin", "sin"},           {"Sinh", "sinh"},
           {"Softplus", "softplus"}, {"Softsign", "softsign"},
           {"Sqrt", "sqrt"},         {"Tan", "tan"},
           {"Tanh", "tanh"},         {"Mish", "mish"}})
    ops.push_back(same(name, op));
  for (const auto& [name, op] : std::initializer_list<std::pair<const char*, const char*>>{
           {"Add", "add"},
           {"Sub", "sub"},
           {"Mul", "mul"},
           {"Div", "div"},
           {"And", "and"},
           {"Or", "or"},
           {"Xor", "xor"},
           {"Equal", "equal"},
           {"Less", "less"},
           {"Greater", "greater"},
           {"LessOrEqual", "less_equal"},
           {"GreaterOrEqual", "greater_equal"},
           {"BitwiseAnd", "bit_and"},
           {"BitwiseOr", "bit_or"},
           {"BitwiseXor", "bit_xor"}})
    ops.push_back(two(name, op));
  const std::vector<OnnxOp> others{
      with_reals("LeakyRelu", "leaky_relu", {{"alpha", 0.01}}),
      with_reals("Elu", "elu", {{"alpha", 1.0}}),
      with_reals("Celu", "celu", {{"alpha", 1.0}}),
      with_reals("Selu", "selu",
                 {{"alpha", 1.67326319217681884765625}, {"gamma", 1.05070102214813232421875}}),
      with_reals("HardSigmoid", "hard_sigmoid", {{"alpha", 0.2}, {"beta", 0.5}}),
      with_reals("ThresholdedRelu", "thresholded_relu", {{"alpha", 1.0}}),
      with_reals("Shrink", "shrink", {{"lambd", 0.5}, {"bias", 0.0}}),
      many("Max", "maximum", false),
      many("Min", "minimum", false),
      many("Sum", "add", false),
      many("Mean", "add", true),
      make_onnx_op("Pow", "a power", convert_pow),
      make_onnx_op("Mod", "what is left of a quotient", convert_mod),
      make_onnx_op("BitShift", "moved bits", convert_shift),
      make_onnx_op("BitwiseNot", "the other bits", convert_bitwise_not),
      make_onnx_op("Not", "the opposite",
                   [](OnnxCall& call) { call.out(0, logical_not(call, call.in(0))); }),
      make_onnx_op("Where", "one or the other", convert_where),
      make_onnx_op("Cast", "another element type", convert_cast),
      make_onnx_op("CastLike", "the element type of another", convert_cast_like),
      make_onnx_op("BitCast", "the same bits", convert_bit_cast),
      make_onnx_op("Identity", "the same", convert_identity),
      make_onnx_op("Dropout", "the same: of inference", convert_dropout),
      make_onnx_op("Clip", "between bounds", convert_clip),
      make_onnx_op("PRelu", "with a slope below 0", convert_prelu),
      make_onnx_op("HardSwish", "x hard_sigmoid(x)", convert_hard_swish),
      make_onnx_op("Swish", "x sigmoid(alpha x)", convert_swish),
      make_onnx_op("SwiGLU", "a sigmoid(alpha a) b", convert_swiglu),
      make_onnx_op("Gelu", "x times the normal distribution", convert_gelu),
      make_onnx_op("IsNaN", "whether it is NaN", convert_is_nan),
      make_onnx_op("IsInf", "whether it is infinite", convert_is_inf)};
  ops.insert(ops.end(), others.begin(), others.end());
  return ops;
}

}  // namespace hone
