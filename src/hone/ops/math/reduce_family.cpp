// Sums, means and extremes over some dimensions; the places of extremes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace reduce_family {

std::vector<OptionSpec> options() {
  return {{"axes", OptionType::text, {}, "dimensions that go, e.g. 1,2; empty: none"},
          {"keep", OptionType::boolean, false, "they stay, with size 1"}};
}

// Ascending, each once.
std::vector<std::int64_t> axes_of(const Options& attributes, std::size_t rank, const OpTypes* t,
                                  const std::string& op) {
  std::vector<std::int64_t> axes = integers_of(attributes, "axes");
  std::sort(axes.begin(), axes.end());
  const bool good =
      std::adjacent_find(axes.begin(), axes.end()) == axes.end() &&
      (axes.empty() || (axes.front() >= 0 && axes.back() < static_cast<std::int64_t>(rank)));
  if (!good && t != nullptr) fail_shapes(op, "axes of its dimensions, each once", *t);
  return axes;
}

template <typename Size>
std::vector<Size> reduced(const std::vector<Size>& sizes, const std::vector<std::int64_t>& axes,
                          bool keep) {
  std::vector<Size> result;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const bool goes = std::binary_search(axes.begin(), axes.end(), static_cast<std::int64_t>(i));
    if (!goes)
      result.push_back(sizes[i]);
    else if (keep)
      result.emplace_back(1);
  }
  return result;
}

// Calls f(output element, input element) for every input element, in order.
template <typename F>
void for_each_element(const Shape& shape, const std::vector<std::int64_t>& axes, const F& f) {
  if (element_count(shape) == 0) return;
  const std::vector<std::int64_t> steps = strides_of(reduced(shape, axes, true));
  std::vector<std::int64_t> index(shape.size(), 0);
  std::int64_t i = 0;
  do {
    std::int64_t to = 0;
    for (std::size_t d = 0; d < shape.size(); ++d)
      if (!std::binary_search(axes.begin(), axes.end(), static_cast<std::int64_t>(d)))
        to += index[d] * steps[d];
    f(to, i++);
  } while (advance(index, shape));
}

struct Reduction {
  const char* name;
  const char* summary;
  double start;
  double (*join)(double a, double b);
  std::int64_t (*join_whole)(std::int64_t a, std::int64_t b);
};

double larger(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? a + b : std::max(a, b);
}
double smaller(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? a + b : std::min(a, b);
}

const std::vector<Reduction>& reductions() {
  using I = std::int64_t;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  static const std::vector<Reduction> all{
      {"sum", "sums over dimensions", 0, [](double a, double b) { return a + b; }, wrap_add},
      {"mean", "means over dimensions", 0, [](double a, double b) { return a + b; }, wrap_add},
      {"prod", "products over dimensions", 1, [](double a, double b) { return a * b; }, wrap_mul},
      {"max", "the largest over dimensions", -infinity, larger,
       [](I a, I b) { return std::max(a, b); }},
      {"min", "the smallest over dimensions", infinity, smaller,
       [](I a, I b) { return std::min(a, b); }}};
  return all;
}

std::int64_t first_whole(const std::string& name, DType dtype) {
  if (name == "sum" || name == "mean") return 0;
  if (name == "prod") return 1;
  // The smallest or largest of the type.
  Tensor bound(dtype, {1});
  set_real(bound, 0, name == "max" ? -1e30 : 1e30);
  return integer_at(bound, 0);
}

