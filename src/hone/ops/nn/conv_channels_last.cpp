// Convolution of planes whose channels lie together, x [N,H,W,C], and what follows it at once:
// y[n,h,w,o] = f(b[o] + add[n,h,w,o] + sum of x over a window w[kh,kw,c,o]), f the identity or
// relu.
#include <algorithm>
#include <limits>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/window.hpp"

namespace hone {
namespace {
namespace conv_channels_last_op {

// What `high` is where there is no bound: infinity has no text.
constexpr double unbounded = std::numeric_limits<float>::max();

std::vector<ValueType> infer(const OpTypes& t) {
  const auto f32 = [&](std::size_t i, std::size_t rank) {
    return t[i].dtype == DType::f32 && t[i].dims.size() == rank;
  };
  const auto fail = [&] {
    fail_shapes("conv_channels_last",
                "x f32[N,H,W,C], w f32[KH,KW,C/groups,O] of fixed sizes, b f32[O], add as y", t);
  };
  if (!f32(0, 4) || !f32(1, 4)) fail();
  const std::vector<Dim>&x = t[0].dims, &w = t[1].dims;
  const std::int64_t groups = t.attributes->integer("groups");
  bool good = x[3] == Dim(w[2].offset * groups) && w[3].offset % groups == 0;
  for (const Dim& size : w) good = good && size.is_fixed();
  if (good && t.has(2)) good = f32(2, 1) && t[2].dims[0] == w[3];
  if (!good) fail();
  const Window window = window_of(*t.attributes, {w[0].offset, w[1].offset}, "conv_channels_last");
  const std::vector<Dim> sizes = window_sizes({x[1], x[2]}, window, "conv_channels_last");
  const ValueType y{DType::f32, {x[0], sizes[0], sizes[1], w[3]}};
  if (t.has(3) && !(t[3] == y)) fail();
  return {y};
}

void reference(const OpCall& call) {
  const Tensor &x = call.in(0), &w = call.in(1);
  Tensor& y = call.out(0);
  const Shape &from = x.shape(), &to = y.shape(), &kernel = w.shape();
  const Window window = window_of(*call.attributes, {kernel[0], kernel[1]}, "conv_channels_last");
  const std::int64_t groups = call.attributes->integer("groups");
  const std::int64_t channels = kernel[2], filters = kernel[3];
  const bool relu = call.attributes->boolean("relu");
  const double bound = call.attributes->real("high");
  const double high = bound < unbounded ? bound : std::numeric_limits<double>::infinity();
  if (y.size() == 0) return;
  std::int64_t i = 0;
  Shape at(4, 0);
  do {
    const std::int64_t o = at[3], first = o / (filters / groups) * channels;
    double sum = call.has(2) ? call.in(2).as<float>()[o] : 0.0;
    if (call.has(3)) sum += call.in(3).as<float>()[i];
    for (std::int64_t r = 0; r < kernel[0]; ++r)
      for (std::int64_t s = 0; s < kernel[1]; ++s) {
        const std::int64_t h = window_place(window, 0, at[1], r);
        const std::int64_t v = window_place(window, 1, at[2], s);
        if (h < 0 || h >= from[1] || v < 0 || v >= from[2]) continue;
        const float* place = x.as<float>() + ((at[0] * from[1] + h) * from[2] + v) * from[3];
        const float* weights = w.as<float>() + (r * kernel[1] + s) * channels * filters + o;
        for (std::int64_t c = 0; c < channels; ++c)
          sum += static_cast<double>(place[first + c]) * weights[c * filters];
      }
    y.as<float>()[i++] = static_cast<float>(!relu ? sum : sum < 0 ? 0 : sum > high ? high : sum);
  } while (advance(at, to));
}

// By the ops of conv_channels_last_grad_family.cpp.
std::vector<ValueId> gradient(const GradientCall& call) {
  Graph& g = call.graph;
  Options attributes = call.attributes();
  ValueId dy = call.grad();
  if (attributes.boolean("relu")) {
    if (attributes.real("high") < unbounded)
      throw Error(ErrorCode::unsupported,
                  "[conv_channels_last] is not differentiated with an upper bound");
    dy = g.apply("relu_grad", {call.out(0), dy});
  }
  for (const char* name : {"relu", "high"}) attributes.erase(name);
  const std::vector<Dim> x = g.type(call.in(0)).dims, w = g.type(call.in(1)).dims;
  const Window window = window_of(attributes, {w[0].offset, w[1].offset}, "conv_channels_last");
  Options of_weight = attributes;
  of_weight.set("kernel", to_text(window.kernel));
  const ValueId dw = g.apply("conv_channels_last_grad_weight", {call.in(0), dy}, of_weight);
  ValueId db = none;
  if (call.in(2) != none)
    db = g.apply("sum", {dy}, {{"axes", std::string("0,1,2")}, {"keep", false}});
  bool turns = attributes.integer("groups") == 1;
  std::vector<std::int64_t> pads;
  for (const auto* side : {&window.before, &window.after})
    for (std::size_t d = 0; d < 2; ++d) {
      turns = turns && window.strides[d] == 1 && (*side)[d] < window.reach(d);
      pads.push_back(window.reach(d) - 1 - (*side)[d]);
    }
  if (turns) {
    attributes.set("pads", to_text(pads));
    return {g.apply("conv_channels_last", {dy, g.apply("turn_kernel", {call.in(1)})}, attributes),
            dw, db, call.in(3) == none ? none : dy};
  }
  attributes.set("sizes", to_string(std::vector<Dim>{x[1], x[2]}));
  return {g.apply("conv_channels_last_grad_input", {dy, call.in(1)}, attributes), dw, db,
          call.in(3) == none ? none : dy};
}

double flop(const std::vector<Shape>& inputs, const Options& attributes) {
  const Shape &x = inputs[0], &w = inputs[1];
  const Window window = window_of(attributes, {w[0], w[1]}, "conv_channels_last");
  double places = static_cast<double>(x[0]);
  for (const Dim& size : window_sizes({Dim(x[1]), Dim(x[2])}, window, "conv_channels_last"))
    places *= static_cast<double>(size.offset);
  return 2.0 * places * static_cast<double>(element_count(w));
}

std::vector<OpSample> samples() {
  // (The shape of y where something is added.)
  const auto make = [](const char* name, Shape x, Shape w, bool bias, Options attributes,
                       Shape add = {}) {
    const double fan_in = static_cast<double>(w[0] * w[1] * w[2]);
    OpSample sample{name,
                    {random_tensor(std::move(x), 1), random_tensor(w, 2, 1 / std::sqrt(fan_in)),
                     bias ? random_tensor({w[3]}, 3) : Tensor(),
                     add.empty() ? Tensor() : random_tensor(std::move(add), 4)},
                    std::move(attributes)};
    if (sample.inputs[0].size() < 1000 && sample.inputs[1].size() < 300)
      for (int i = 0; i < 4; ++i)
        if (!sample.inputs[static_cast<std::size_t>(i)].empty()) sample.differentiable.push_back(i);
    if (sample.attributes.contains("relu")) sample.differentiable.clear();
    return sample;
  };
  const auto text = [](const char* value) { return std::string(value); };
  std::vector<OpSample> all{
      make("three by three", {2, 7, 6, 16}, {3, 3, 16, 24}, true,
           {{"pads", text("1,1,1,1")}, {"relu", true}}, {2, 7, 6, 24}),
      make("few channels", {2, 15, 14, 3}, {7, 7, 3, 16}, true,
           {{"pads", text("3,3,3,3")}, {"strides", text("2,2")}}),
      make("strided", {1, 9, 9, 20}, {3, 3, 20, 70}, false,
           {{"strides", text("2,2")}, {"pads", text("1,0,1,2")}, {"relu", true}, {"high", 0.25}}),
      make("one by one", {2, 4, 4, 37}, {1, 1, 37, 6}, true, {}, {2, 4, 4, 6}),
      make("one by one, strided", {3, 7, 7, 8}, {1, 1, 8, 64}, true, {{"strides", text("2,2")}}),
      make(
          "depthwise", {1, 6, 6, 19}, {3, 3, 1, 19}, true,
          {{"groups", std::int64_t{19}}, {"pads", text("1,1,1,1")}, {"relu", true}, {"high", 0.5}}),
      make("groups", {2, 5, 5, 18}, {3, 3, 9, 34}, false,
           {{"groups", std::int64_t{2}}, {"dilations", text("2,1")}}),
      // (Tiles of 6 x 6 lose two digits.)
      make("tiles", {6, 9, 13, 32}, {3, 3, 32, 96}, true,
           {{"pads", text("1,1,1,1")}, {"relu", true}, {"high", 1.0}}, {6, 9, 13, 96}),
      make("pads wider than the kernel", {1, 5, 5, 2}, {2, 2, 2, 3}, true,
           {{"pads", text("4,5,3,4")}}),
      make("tiles without pads", {9, 10, 8, 19}, {3, 3, 19, 37}, false, {}),
      make("tiles, few of them", {1, 14, 13, 16}, {3, 3, 16, 137}, true,
           {{"pads", text("1,1,1,1")}, {"relu", true}}, {1, 14, 13, 137}),
      make("small", {1, 5, 4, 3}, {3, 2, 3, 2}, true, {{"pads", text("1,1,1,0")}}, {1, 5, 4, 2}),
      make("small, strided", {1, 5, 6, 2}, {3, 3, 2, 2}, false,
           {{"strides", text("2,2")}, {"pads", text("1,1,1,1")}}),
      make("no planes", {0, 4, 4, 8}, {3, 3, 8, 8}, true, {})};
  for (OpSample& sample : all)
    if (sample.name.rfind("tiles", 0) == 0) sample.tolerance = 5e-5;
  return all;
}

}  // namespace conv_channels_last_op
}  // namespace

Op op_conv_channels_last() {
  using namespace conv_channels_last_op;
  std::vector<OptionSpec> options = window_options();
  options.push_back({"groups", OptionType::integer, std::int64_t{1},
                     "parts of the channels that stay apart", 1, 1e6});
  options.push_back({"relu", OptionType::boolean, false, "negative results become 0"});
  options.push_back({"high", OptionType::real, unbounded, "with relu: the largest result", 0});
  Op op{{"conv_channels_last", "convolution, bias, addition and relu of x [N,H,W,C]", options},
        2,
        4,
        {"x", "w", "b", "add"}};
  op.slots = {.data = {0}, .weight = 1, .bias = 2};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.flop = flop;
  op.samples = samples;
  return op;
}

}  // namespace hone
