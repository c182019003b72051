// The row of each sequence's first token: offsets[B+1] without the last.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace sequence_starts_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_vector(t[0], DType::i32)) fail_shapes("sequence_starts", "offsets i32[B+1]", t);
  ValueType result = t[0];
  result.dims[0].offset -= 1;
  return {result};
}

void reference(const OpCall& call) {
  for (std::int64_t i = 0; i < call.out(0).size(); ++i)
    call.out(0).as<std::int32_t>()[i] = call.in(0).as<std::int32_t>()[i];
}

std::vector<OpSample> samples() {
  return {{"three", {int_tensor({4}, {0, 3, 4, 9})}, {}, {}},
          {"none", {int_tensor({1}, {0})}, {}, {}}};
}

}  // namespace sequence_starts_op
}  // namespace

Op op_sequence_starts() {
  using namespace sequence_starts_op;
  Op op{{"sequence_starts", "the first token of each sequence"}, 1, 1, {"offsets"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