void reduce(const Reduction& one, const OpCall& call) {
  const Tensor& x = call.in(0);
  Tensor& y = call.out(0);
  const auto axes = axes_of(*call.attributes, x.shape().size(), nullptr, one.name);
  const auto size = static_cast<std::size_t>(y.size());
  if (!is_real(x.dtype())) {
    std::vector<std::int64_t> values(size, first_whole(one.name, x.dtype()));
    for_each_element(x.shape(), axes, [&](std::int64_t to, std::int64_t from) {
      std::int64_t& value = values[static_cast<std::size_t>(to)];
      value = one.join_whole(value, integer_at(x, from));
    });
    const std::int64_t count = y.size() == 0 ? 1 : std::max<std::int64_t>(1, x.size() / y.size());
    for (std::size_t i = 0; i < size; ++i)
      set_integer(y, static_cast<std::int64_t>(i),
                  one.name == std::string("mean") ? values[i] / count : values[i]);
    return;
  }
  std::vector<double> values(size, one.start);
  for_each_element(x.shape(), axes, [&](std::int64_t to, std::int64_t from) {
    double& value = values[static_cast<std::size_t>(to)];
    value = one.join(value, real_at(x, from));
  });
  const double count =
      y.size() == 0 ? 1 : static_cast<double>(x.size()) / static_cast<double>(y.size());
  for (std::size_t i = 0; i < size; ++i)
    set_real(y, static_cast<std::int64_t>(i),
             one.name == std::string("mean") ? values[i] / count : values[i]);
}

// A value of the output's shape, repeated over the dimensions that went.
ValueId spread(const GradientCall& call, ValueId value) {
  Graph& g = call.graph;
  // (By value: adding to the graph moves its types.)
  const std::vector<Dim> dims = g.type(call.in(0)).dims;
  const auto axes = axes_of(call.attributes(), dims.size(), nullptr, "");
  const ValueId kept =
      g.apply("reshape", {value}, {{"shape", to_string(reduced(dims, axes, true))}});
  return g.apply("expand", {kept}, {{"shape", to_string(dims)}});
}

std::vector<ValueId> gradient(const std::string& name, const GradientCall& call) {
  Graph& g = call.graph;
  const std::vector<Dim> dims = g.type(call.in(0)).dims;
  const ValueId wide = spread(call, call.grad());
  if (name == "sum") return {wide};
  if (name == "mean") {
    Dim count = 1;
    for (const std::int64_t axis : axes_of(call.attributes(), dims.size(), nullptr, ""))
      count = multiply(count, dims[static_cast<std::size_t>(axis)]);
    if (!count.is_fixed())
      throw Error(ErrorCode::unsupported,
                  "[mean] is not differentiated over dimensions whose size is not fixed");
    return {g.apply("scale", {wide}, {{"factor", 1.0 / static_cast<double>(count.offset)}})};
  }
  if (name == "prod")
    return {g.apply("div", {g.apply("mul", {wide, spread(call, call.out(0))}), call.in(0)})};
  // Equal extremes share it.
  const ValueId taken = g.apply("equal", {call.in(0), spread(call, call.out(0))});
  const ValueId ones =
      g.apply("cast", {taken}, {{"to", std::string(name_of(g.type(call.in(0)).dtype))}});
  const ValueId shares = spread(call, g.apply("sum", {ones}, call.attributes()));
  return {g.apply("mul", {wide, g.apply("div", {ones, shares})})};
}

// `apart`: no two numbers so near that a small change makes another one the largest.
std::vector<OpSample> samples(bool apart) {
  constexpr bool differentiable = true;
  const auto make = [&](const char* name, Shape shape, const char* axes, bool keep, bool slopes) {
    OpSample sample{
        name, {random_tensor(std::move(shape), 1)}, {{"axes", std::string(axes)}, {"keep", keep}}};
    if (slopes && differentiable) sample.differentiable = {0};
    if (apart) {
      float* x = sample.inputs[0].as<float>();
      const std::int64_t size = sample.inputs[0].size();
      for (std::int64_t i = 0; i < size; ++i)
        x[i] = 0.2f * static_cast<float>(i * 7919 % std::max<std::int64_t>(1, size) - size / 2);
    }
    return sample;
  };
  return {make("planes", {2, 3, 4, 4}, "2,3", true, true), make("rows", {5, 7}, "1", false, true),
          make("all", {3, 4}, "0,1", false, true), make("none", {3, 4}, "", false, true),
          make("first", {6, 5, 3}, "0", false, true)};
}

