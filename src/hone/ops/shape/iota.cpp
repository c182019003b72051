// 0, 1, 2, ... as many as a size that a run knows.
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace iota_op {

std::vector<ValueType> infer(const OpTypes& t) {
  return {{DType::i64, {parse_dim(t.attributes->text("size"))}}};
}

void reference(const OpCall& call) {
  for (std::int64_t i = 0; i < call.out(0).size(); ++i) set_integer(call.out(0), i, i);
}

std::vector<OpSample> samples() {
  return {{"seven", {}, {{"size", std::string("7")}}}, {"none", {}, {{"size", std::string("0")}}}};
}

}  // namespace iota_op
}  // namespace

Op op_iota() {
  using namespace iota_op;
  Op op{{"iota",
         "0, 1, 2, ... in order",
         {{"size", OptionType::text, {}, "how many, e.g. S or 2*S+1"}}},
        0,
        0,
        {}};
  op.zero_gradient = true;
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
