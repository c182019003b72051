// The mean over samples of -log softmax(logits[B,C])[label], f32[1]; with weights[C] the sum of
// weights[label] times that over the sum of weights[label], as PyTorch's CrossEntropyLoss(weight).
#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace cross_entropy_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_vector(t[1], DType::i32) || t[0].dims[0] != t[1].dims[0] ||
      (t.has(2) && (!is_vector(t[2]) || t[2].dims[0] != t[0].dims[1])))
    fail_shapes("cross_entropy", "logits f32[B,C], labels i32[B], weights f32[C]", t);
  return {{DType::f32, {1}}};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  const std::int64_t rows = row_count(call.in(0));
  double loss = 0, total = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* x = call.in(0).as<float>() + r * n;
    const std::int32_t label = call.in(1).as<std::int32_t>()[r];
    if (label < 0 || label >= n)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("[cross_entropy] label {} of sample {} is outside the {} classes",
                              label, r, n));
    const double largest = *std::max_element(x, x + n);
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) sum += std::exp(x[j] - largest);
    const double weight = call.has(2) ? call.in(2).as<float>()[label] : 1.0;
    loss += weight * (largest + std::log(sum) - x[label]);
    total += weight;
  }
  call.out(0).as<float>()[0] = static_cast<float>(loss / total);
}

std::vector<ValueId> gradient(const GradientCall& call) {
  std::vector<ValueId> inputs{call.in(0), call.in(1), call.grad()};
  if (call.in(2) != none) inputs.push_back(call.in(2));
  return {call.graph.apply("cross_entropy_grad", inputs), none, none};
}

std::vector<OpSample> samples() {
  return {
      {"two classes", {random_tensor({3, 2}, 1), int_tensor({3}, {0, 1, 1})}, {}, {0}},
      {"one row", {random_tensor({1, 5}, 1), int_tensor({1}, {4})}, {}, {0}},
      {"large values", {random_tensor({4, 3}, 1, 200), int_tensor({4}, {0, 1, 2, 0})}, {}, {}},
      {"weights",
       {random_tensor({4, 3}, 1), int_tensor({4}, {0, 1, 2, 0}), f32_tensor({3}, {0.5, 2, 3.25})},
       {},
       {0}}};
}

}  // namespace cross_entropy_op
}  // namespace

Op op_cross_entropy() {
  using namespace cross_entropy_op;
  Op op{{"cross_entropy", "mean negative log likelihood of the labels, weighted by class if asked"},
        2,
        3,
        {"logits", "labels", "weights"}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
