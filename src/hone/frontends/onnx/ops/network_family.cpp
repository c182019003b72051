// ONNX ops of networks: products, convolutions, pooling, norms, softmax.
#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_window.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

// numpy's product: vectors get a dimension of size 1 that goes again.
ValueId product_of(OnnxCall& call, ValueId a, ValueId b) {
  std::vector<Dim> left = call.dims(a), right = call.dims(b);
  if (left.empty() || right.empty()) call.fail("a product of numbers without dimensions");
  const bool row = left.size() == 1, column = right.size() == 1;
  if (row) a = call.reshaped(a, {1, left[0]});
  if (column) b = call.reshaped(b, {right[0], 1});
  left = call.dims(a);
  right = call.dims(b);
  const std::vector<Dim> front =
      call.broadcast_dims({left.begin(), left.end() - 2}, {right.begin(), right.end() - 2});
  const auto with = [&](const std::vector<Dim>& own) {
    std::vector<Dim> dims = front;
    dims.insert(dims.end(), own.end() - 2, own.end());
    return dims;
  };
  const ValueId y =
      call.apply("batch_matmul", {call.expanded(a, with(left)), call.expanded(b, with(right))});
  std::vector<Dim> dims = call.dims(y);
  if (column) dims.pop_back();
  if (row) dims.erase(dims.end() - (column ? 1 : 2));
  return call.reshaped(y, dims);
}

// With a trained matrix it is a layer, whatever the dimensions before the last are: what takes
// formats, masks and adapters.
void convert_matmul(OnnxCall& call) {
  const ValueType x = call.type(0);
  if (x.dtype == DType::f32 && x.dims.size() >= 2 && call.count() == 2)
    if (const ValueId w = call.turned_weight(1); w != none) {
      std::vector<Dim> dims = x.dims;
      if (!(dims.back() == call.dims(w)[1])) call.fail("its matrices do not fit");
      const Dim rows = product(std::span<const Dim>(dims).first(dims.size() - 1));
      const ValueId y = call.apply("linear", {call.reshaped(call.in(0), {rows, dims.back()}), w});
      dims.back() = call.dims(w)[0];
      return call.out(0, call.reshaped(y, dims));
    }
  call.out(0, product_of(call, call.in(0), call.in(1)));
}

// x w^T + b of a trained w.
bool convert_layer(OnnxCall& call) {
  const ValueType x = call.type(0);
  if (x.dtype != DType::f32 || x.dims.size() != 2) return false;
  std::vector<ValueId> inputs{call.in(0), none};
  if (call.has(2) && (call.rank(2) != 1 || call.type(2).dtype != DType::f32)) return false;
  if (call.integer("transB", 0) == 0)
    inputs[1] = call.turned_weight(1);
  else if (call.graph().value(call.in(1)).kind == ValueKind::parameter)
    inputs[1] = call.in(1);
  if (inputs[1] == none) return false;
  if (call.has(2)) {
    if (!(call.type(2).dims[0] == call.dims(inputs[1])[0])) return false;
    inputs.push_back(call.in(2));
  }
  call.out(0, call.apply("linear", inputs));
  return true;
}

void convert_gemm(OnnxCall& call) {
  const double alpha = call.real("alpha", 1.0), beta = call.real("beta", 1.0);
  call.ignore("broadcast");
  if (call.integer("transA", 0) == 0 && alpha == 1 && beta == 1 && convert_layer(call)) return;
  ValueId a = call.in(0), b = call.in(1);
  if (call.rank(0) != 2 || call.rank(1) != 2) call.fail("a and b are no matrices");
  if (call.integer("transA", 0) != 0) a = call.transposed(a, {1, 0});
  if (call.integer("transB", 0) != 0) b = call.transposed(b, {1, 0});
  ValueId y = call.apply("batch_matmul", {a, b});
  const auto times = [&](ValueId x, double factor) {
    if (factor == 1) return x;
    return call.apply("mul", {x, call.number(factor, call.graph().type(x).dtype, call.dims(x))});
  };
  y = times(y, alpha);
  if (call.has(2)) y = call.apply("add", {y, call.expanded(times(call.in(2), beta), call.dims(y))});
  call.out(0, y);
}

