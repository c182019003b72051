// Products of two matrices, and of a transposed one:
//   matmul     y = a b    a[R,K], b[K,N]
//   matmul_tn  y = a^T b  a[R,M], b[R,N]: a sum over rows, as the gradient of a weight is
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace matmul_family {

// The shape of y and how many products an element of it is the sum of.
struct ProductSizes {
  std::int64_t rows, columns, depth;
};
ProductSizes sizes_of(const Shape& a, const Shape& b, bool transposed) {
  return transposed ? ProductSizes{a[1], b[1], a[0]} : ProductSizes{a[0], b[1], a[1]};
}

void multiply(const OpCall& call, bool transposed) {
  const ProductSizes s = sizes_of(call.in(0).shape(), call.in(1).shape(), transposed);
  const float* a = call.in(0).as<float>();
  const float* b = call.in(1).as<float>();
  for (std::int64_t i = 0; i < s.rows; ++i)
    for (std::int64_t j = 0; j < s.columns; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < s.depth; ++k)
        sum += static_cast<double>(transposed ? a[k * s.rows + i] : a[i * s.depth + k]) *
               b[k * s.columns + j];
      call.out(0).as<float>()[i * s.columns + j] = static_cast<float>(sum);
    }
}

Op product(Described described, bool transposed) {
  Op op{std::move(described), 2, 2, {"a", "b"}};
  op.infer = [transposed](const OpTypes& t) -> std::vector<ValueType> {
    if (!is_matrix(t[0]) || !is_matrix(t[1]) || t[0].dims[transposed ? 0 : 1] != t[1].dims[0])
      fail_shapes(transposed ? "matmul_tn" : "matmul",
                  transposed ? "a f32[R,M], b f32[R,N]" : "a f32[R,K], b f32[K,N]", t);
    return {{DType::f32, {t[0].dims[transposed ? 1 : 0], t[1].dims[1]}}};
  };
  op.reference = [transposed](const OpCall& call) { multiply(call, transposed); };
  op.flop = [transposed](const std::vector<Shape>& inputs, const Options&) {
    const ProductSizes s = sizes_of(inputs[0], inputs[1], transposed);
    return 2.0 * static_cast<double>(s.rows) * static_cast<double>(s.columns) *
           static_cast<double>(s.depth);
  };
  op.samples = [transposed] {
    const auto make = [&](const char* name, std::int64_t r, std::int64_t k, std::int64_t n) {
      return OpSample{
          name, {random_tensor({r, k}, 1), random_tensor({transposed ? r : k, n}, 2)}, {}, {}};
    };
    std::vector<OpSample> all{make("one row", 1, 4, 3), make("odd", 7, 19, 5),
                              make("no rows", 0, 8, 8), make("tiles", 130, 64, 128),
                              make("wide", 33, 67, 200)};
    all[0].differentiable = all[1].differentiable = {0, 1};
    return all;
  };
  return op;
}

Op matmul() {
  Op op = product({"matmul", "y = a b"}, false);
  op.rows = RowRule::rows;
  op.slots = {{0, 1}};
  op.linear_rows = 1;
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    return {call.graph.apply("linear", {call.grad(), call.in(1)}),
            call.graph.apply("matmul_tn", {call.in(0), call.grad()})};
  };
  return op;
}

Op matmul_tn() {
  Op op = product({"matmul_tn", "y = a^T b, a sum over rows"}, true);
  op.rows = RowRule::reduce;
  op.row_inputs = 1 | 2;
  op.linear_rows = 1 | 2;
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    return {call.graph.apply("linear", {call.in(1), call.grad()}),
            call.graph.apply("matmul", {call.in(0), call.grad()})};
  };
  return op;
}

}  // namespace matmul_family
}  // namespace

std::vector<Op> op_matmul_family() {
  using namespace matmul_family;
  return {matmul(), matmul_tn()};
}

}  // namespace hone
