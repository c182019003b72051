// dlogits = dloss (softmax(logits) - one_hot(label)) / B; with weights[C], weights[label] over the
// sum of weights[label] stands for 1 / B.
#include <algorithm>

#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace cross_entropy_grad_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_vector(t[1], DType::i32) || t[0].dims[0] != t[1].dims[0] ||
      !is_vector(t[2]) || (t.has(3) && (!is_vector(t[3]) || t[3].dims[0] != t[0].dims[1])))
    fail_shapes("cross_entropy_grad",
                "logits f32[B,C], labels i32[B], dloss f32[1], weights f32[C]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  const std::int64_t rows = row_count(call.in(0));
  const std::int32_t* labels = call.in(1).as<std::int32_t>();
  double total = static_cast<double>(rows);
  if (call.has(3)) {
    total = 0;
    for (std::int64_t r = 0; r < rows; ++r) total += call.in(3).as<float>()[labels[r]];
  }
  const double mean_factor = static_cast<double>(call.in(2).as<float>()[0]) / total;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* x = call.in(0).as<float>() + r * n;
    const double largest = *std::max_element(x, x + n);
    const double factor =
        call.has(3) ? mean_factor * call.in(3).as<float>()[labels[r]] : mean_factor;
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) sum += std::exp(x[j] - largest);
    for (std::int64_t j = 0; j < n; ++j)
      call.out(0).as<float>()[r * n + j] = static_cast<float>(
          factor * (std::exp(x[j] - largest) / sum - (j == labels[r] ? 1.0 : 0.0)));
  }
}

std::vector<OpSample> samples() {
  return {
      {"two classes",
       {random_tensor({3, 2}, 1), int_tensor({3}, {0, 1, 1}), f32_tensor({1}, {1})},
       {},
       {}},
      {"one row", {random_tensor({1, 5}, 1), int_tensor({1}, {4}), f32_tensor({1}, {0.5})}, {}, {}},
      {"weights",
       {random_tensor({4, 3}, 1), int_tensor({4}, {0, 1, 2, 0}), f32_tensor({1}, {0.5}),
        f32_tensor({3}, {0.5, 2, 3.25})},
       {},
       {}}};
}

}  // namespace cross_entropy_grad_op
}  // namespace

Op op_cross_entropy_grad() {
  using namespace cross_entropy_grad_op;
  Op op{{"cross_entropy_grad", "gradient of cross_entropy"},
        3,
        4,
        {"logits", "labels", "dloss", "weights"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
