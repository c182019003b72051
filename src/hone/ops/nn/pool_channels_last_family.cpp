// The largest number or the mean of each window of planes whose channels lie together, x [N,H,W,C].
#include <cmath>
#include <limits>

#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/window.hpp"

namespace hone {
namespace {
namespace pool_channels_last_family {

Window window_of_pool(const Options& attributes) {
  return window_of(attributes, integers_of(attributes, "kernel"), "pool_channels_last");
}

std::vector<ValueType> infer(const OpTypes& t) {
  const Window window = window_of_pool(*t.attributes);
  const std::vector<Dim>& x = t[0].dims;
  if (t[0].dtype != DType::f32 || x.size() != 4 || window.rank() != 2)
    fail_shapes("pool_channels_last", "x f32[N,H,W,C] and a window of two sizes", t);
  const std::vector<Dim> sizes =
      window_sizes({x[1], x[2]}, window, "pool_channels_last", t.attributes->boolean("up"));
  return {{DType::f32, {x[0], sizes[0], sizes[1], x[3]}}};
}

// Calls body(place) for each number of x [N,H,W,C] that the window of the result at `at` holds.
// Returns how many places it has, those of padding too.
template <typename Body>
std::int64_t visit_window(const Window& window, const Shape& x, const Shape& at, const Body& body) {
  std::int64_t places = 0;
  for (std::int64_t r = 0; r < window.kernel[0]; ++r)
    for (std::int64_t s = 0; s < window.kernel[1]; ++s) {
      const std::int64_t h = window_place(window, 0, at[1], r);
      const std::int64_t v = window_place(window, 1, at[2], s);
      places += h < x[1] + window.after[0] && v < x[2] + window.after[1] ? 1 : 0;
      if (h >= 0 && h < x[1] && v >= 0 && v < x[2])
        body(((at[0] * x[1] + h) * x[2] + v) * x[3] + at[3]);
    }
  return places;
}

void reference(const OpCall& call) {
  const Shape &from = call.in(0).shape(), &to = call.out(0).shape();
  const Window window = window_of_pool(*call.attributes);
  const bool largest = call.attributes->text("kind") == "max";
  const bool pads = call.attributes->boolean("count_pads");
  if (call.out(0).size() == 0) return;
  std::int64_t i = 0;
  Shape at(4, 0);
  do {
    double result = largest ? -std::numeric_limits<double>::infinity() : 0;
    std::int64_t inside = 0;
    const std::int64_t padded = visit_window(window, from, at, [&](std::int64_t place) {
      ++inside;
      const double x = call.in(0).as<float>()[place];
      if (!largest)
        result += x;
      else if (std::isnan(x) || x > result)
        result = x;
    });
    const std::int64_t count = pads ? padded : inside;
    if (!largest) result = count == 0 ? 0 : result / static_cast<double>(count);
    call.out(0).as<float>()[i++] = static_cast<float>(result);
  } while (advance(at, to));
}

// dx: the slope of a largest number goes to the first that is so large, that of a mean in equal
// parts to all of its window.
void reference_gradient(const OpCall& call) {
  const Shape &from = call.in(0).shape(), &to = call.in(1).shape();
  const Window window = window_of_pool(*call.attributes);
  const bool largest = call.attributes->text("kind") == "max";
  const bool pads = call.attributes->boolean("count_pads");
  std::vector<double> sums(static_cast<std::size_t>(call.in(0).size()));
  if (call.in(1).size() == 0) return;
  std::int64_t i = 0;
  Shape at(4, 0);
  do {
    std::vector<std::int64_t> inside;
    std::int64_t best = -1;
    const std::int64_t padded = visit_window(window, from, at, [&](std::int64_t place) {
      inside.push_back(place);
      if (best < 0 || call.in(0).as<float>()[place] > call.in(0).as<float>()[best]) best = place;
    });
    const double dy = call.in(1).as<float>()[i++];
    if (largest && best >= 0) sums[static_cast<std::size_t>(best)] += dy;
    if (!largest)
      for (const std::int64_t place : inside)
        sums[static_cast<std::size_t>(place)] +=
            dy / static_cast<double>(pads ? padded : std::ssize(inside));
  } while (advance(at, to));
  for (std::size_t k = 0; k < sums.size(); ++k)
    call.out(0).as<float>()[k] = static_cast<float>(sums[k]);
}

// No two so near that a small change makes another one the largest.
Tensor numbers_apart(Shape shape) {
  Tensor x(DType::f32, std::move(shape));
  const std::int64_t count = x.size();
  for (std::int64_t i = 0; i < count; ++i)
    x.as<float>()[i] = 0.2f * std::pow(1.1f, static_cast<float>(i * 7 % 37));
  return x;
}

std::vector<OpSample> samples() {
  std::vector<OpSample> all;
  const auto text = [](const char* value) { return std::string(value); };
  for (const char* kind : {"max", "average"}) {
    const auto add = [&](const char* name, Shape x, Options attributes) {
      attributes.set("kind", std::string(kind));
      all.push_back(
          {std::string(kind) + ", " + name, {numbers_apart(std::move(x))}, std::move(attributes)});
      if (all.back().inputs[0].size() < 300) all.back().differentiable = {0};
    };
    add("plain", {2, 6, 6, 3}, {{"kernel", text("2,2")}, {"strides", text("2,2")}});
    add("padded", {1, 5, 7, 19},
        {{"kernel", text("3,3")}, {"strides", text("2,2")}, {"pads", text("1,1,1,1")}});
    add("up", {1, 6, 6, 16}, {{"kernel", text("3,3")}, {"strides", text("2,2")}, {"up", true}});
    add("no planes", {0, 6, 6, 8}, {{"kernel", text("2,2")}});
  }
  all.push_back({"average, pads count",
                 {random_tensor({1, 5, 5, 9}, 1)},
                 {{"kind", text("average")},
                  {"kernel", text("3,3")},
                  {"pads", text("1,1,1,1")},
                  {"count_pads", true}}});
  return all;
}

std::vector<OptionSpec> pool_options() {
  std::vector<OptionSpec> options = window_options();
  options.insert(options.begin(),
                 {"kernel", OptionType::text, {}, "sizes of the window, a dimension each"});
  OptionSpec kind{"kind", OptionType::text, std::string("max"), "what a window gives"};
  kind.choices = {"max", "average"};
  options.push_back(kind);
  options.push_back(
      {"up", OptionType::boolean, false, "a last window that is not full counts too"});
  options.push_back(
      {"count_pads", OptionType::boolean, false, "of means: places before and behind are zeros"});
  return options;
}

Op pool_op() {
  Op op{{"pool_channels_last", "the largest number or the mean of each window of x [N,H,W,C]",
         pool_options()},
        1,
        1,
        {"x"}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    return {
        call.graph.apply("pool_channels_last_grad", {call.in(0), call.grad()}, call.attributes())};
  };
  op.samples = samples;
  return op;
}

Op gradient_op() {
  Op op{{"pool_channels_last_grad", "gradient of pool_channels_last", pool_options()},
        2,
        2,
        {"x", "dy"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const OpTypes pooled{{t.inputs[0]}, t.attributes};
    const bool planes = t[0].dtype == DType::f32 && t[0].dims.size() == 4 &&
                        window_of_pool(*t.attributes).rank() == 2;
    if (!planes || !(infer(pooled)[0] == t[1]))
      fail_shapes("pool_channels_last_grad", "x, and dy of what is pooled from it", t);
    return {t[0]};
  };
  op.reference = reference_gradient;
  op.samples = [] {
    std::vector<OpSample> all = samples();
    for (OpSample& sample : all) {
      const Op& pool = find_op("pool_channels_last");
      const Tensor x = sample.inputs[0];
      const Tensor y = evaluate_reference(
          pool, {&x}, complete_options(pool.options, sample.attributes, pool.name))[0];
      sample.inputs.push_back(random_tensor(y.shape(), 5));
      sample.differentiable.clear();
    }
    return all;
  };
  return op;
}

}  // namespace pool_channels_last_family
}  // namespace

std::vector<Op> op_pool_channels_last_family() {
  using namespace pool_channels_last_family;
  return {pool_op(), gradient_op()};
}

}  // namespace hone
