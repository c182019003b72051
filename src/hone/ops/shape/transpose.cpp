// Reorders dimensions: y.shape[i] = x.shape[order[i]].
#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {

std::vector<std::size_t> parse_order(const std::string& text) {
  std::vector<std::size_t> order;
  for (const std::string& part : split(text, ',')) {
    const std::string_view digit = trim(part);
    order.push_back(digit.size() == 1 ? static_cast<std::size_t>(digit[0] - '0') : 99);
  }
  return order;
}

std::vector<ValueType> infer(const OpTypes& t) {
  const std::vector<std::size_t> order = parse_order(t.attributes->text("order"));
  std::vector<std::size_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  bool good = order.size() == t[0].dims.size() && t[0].dtype == DType::f32;
  for (std::size_t i = 0; good && i < sorted.size(); ++i) good = sorted[i] == i;
  if (!good) fail_shapes("transpose", "f32 and an order that names each of its dimensions once", t);
  ValueType result{t[0].dtype, {}};
  for (std::size_t from : order) result.dims.push_back(t[0].dims[from]);
  return {result};
}

void reference(const OpCall& call) {
  const std::vector<std::size_t> order = parse_order(call.attributes->text("order"));
  const Shape& from = call.in(0).shape();
  const Shape& to = call.out(0).shape();
  Shape stride(from.size(), 1);
  for (std::size_t i = from.size(); i-- > 1;) stride[i - 1] = stride[i] * from[i];
  Shape index(to.size(), 0);
  for (std::int64_t i = 0; i < call.out(0).size(); ++i) {
    std::int64_t source = 0;
    for (std::size_t d = 0; d < to.size(); ++d) source += index[d] * stride[order[d]];
    call.out(0).as<float>()[i] = call.in(0).as<float>()[source];
    for (std::size_t d = to.size(); d-- > 0;) {
      if (++index[d] < to[d]) break;
      index[d] = 0;
    }
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  const std::vector<std::size_t> order = parse_order(call.attributes().text("order"));
  std::string inverse;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto at = std::find(order.begin(), order.end(), i) - order.begin();
    inverse += (i == 0 ? "" : ",") + std::to_string(at);
  }
  return {call.graph.apply("transpose", {call.grad()}, {{"order", inverse}})};
}

std::vector<OpSample> samples() {
  return {{"matrix", {random_tensor({5, 7}, 1)}, {{"order", std::string("1,0")}}, {0}},
          {"three", {random_tensor({3, 4, 5}, 1)}, {{"order", std::string("2,0,1")}}, {0}},
          {"wide", {random_tensor({70, 33}, 1)}, {{"order", std::string("1,0")}}, {}}};
}

}  // namespace

Op op_transpose() {
  Op op{{"transpose",
         "reorders dimensions",
         {{"order", OptionType::text, {}, "source dimension of each, e.g. 1,0"}}},
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
