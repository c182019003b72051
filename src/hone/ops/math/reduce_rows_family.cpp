// The sum and the mean over the last dimension of x[R,N].
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace reduce_rows_family {

void reduce(const OpCall& call, bool mean) {
  const std::int64_t n = row_size(call.in(0));
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) sum += call.in(0).as<float>()[r * n + j];
    call.out(0).as<float>()[r] = static_cast<float>(mean ? sum / static_cast<double>(n) : sum);
  }
}

Op reduction(Described described, bool mean) {
  Op op{std::move(described), 1, 1, {"x"}, RowRule::rows};
  op.slots = {{0}};
  op.infer = [mean](const OpTypes& t) -> std::vector<ValueType> {
    // (The gradient of a mean knows how many numbers it is of.)
    if (!is_matrix(t[0]) || (mean && !t[0].dims[1].is_fixed()))
      fail_shapes(mean ? "reduce_mean" : "reduce_sum", "x f32[R,N]", t);
    return {{DType::f32, {t[0].dims[0]}}};
  };
  op.reference = [mean](const OpCall& call) { reduce(call, mean); };
  op.gradient = [mean](const GradientCall& call) -> std::vector<ValueId> {
    const ValueId wide = call.graph.apply("broadcast_columns", {call.grad(), call.in(0)});
    if (!mean) return {wide};
    const std::int64_t columns = call.graph.type(call.in(0)).dims[1].offset;
    return {call.graph.apply("scale", {wide}, {{"factor", 1.0 / static_cast<double>(columns)}})};
  };
  op.samples = [] { return elementwise_samples(1); };
  return op;
}

}  // namespace reduce_rows_family
}  // namespace

std::vector<Op> op_reduce_rows_family() {
  using namespace reduce_rows_family;
  return {reduction({"reduce_sum", "the sum of each row"}, false),
          reduction({"reduce_mean", "the mean of each row"}, true)};
}

}  // namespace hone
