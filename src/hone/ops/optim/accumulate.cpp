// sum += x, in place: gradients of several micro-batches.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace accumulate_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (t[0].dtype != DType::f32 || !(t[0] == t[1]))
    fail_shapes("accumulate", "sum and x f32 of one shape", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  for (std::int64_t i = 0; i < call.out(0).size(); ++i)
    call.out(0).as<float>()[i] += call.in(1).as<float>()[i];
}

std::vector<OpSample> samples() {
  return {{"odd", {random_tensor({7, 5}, 1), random_tensor({7, 5}, 2)}, {}, {}}};
}

}  // namespace accumulate_op
}  // namespace

Op op_accumulate() {
  using namespace accumulate_op;
  Op op{{"accumulate", "adds into a state"}, 2, 2, {"sum", "x"}};
  op.in_place = {0};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
