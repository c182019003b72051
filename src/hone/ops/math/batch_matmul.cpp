// y = a b for every pair of matrices: a [..., M, K], b [..., K, N], the same dimensions in front.
#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace batch_matmul_op {

std::vector<ValueType> infer(const OpTypes& t) {
  const std::vector<Dim>&a = t[0].dims, &b = t[1].dims;
  const std::size_t rank = a.size();
  bool good =
      rank >= 2 && rank == b.size() && t[0].dtype == t[1].dtype && t[0].dtype != DType::boolean;
  for (std::size_t i = 0; good && i + 2 < rank; ++i) good = a[i] == b[i];
  if (!good || !(a[rank - 1] == b[rank - 2]))
    fail_shapes("batch_matmul", "a [...,M,K] and b [...,K,N] of one type", t);
  ValueType y = t[0];
  y.dims[rank - 1] = b[rank - 1];
  return {y};
}

void reference(const OpCall& call) {
  const Shape& shape = call.out(0).shape();
  const std::size_t rank = shape.size();
  const std::int64_t m = shape[rank - 2], n = shape[rank - 1], k = call.in(0).shape()[rank - 1];
  if (call.out(0).size() == 0) return;
  const bool real = is_real(call.in(0).dtype());
  for (std::int64_t o = 0; o < call.out(0).size() / (m * n); ++o)
    for (std::int64_t r = 0; r < m; ++r)
      for (std::int64_t c = 0; c < n; ++c) {
        double sum = 0;
        std::int64_t whole = 0;
        for (std::int64_t i = 0; i < k; ++i) {
          const std::int64_t at = (o * m + r) * k + i, bt = (o * k + i) * n + c;
          if (real)
            sum += real_at(call.in(0), at) * real_at(call.in(1), bt);
          else
            whole =
                wrap_add(whole, wrap_mul(integer_at(call.in(0), at), integer_at(call.in(1), bt)));
        }
        const std::int64_t to = (o * m + r) * n + c;
        if (real)
          set_real(call.out(0), to, sum);
        else
          set_integer(call.out(0), to, whole);
      }
}

std::string swapped(std::size_t rank) {
  std::vector<std::int64_t> order;
  for (std::size_t i = 0; i < rank; ++i) order.push_back(static_cast<std::int64_t>(i));
  std::swap(order[rank - 1], order[rank - 2]);
  return to_text(order);
}

std::vector<ValueId> gradient(const GradientCall& call) {
  Graph& g = call.graph;
  const std::string order = swapped(g.type(call.in(0)).dims.size());
  const auto turned = [&](ValueId x) { return g.apply("transpose", {x}, {{"order", order}}); };
  return {g.apply("batch_matmul", {call.grad(), turned(call.in(1))}),
          g.apply("batch_matmul", {turned(call.in(0)), call.grad()})};
}

double flop(const std::vector<Shape>& inputs, const Options&) {
  return 2.0 * static_cast<double>(element_count(inputs[0])) *
         static_cast<double>(inputs[1].back());
}

std::vector<OpSample> samples() {
  return {{"pairs", {random_tensor({2, 3, 4}, 1), random_tensor({2, 4, 5}, 2)}, {}, {0, 1}},
          {"heads", {random_tensor({2, 2, 3, 4}, 1), random_tensor({2, 2, 4, 3}, 2)}, {}, {0, 1}},
          {"matrices", {random_tensor({7, 19}, 1), random_tensor({19, 5}, 2)}, {}, {0, 1}},
          {"nothing", {random_tensor({0, 3, 4}, 1), random_tensor({0, 4, 5}, 2)}, {}, {}}};
}

}  // namespace batch_matmul_op
}  // namespace

Op op_batch_matmul() {
  using namespace batch_matmul_op;
  Op op{{"batch_matmul", "products of matrices, pair by pair"}, 2, 2, {"a", "b"}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.flop = flop;
  op.samples = samples;
  return op;
}

}  // namespace hone
