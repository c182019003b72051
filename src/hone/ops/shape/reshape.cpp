// The same elements under another shape; sizes as graph text writes them: "T,2,64".
#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace reshape_op {

std::vector<ValueType> infer(const OpTypes& t) {
  ValueType result{t[0].dtype, parse_dims(t.attributes->text("shape"))};
  if (!(product(t[0].dims) == product(result.dims)))
    fail_shapes("reshape", "as many elements as in " + to_string(result), t);
  return {result};
}

void reference(const OpCall& call) {
  const auto* from = static_cast<const std::byte*>(call.in(0).data());
  std::copy(from, from + call.in(0).bytes(), static_cast<std::byte*>(call.out(0).data()));
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("reshape", {call.grad()},
                           {{"shape", to_string(call.graph.type(call.in(0)).dims)}})};
}

std::vector<OpSample> samples() {
  return {{"split", {random_tensor({3, 8}, 1)}, {{"shape", std::string("3,2,4")}}, {0}},
          {"flat", {random_tensor({3, 4, 5}, 1)}, {{"shape", std::string("60")}}, {0}}};
}

}  // namespace reshape_op
}  // namespace

Op op_reshape() {
  using namespace reshape_op;
  Op op{{"reshape",
         "the same elements under another shape",
         {{"shape", OptionType::text, {}, "sizes, e.g. T,2,64; empty: one number"}}},
        1,
        1,
        {"x"}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
