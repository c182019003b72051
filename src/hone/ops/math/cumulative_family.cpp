// Along one dimension, each number from those before it: sums and products so far; the largest.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/zeros.hpp"

namespace hone {
namespace {
namespace cumulative_family {

OptionSpec cumulative_axis() { return {"axis", OptionType::integer, {}, "the dimension", 0, 7}; }

// Calls f(first element, elements from one to the next, their number) for each line along an axis.
template <typename F>
void for_each_line(const Shape& shape, std::size_t axis, const F& f) {
  if (element_count(shape) == 0) return;
  const std::int64_t inner = strides_of(shape)[axis], size = shape[axis];
  const std::int64_t outer = element_count(shape) / (inner * size);
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < inner; ++i) f(o * size * inner + i, inner, size);
}

void accumulate_lines(const OpCall& call, bool product) {
  const Tensor& x = call.in(0);
  Tensor& y = call.out(0);
  const bool exclusive = call.attributes->boolean("exclusive"),
             reverse = call.attributes->boolean("reverse"), real = is_real(x.dtype());
  const auto axis = static_cast<std::size_t>(call.attributes->integer("axis"));
  for_each_line(x.shape(), axis, [&](std::int64_t first, std::int64_t step, std::int64_t count) {
    double sum = product ? 1 : 0;
    std::int64_t whole = product ? 1 : 0;
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t at = first + (reverse ? count - 1 - k : k) * step;
      const auto put = [&] { real ? set_real(y, at, sum) : set_integer(y, at, whole); };
      if (exclusive) put();
      if (real) {
        sum = product ? sum * real_at(x, at) : sum + real_at(x, at);
      } else {
        whole = product ? wrap_mul(whole, integer_at(x, at)) : wrap_add(whole, integer_at(x, at));
      }
      if (!exclusive) put();
    }
  });
}

std::vector<OpSample> cumulative_samples(bool differentiable) {
  const auto make = [&](const char* name, Shape shape, std::int64_t axis, bool exclusive,
                        bool reverse) {
    OpSample sample{name,
                    {random_tensor(std::move(shape), 1)},
                    {{"axis", axis}, {"exclusive", exclusive}, {"reverse", reverse}}};
    if (differentiable) sample.differentiable = {0};
    return sample;
  };
  return {make("rows", {3, 5}, 1, false, false), make("columns", {4, 2, 3}, 0, false, true),
          make("before", {6}, 0, true, false), make("behind", {2, 4}, 1, true, true)};
}

Op cumulative(const char* name, const char* summary, bool product) {
  Op op{{name,
         summary,
         {cumulative_axis(),
          {"exclusive", OptionType::boolean, false, "without the number itself"},
          {"reverse", OptionType::boolean, false, "from the end"}}},
        1,
        1,
        {"x"}};
  op.infer = [name](const OpTypes& t) -> std::vector<ValueType> {
    if (t[0].dtype == DType::boolean ||
        t.attributes->integer("axis") >= static_cast<std::int64_t>(t[0].dims.size()))
      fail_shapes(name, "numbers and an axis of theirs", t);
    return {t[0]};
  };
  op.reference = [product](const OpCall& call) { accumulate_lines(call, product); };
  if (!product)
    // What comes before a number is what it counts in: the same from the other end.
    op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
      Options attributes = call.attributes();
      attributes.set("reverse", !attributes.boolean("reverse"));
      return {call.graph.apply("cum_sum", {call.grad()}, attributes)};
    };
  op.samples = [product] { return cumulative_samples(!product); };
  return op;
}

// In order, the largest first (or the smallest); of equal ones the first.
Op top_k() {
  Op op{{"top_k",
         "the k largest numbers of a dimension in order, and where they are",
         {cumulative_axis(),
          {"k", OptionType::integer, {}, "how many", 0, 1e9},
          {"largest", OptionType::boolean, true, "or else the smallest"}}},
        1,
        1,
        {"x"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const auto axis = static_cast<std::size_t>(t.attributes->integer("axis"));
    const std::int64_t k = t.attributes->integer("k");
    if (t[0].dtype == DType::boolean || axis >= t[0].dims.size() ||
        (t[0].dims[axis].is_fixed() && t[0].dims[axis].offset < k))
      fail_shapes("top_k", "numbers and an axis of theirs with k places", t);
    ValueType y = t[0];
    y.dims[axis] = k;
    return {y, {DType::i64, y.dims}};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    const auto axis = static_cast<std::size_t>(call.attributes->integer("axis"));
    const std::int64_t k = call.attributes->integer("k");
    const bool largest = call.attributes->boolean("largest"), real = is_real(x.dtype());
    if (call.out(0).size() == 0) return;
    if (k > x.shape()[axis])
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("[top_k] {} places of {}", k, x.shape()[axis]));
    std::vector<std::int64_t> order;
    std::int64_t line = 0;
    for_each_line(x.shape(), axis, [&](std::int64_t first, std::int64_t step, std::int64_t count) {
      order.resize(static_cast<std::size_t>(count));
      std::iota(order.begin(), order.end(), std::int64_t{0});
      std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        if (!real) {
          const std::int64_t p = integer_at(x, first + a * step),
                             q = integer_at(x, first + b * step);
          return largest ? p > q : p < q;
        }
        const double p = real_at(x, first + a * step), q = real_at(x, first + b * step);
        // NaN is the largest.
        if (std::isnan(p) || std::isnan(q))
          return largest ? std::isnan(p) && !std::isnan(q) : !std::isnan(p) && std::isnan(q);
        return largest ? p > q : p < q;
      });
      // Lines come in the order of the elements in front and behind.
      const std::int64_t to = line / step * k * step + line % step;
      for (std::int64_t i = 0; i < k; ++i) {
        const std::int64_t place = order[static_cast<std::size_t>(i)];
        copy_element(x, first + place * step, call.out(0), to + i * step);
        set_integer(call.out(1), to + i * step, place);
      }
      ++line;
    });
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    Graph& g = call.graph;
    const ValueId zeros = zeros_like(g, call.in(0));
    return {g.apply("scatter_elements", {zeros, call.out(1), call.grad()},
                    {{"axis", call.attributes().integer("axis")}, {"reduce", std::string("add")}})};
  };
  op.samples = []() -> std::vector<OpSample> {
    return {{"rows",
             {random_tensor({3, 6}, 1)},
             {{"axis", std::int64_t{1}}, {"k", std::int64_t{2}}},
             {0}},
            {"smallest columns",
             {random_tensor({5, 2, 2}, 3)},
             {{"axis", std::int64_t{0}}, {"k", std::int64_t{3}}, {"largest", false}},
             {0}},
            {"ties",
             {f32_tensor({5}, {1, 2, 2, 0, 2})},
             {{"axis", std::int64_t{0}}, {"k", std::int64_t{4}}}}};
  };
  return op;
}

}  // namespace cumulative_family
}  // namespace

std::vector<Op> op_cumulative_family() {
  using namespace cumulative_family;
  return {cumulative("cum_prod", "products of the numbers so far along a dimension", true),
          cumulative("cum_sum", "sums of the numbers so far along a dimension", false), top_k()};
}

}  // namespace hone
