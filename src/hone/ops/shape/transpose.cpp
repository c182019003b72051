// Reorders dimensions: y.shape[i] = x.shape[order[i]].
#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace transpose_op {

std::vector<std::size_t> parse_order(const std::string& text) {
  std::vector<std::size_t> order;
  if (text.empty()) return order;
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
  bool good = order.size() == t[0].dims.size();
  for (std::size_t i = 0; good && i < sorted.size(); ++i) good = sorted[i] == i;
  if (!good) fail_shapes("transpose", "an order that names each of its dimensions once", t);
  ValueType result{t[0].dtype, {}};
  for (std::size_t from : order) result.dims.push_back(t[0].dims[from]);
  return {result};
}

// Element by element of one size; the last dimension in a loop of its own.
template <typename Element>
void move_elements(const Tensor& x, Tensor& y, const Shape& steps) {
  const Shape& to = y.shape();
  const auto* from = x.as<Element>();
  auto* out = y.as<Element>();
  const std::size_t rank = to.size();
  const std::int64_t last = rank == 0 ? 1 : to[rank - 1], step = rank == 0 ? 1 : steps[rank - 1];
  Shape index(rank, 0);
  std::int64_t source = 0;
  for (std::int64_t i = 0; i < y.size(); i += last) {
    for (std::int64_t j = 0; j < last; ++j) out[i + j] = from[source + j * step];
    for (std::size_t d = rank - (rank == 0 ? 0 : 1); d-- > 0;) {
      source += steps[d];
      if (++index[d] < to[d]) break;
      source -= steps[d] * to[d];
      index[d] = 0;
    }
  }
}

void reference(const OpCall& call) {
  const std::vector<std::size_t> order = parse_order(call.attributes->text("order"));
  const Shape own = strides_of(call.in(0).shape());
  Shape steps;
  for (const std::size_t from : order) steps.push_back(own[from]);
  switch (size_of(call.in(0).dtype())) {
    case 1: return move_elements<std::uint8_t>(call.in(0), call.out(0), steps);
    case 2: return move_elements<std::uint16_t>(call.in(0), call.out(0), steps);
    case 4: return move_elements<std::uint32_t>(call.in(0), call.out(0), steps);
    default: return move_elements<std::uint64_t>(call.in(0), call.out(0), steps);
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
  return {
      {"matrix", {random_tensor({5, 7}, 1)}, {{"order", std::string("1,0")}}, {0}},
      {"three", {random_tensor({3, 4, 5}, 1)}, {{"order", std::string("2,0,1")}}, {0}},
      {"wide", {random_tensor({70, 33}, 1)}, {{"order", std::string("1,0")}}, {}},
      {"channels last", {random_tensor({2, 3, 9, 7}, 1)}, {{"order", std::string("0,2,3,1")}}},
      {"channels first", {random_tensor({2, 9, 7, 21}, 1)}, {{"order", std::string("0,3,1,2")}}},
      {"outer", {random_tensor({3, 4, 5, 6}, 1)}, {{"order", std::string("1,0,2,3")}}},
      {"as it is", {random_tensor({3, 4}, 1)}, {{"order", std::string("0,1")}}},
      {"number", {random_tensor({}, 1)}, {{"order", std::string("")}}},
      {"nothing", {random_tensor({0, 3, 4}, 1)}, {{"order", std::string("2,0,1")}}},
      {"whole", {int_tensor({2, 3}, {1, 2, 3, 4, 5, 6})}, {{"order", std::string("1,0")}}}};
}

}  // namespace transpose_op
}  // namespace

Op op_transpose() {
  using namespace transpose_op;
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