void convert_conv(OnnxCall& call) {
  const Options attributes = onnx_conv_attributes(call, 1);
  std::vector<ValueId> inputs{call.in(0), call.in(1)};
  if (call.has(2)) inputs.push_back(call.in(2));
  call.out(0, call.apply("conv", inputs, attributes));
}

Options pool_attributes(OnnxCall& call) {
  const std::vector<std::int64_t> kernel = call.integers("kernel_shape", std::nullopt);
  Options attributes = onnx_padded_window(call, kernel).attributes();
  attributes.set("kernel", to_text(kernel));
  attributes.set("up", call.integer("ceil_mode", 0) != 0);
  return attributes;
}

// Places of input 0 counted with the first dimension of each plane the fastest, from places counted
// with the last one the fastest.
ValueId by_columns(OnnxCall& call, ValueId places) {
  const std::vector<Dim> x = call.type(0).dims, dims = call.dims(places);
  const auto with = [&](const char* op, ValueId a, std::int64_t by) {
    return call.apply(op, {a, call.number(static_cast<double>(by), DType::i64, dims)});
  };
  std::int64_t plane = 1;
  for (std::size_t d = 2; d < x.size(); ++d) {
    if (!x[d].is_fixed()) call.refuse("storage_order 1 of a size that only a run knows");
    plane *= x[d].offset;
  }
  ValueId rest = with("mod", places, plane);
  ValueId sum = call.apply("sub", {places, rest});
  std::int64_t row = plane, column = 1;
  for (std::size_t d = 2; d < x.size(); ++d) {
    row /= x[d].offset;
    sum = call.apply("add", {sum, with("mul", with("div", rest, row), column)});
    rest = with("mod", rest, row);
    column *= x[d].offset;
  }
  return sum;
}

void convert_max_pool(OnnxCall& call) {
  const bool columns = call.integer("storage_order", 0) != 0;
  const NodeId node = call.append("max_pool", {call.in(0)}, pool_attributes(call));
  const std::vector<ValueId> outputs = call.graph().node(node).outputs;
  call.out(0, outputs[0]);
  call.out(1,
           columns && call.node().outputs.size() > 1 ? by_columns(call, outputs[1]) : outputs[1]);
}

void convert_average_pool(OnnxCall& call) {
  Options attributes = pool_attributes(call);
  attributes.set("count_pads", call.integer("count_include_pad", 0) != 0);
  call.out(0, call.apply("average_pool", {call.in(0)}, attributes));
}

void convert_lp_pool(OnnxCall& call) {
  Options attributes = pool_attributes(call);
  attributes.set("p", call.opset() < 2 ? static_cast<std::int64_t>(call.real("p", 2.0))
                                       : call.integer("p", 2));
  call.out(0, call.apply("lp_pool", {call.in(0)}, attributes));
}

// The axes from one on.
std::string axes_from(std::int64_t axis, std::size_t rank) {
  std::vector<std::int64_t> axes;
  for (auto i = axis; i < static_cast<std::int64_t>(rank); ++i) axes.push_back(i);
  return to_text(axes);
}

void global(OnnxCall& call, const char* op) {
  call.out(0, call.apply(op, {call.in(0)}, {{"axes", axes_from(2, call.rank(0))}, {"keep", true}}));
}
void convert_global_average(OnnxCall& call) { global(call, "mean"); }
void convert_global_max(OnnxCall& call) { global(call, "max"); }

// Integers without their zero point (one number, or one of each row or channel along `axis`), as
// reals that hold every sum of products exactly.
ValueId centred(OnnxCall& call, std::size_t i, std::size_t zero, std::int64_t axis) {
  const ValueId x = call.cast(call.in(i), DType::f64);
  if (!call.has(zero)) return x;
  const std::vector<Dim> dims = call.dims(x);
  ValueId point = call.cast(call.in(zero), DType::f64);
  const std::vector<Dim> own = call.dims(point);
  if (own.empty() || own == std::vector<Dim>{1}) {
    point = call.reshaped(point, {});
  } else if (own.size() == 1) {
    std::vector<Dim> wide(dims.size(), Dim(1));
    wide[static_cast<std::size_t>(axis)] = own[0];
    point = call.reshaped(point, wide);
  }
  return call.apply("sub", {x, call.expanded(point, dims)});
}

