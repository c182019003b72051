// Places that are named by numbers: gather along a dimension, and its kin.
#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/zeros.hpp"

namespace hone {
namespace {
namespace gather_family {

OptionSpec axis_option() { return {"axis", OptionType::integer, {}, "the dimension", 0, 7}; }

std::size_t axis_of(const Options& attributes) {
  return static_cast<std::size_t>(attributes.integer("axis"));
}

bool is_index(DType dtype) { return dtype == DType::i32 || dtype == DType::i64; }

// Counted from the end where negative.
std::int64_t place_of(const Tensor& places, std::int64_t i, std::int64_t size, const char* op) {
  const std::int64_t given = integer_at(places, i);
  const std::int64_t place = given < 0 ? given + size : given;
  if (place < 0 || place >= size)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("[{}] place {} of a dimension of size {}", op, given, size));
  return place;
}

// Adds up what came from each place: with the axis in front, by scatter_nd.
std::vector<ValueId> gather_gradient(const GradientCall& call) {
  Graph& g = call.graph;
  const std::size_t axis = axis_of(call.attributes());
  const std::size_t rank = g.type(call.in(0)).dims.size();
  std::vector<Dim> places = g.type(call.in(1)).dims;
  const std::size_t named = places.size();
  places.emplace_back(1);
  const auto turned = [&](ValueId x, const std::vector<std::int64_t>& order) {
    return g.apply("transpose", {x}, {{"order", to_text(order)}});
  };
  std::vector<std::int64_t> x_order{static_cast<std::int64_t>(axis)}, back(rank), dy_order;
  for (std::size_t i = 0; i < rank; ++i)
    if (i != axis) x_order.push_back(static_cast<std::int64_t>(i));
  for (std::size_t i = 0; i < rank; ++i)
    back[static_cast<std::size_t>(x_order[i])] = static_cast<std::int64_t>(i);
  for (std::size_t i = 0; i < named; ++i) dy_order.push_back(static_cast<std::int64_t>(axis + i));
  for (std::size_t i = 0; i < rank + named - 1; ++i)
    if (i < axis || i >= axis + named) dy_order.push_back(static_cast<std::int64_t>(i));
  const ValueId zeros = zeros_like(g, turned(call.in(0), x_order));
  const ValueId rows = g.apply("reshape", {call.in(1)}, {{"shape", to_string(places)}});
  const ValueId sums = g.apply("scatter_nd", {zeros, rows, turned(call.grad(), dy_order)},
                               {{"reduce", std::string("add")}});
  return {turned(sums, back), none};
}

Op gather() {
  Op op{{"gather", "the places of a dimension that `places` names", {axis_option()}},
        2,
        2,
        {"x", "places"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::size_t axis = axis_of(*t.attributes);
    if (axis >= t[0].dims.size() || !is_index(t[1].dtype) ||
        t[0].dims.size() + t[1].dims.size() > 9)
      fail_shapes("gather", "an axis of x, places i32 or i64", t);
    ValueType y{t[0].dtype,
                {t[0].dims.begin(), t[0].dims.begin() + static_cast<std::ptrdiff_t>(axis)}};
    y.dims.insert(y.dims.end(), t[1].dims.begin(), t[1].dims.end());
    y.dims.insert(y.dims.end(), t[0].dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1,
                  t[0].dims.end());
    return {y};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    const std::size_t axis = axis_of(*call.attributes);
    const std::int64_t inner = strides_of(x.shape())[axis], size = x.shape()[axis];
    if (call.out(0).size() == 0) return;
    if (size == 0) throw Error(ErrorCode::invalid_argument, "[gather] a place of no places");
    const std::int64_t outer = x.size() / (inner * size), count = call.in(1).size();
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t place = place_of(call.in(1), k, size, "gather");
      for (std::int64_t o = 0; o < outer; ++o)
        for (std::int64_t i = 0; i < inner; ++i)
          copy_element(x, (o * size + place) * inner + i, call.out(0), (o * count + k) * inner + i);
    }
  };
  op.gradient = gather_gradient;
  op.samples = []() -> std::vector<OpSample> {
    return {
        {"rows",
         {random_tensor({5, 3}, 1), int_tensor({4}, {0, 4, -1, 2})},
         {{"axis", std::int64_t{0}}},
         {0}},
        {"columns",
         {random_tensor({2, 4, 2}, 1), int_tensor({1, 2}, {3, 0})},
         {{"axis", std::int64_t{1}}},
         {0}},
        {"one", {random_tensor({4}, 1), int_tensor({}, {2})}, {{"axis", std::int64_t{0}}}, {0}}};
  };
  return op;
}

Op gather_elements() {
  Op op{{"gather_elements",
         "of each element, the place of a dimension that `places` names",
         {axis_option()}},
        2,
        2,
        {"x", "places"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    if (axis_of(*t.attributes) >= t[0].dims.size() || !is_index(t[1].dtype) ||
        t[0].dims.size() != t[1].dims.size())
      fail_shapes("gather_elements", "an axis of x, places i32 or i64 of as many dimensions", t);
    return {{t[0].dtype, t[1].dims}};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    const std::size_t axis = axis_of(*call.attributes);
    const std::vector<std::int64_t> steps = strides_of(x.shape());
    const Shape& shape = call.in(1).shape();
    std::vector<std::int64_t> index(shape.size(), 0);
    for (std::int64_t i = 0; i < call.in(1).size(); ++i) {
      std::int64_t from = place_of(call.in(1), i, x.shape()[axis], "gather_elements") * steps[axis];
      for (std::size_t d = 0; d < shape.size(); ++d)
        if (d != axis) from += index[d] * steps[d];
      copy_element(x, from, call.out(0), i);
      advance(index, shape);
    }
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    Graph& g = call.graph;
    const ValueId zeros = zeros_like(g, call.in(0));
    Options attributes = call.attributes();
    attributes.set("reduce", std::string("add"));
    return {g.apply("scatter_elements", {zeros, call.in(1), call.grad()}, attributes), none};
  };
  op.samples = []() -> std::vector<OpSample> {
    return {{"rows",
             {random_tensor({3, 2}, 1), int_tensor({2, 2}, {0, 2, -1, 1})},
             {{"axis", std::int64_t{0}}},
             {0}},
            {"columns",
             {random_tensor({2, 3}, 1), int_tensor({2, 1}, {1, 2})},
             {{"axis", std::int64_t{1}}},
             {0}}};
  };
  return op;
}

}  // namespace gather_family
}  // namespace

std::vector<Op> op_gather_family() {
  using namespace gather_family;
  return {gather(), gather_elements()};
}

}  // namespace hone
