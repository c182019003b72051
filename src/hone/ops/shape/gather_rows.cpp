// y[i] = x[rows[i]].
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace gather_rows_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (t[0].dims.empty() || !is_vector(t[1], DType::i32))
    fail_shapes("gather_rows", "x [R,...], rows i32[M]", t);
  ValueType result = t[0];
  result.dims[0] = t[1].dims[0];
  return {result};
}

void reference(const OpCall& call) {
  const std::int64_t bytes =
      row_size(call.in(0)) * static_cast<std::int64_t>(size_of(call.in(0).dtype()));
  for (std::int64_t i = 0; i < call.in(1).size(); ++i) {
    const std::int32_t row = call.in(1).as<std::int32_t>()[i];
    if (row < 0 || row >= row_count(call.in(0)))
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("[gather_rows] row {} is outside the {} rows", row, row_count(call.in(0))));
    const auto* from = static_cast<const std::byte*>(call.in(0).data()) + row * bytes;
    std::copy(from, from + bytes, static_cast<std::byte*>(call.out(0).data()) + i * bytes);
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("scatter_rows", {call.grad(), call.in(1), call.in(0)}), none};
}

std::vector<OpSample> samples() {
  return {{"odd", {random_tensor({7, 5}, 1), int_tensor({4}, {0, 6, 3, 3})}, {}, {0}},
          {"one row", {random_tensor({3, 128}, 1), int_tensor({1}, {2})}, {}, {0}},
          {"none", {random_tensor({3, 8}, 1), int_tensor({0}, {})}, {}, {}}};
}

}  // namespace gather_rows_op
}  // namespace

Op op_gather_rows() {
  using namespace gather_rows_op;
  Op op{{"gather_rows", "picks rows"}, 2, 2, {"x", "rows"}, RowRule::rows, 2};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
