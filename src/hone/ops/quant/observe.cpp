// Adds the numbers of x to the statistics of a value (numerics/value_stats.hpp).
#include <cstring>

#include "hone/numerics/value_stats.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace observe_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (t[0].dtype != DType::f64 || t[0].dims != std::vector<Dim>{Dim(ValueStats::size)} ||
      t[1].dtype != DType::f32)
    fail_shapes("observe", "stats f64[" + std::to_string(ValueStats::size) + "], x f32[...]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  Tensor& to = call.out(0);
  if (to.data() != call.in(0).data()) std::memcpy(to.data(), call.in(0).data(), to.bytes());
  ValueStats(to).add(call.in(1).span<float>());
}

std::vector<OpSample> samples() {
  return {{"batch", {ValueStats().tensor(), random_tensor({7, 19}, 1)}, {}, {}},
          {"nothing", {ValueStats().tensor(), random_tensor({0, 3}, 1)}, {}, {}}};
}

}  // namespace observe_op
}  // namespace

Op op_observe() {
  using namespace observe_op;
  Op op{{"observe", "adds numbers to the statistics of a value"}, 2, 2, {"stats", "x"}};
  op.in_place = {0};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