Op reduction_op(const Reduction& one) {
  Op op{{one.name, one.summary, options()}, 1, 1, {"x"}};
  op.infer = [&one](const OpTypes& t) -> std::vector<ValueType> {
    if (t[0].dtype == DType::boolean) fail_shapes(one.name, "numbers", t);
    const auto axes = axes_of(*t.attributes, t[0].dims.size(), &t, one.name);
    return {{t[0].dtype, reduced(t[0].dims, axes, t.attributes->boolean("keep"))}};
  };
  op.reference = [&one](const OpCall& call) { reduce(one, call); };
  op.gradient = [&one](const GradientCall& call) { return gradient(one.name, call); };
  const bool extreme = one.name == std::string("max") || one.name == std::string("min");
  op.samples = [extreme] { return samples(extreme); };
  return op;
}

// arg_max and arg_min.
Op place_op(const char* name, const char* summary, bool largest) {
  Op op{{name,
         summary,
         {{"axis", OptionType::integer, {}, "the dimension", 0, 7},
          {"keep", OptionType::boolean, false, "it stays, with size 1"},
          {"last", OptionType::boolean, false, "of equal ones the last instead of the first"}}},
        1,
        1,
        {"x"}};
  op.infer = [name](const OpTypes& t) -> std::vector<ValueType> {
    const std::int64_t axis = t.attributes->integer("axis");
    if (axis >= static_cast<std::int64_t>(t[0].dims.size()))
      fail_shapes(name, "an axis of its dimensions", t);
    return {{DType::i64, reduced(t[0].dims, {axis}, t.attributes->boolean("keep"))}};
  };
  op.reference = [largest](const OpCall& call) {
    const Tensor& x = call.in(0);
    const std::int64_t axis = call.attributes->integer("axis");
    const bool last = call.attributes->boolean("last");
    const std::int64_t stride = strides_of(x.shape())[static_cast<std::size_t>(axis)];
    const std::int64_t size = x.shape()[static_cast<std::size_t>(axis)];
    std::vector<std::int64_t> best(static_cast<std::size_t>(call.out(0).size()), -1);
    if (size == 0 && !best.empty())
      throw Error(ErrorCode::invalid_argument, "an extreme of no numbers has no place");
    for_each_element(x.shape(), {axis}, [&](std::int64_t to, std::int64_t from) {
      std::int64_t& chosen = best[static_cast<std::size_t>(to)];
      if (chosen >= 0) {
        const double a = real_at(x, from), b = real_at(x, chosen);
        const bool better = largest ? a > b : a < b;
        if (!better && !(last && a == b)) return;
      }
      chosen = from;
    });
    for (std::size_t i = 0; i < best.size(); ++i)
      set_integer(call.out(0), static_cast<std::int64_t>(i), best[i] / stride % size);
  };
  op.samples = []() -> std::vector<OpSample> {
    return {{"rows", {random_tensor({5, 7}, 1)}, {{"axis", std::int64_t{1}}}},
            {"columns", {random_tensor({5, 7}, 2)}, {{"axis", std::int64_t{0}}, {"keep", true}}},
            {"ties",
             {f32_tensor({2, 3}, {1, 1, 0, 2, 3, 3})},
             {{"axis", std::int64_t{1}}, {"last", true}}}};
  };
  return op;
}

}  // namespace reduce_family
}  // namespace

std::vector<Op> op_reduce_family() {
  using namespace reduce_family;
  std::vector<Op> ops;
  for (const Reduction& one : reductions()) ops.push_back(reduction_op(one));
  ops.push_back(place_op("arg_max", "where the largest number of a dimension is", true));
  ops.push_back(place_op("arg_min", "where the smallest number of a dimension is", false));
  return ops;
}

}  // namespace hone