std::int64_t rank_of(OnnxCall& call, std::size_t i) {
  return static_cast<std::int64_t>(call.rank(i));
}

// Rows of the first matrix and columns of the second one have their own zero points.
void convert_matmul_integer(OnnxCall& call) {
  const ValueId a = centred(call, 0, 2, std::max<std::int64_t>(0, rank_of(call, 0) - 2));
  const ValueId b = centred(call, 1, 3, rank_of(call, 1) - 1);
  call.out(0, call.cast(product_of(call, a, b), DType::i32));
}

void convert_conv_integer(OnnxCall& call) {
  const Options attributes = onnx_conv_attributes(call, 1);
  const ValueId y =
      call.apply("conv", {centred(call, 0, 2, 1), centred(call, 1, 3, 0)}, attributes);
  call.out(0, call.cast(y, DType::i32));
}

// round(y scales / scale) + zero point in its type; a scale of each place of an axis or one.
ValueId requantized(OnnxCall& call, ValueId y, std::initializer_list<std::size_t> scales,
                    std::size_t scale, std::size_t zero, std::int64_t axis) {
  const std::vector<Dim> dims = call.dims(y);
  const auto spread = [&](std::size_t i) {
    ValueId v = call.cast(call.in(i), DType::f64);
    const std::vector<Dim> own = call.dims(v);
    if (own.empty() || own == std::vector<Dim>{1}) return call.expanded(call.reshaped(v, {}), dims);
    if (own.size() != 1) return call.expanded(v, dims);
    std::vector<Dim> wide(dims.size(), Dim(1));
    wide[static_cast<std::size_t>(axis)] = own[0];
    return call.expanded(call.reshaped(v, wide), dims);
  };
  for (const std::size_t i : scales) y = call.apply("mul", {y, spread(i)});
  y = call.apply("round", {call.apply("div", {y, spread(scale)})});
  y = call.apply("add", {y, spread(zero)});
  return call.cast(y, call.type(zero).dtype);  // (The cast saturates.)
}

void convert_qlinear_matmul(OnnxCall& call) {
  const ValueId a = centred(call, 0, 2, std::max<std::int64_t>(0, rank_of(call, 0) - 2));
  const ValueId b = centred(call, 3, 5, rank_of(call, 3) - 1);
  const ValueId y = product_of(call, a, b);
  const auto last = static_cast<std::int64_t>(call.dims(y).size()) - 1;
  call.out(0, requantized(call, y, {1, 4}, 6, 7, last));
}

void convert_qlinear_conv(OnnxCall& call) {
  const Options attributes = onnx_conv_attributes(call, 3);
  std::vector<ValueId> inputs{centred(call, 0, 2, 1), centred(call, 3, 5, 0)};
  if (call.has(8)) inputs.push_back(call.cast(call.in(8), DType::f64));
  call.out(0, requantized(call, call.apply("conv", inputs, attributes), {1, 4}, 6, 7, 1));
}

}  // namespace

std::vector<OnnxOp> onnx_network_family() {
  return {
      make_onnx_op("MatMul", "products of matrices", convert_matmul),
      make_onnx_op("Gemm", "a product with what is added", convert_gemm),
      make_onnx_op("Conv", "convolution", convert_conv),
      make_onnx_op("MaxPool", "the largest of each window", convert_max_pool),
      make_onnx_op("AveragePool", "the mean of each window", convert_average_pool),
      make_onnx_op("LpPool", "the norm of each window", convert_lp_pool),
      make_onnx_op("GlobalAveragePool", "the mean of each plane", convert_global_average),
      make_onnx_op("GlobalMaxPool", "the largest of each plane", convert_global_max),
      make_onnx_op("MatMulInteger", "products of matrices of 8 bits", convert_matmul_integer, 10),
      make_onnx_op("ConvInteger", "convolution of 8 bits", convert_conv_integer, 10),
      make_onnx_op("QLinearMatMul", "products of matrices of 8 bits, rounded to 8",
                   convert_qlinear_matmul, 10),
      make_onnx_op("QLinearConv", "convolution of 8 bits, rounded to 8", convert_qlinear_conv, 10)};
}

}  // namespace hone
