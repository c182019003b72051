// sqrt of the sum of squares over all gradients, f32[1]. `count` (optional): how many rows of the
// first gradient hold values (embedding_grad_rows leaves the rest undefined).
#include <algorithm>

#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace global_norm_op {

std::vector<ValueType> infer(const OpTypes& t) {
  for (std::size_t i = 1; i < t.count(); ++i)
    if (t[i].dtype != DType::f32) fail_shapes("global_norm", "f32 gradients", t);
  if (t.has(0) && !is_vector(t[0], DType::i32)) fail_shapes("global_norm", "count i32[1]", t);
  return {{DType::f32, {1}}};
}

void reference(const OpCall& call) {
  double sum = 0;
  for (std::size_t i = 1; i < call.inputs.size(); ++i) {
    std::int64_t size = call.in(i).size();
    if (i == 1 && call.has(0)) size = call.in(0).as<std::int32_t>()[0] * row_size(call.in(1));
    for (std::int64_t j = 0; j < size; ++j) {
      const double g = call.in(i).as<float>()[j];
      sum += g * g;
    }
  }
  call.out(0).as<float>()[0] = static_cast<float>(std::sqrt(sum));
}

std::vector<OpSample> samples() {
  return {
      {"three",
       {Tensor(), random_tensor({5, 3}, 1), random_tensor({7}, 2), random_tensor({600, 70}, 3)},
       {},
       {}},
      {"counted", {int_tensor({1}, {2}), random_tensor({5, 3}, 1), random_tensor({7}, 2)}, {}, {}}};
}

}  // namespace global_norm_op
}  // namespace

Op op_global_norm() {
  using namespace global_norm_op;
  Op op{{"global_norm", "the norm of all gradients together"}, 0, 4096, {"count", "gradients..."}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
