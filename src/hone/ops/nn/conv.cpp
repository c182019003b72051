// Convolution over the last dimensions (as networks mean it: the kernel is not turned):
// y[n,o,p] = sum over c, k of x[n, g C/G + c, p stride - before + k dilation] w[o,c,k], g the group
// of o; plus b[o].
#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/window.hpp"

namespace hone {
namespace {
namespace conv_op {

std::vector<std::int64_t> kernel_of(const std::vector<Dim>& weight) {
  std::vector<std::int64_t> kernel;
  for (std::size_t i = 2; i < weight.size(); ++i) kernel.push_back(weight[i].offset);
  return kernel;
}

std::vector<ValueType> infer(const OpTypes& t) {
  const std::vector<Dim>&x = t[0].dims, &w = t[1].dims;
  const std::int64_t groups = t.attributes->integer("groups");
  bool good = x.size() >= 3 && x.size() <= 5 && w.size() == x.size() && is_real(t[0].dtype) &&
              t[1].dtype == t[0].dtype;
  for (std::size_t i = 0; good && i < w.size(); ++i) good = w[i].is_fixed();
  good = good && x[1] == Dim(w[1].offset * groups) && w[0].offset % groups == 0;
  if (good && t.has(2))
    good = t[2].dtype == t[0].dtype && t[2].dims.size() == 1 && t[2].dims[0] == w[0];
  if (!good) fail_shapes("conv", "x [N,C,...], w [O,C/groups,...] of one real type, b [O]", t);
  const Window window = window_of(*t.attributes, kernel_of(w), "conv");
  ValueType y{t[0].dtype, {x[0], w[0]}};
  for (Dim& size : window_sizes({x.begin() + 2, x.end()}, window, "conv")) y.dims.push_back(size);
  return {y};
}

void reference(const OpCall& call) {
  const Tensor &x = call.in(0), &w = call.in(1);
  Tensor& y = call.out(0);
  const Shape kernel(w.shape().begin() + 2, w.shape().end());
  const Window window = window_of(*call.attributes, kernel, "conv");
  const std::int64_t groups = call.attributes->integer("groups");
  const std::int64_t channels = w.shape()[1], filters = w.shape()[0];
  const Shape from(x.shape().begin() + 2, x.shape().end()),
      to(y.shape().begin() + 2, y.shape().end());
  const std::int64_t plane = element_count(from), places = element_count(to),
                     taps = element_count(kernel);
  const std::vector<std::int64_t> steps = strides_of(from);
  if (y.size() == 0) return;
  // Where each tap of each place lies in its plane; -1 outside.
  std::vector<std::int64_t> taken(static_cast<std::size_t>(places * taps));
  std::vector<std::int64_t> place(to.size(), 0);
  for (std::int64_t p = 0; p < places; ++p) {
    std::vector<std::int64_t> tap(kernel.size(), 0);
    for (std::int64_t k = 0; k < taps; ++k) {
      std::int64_t at = 0;
      bool inside = true;
      for (std::size_t d = 0; d < kernel.size(); ++d) {
        const std::int64_t i = window_place(window, d, place[d], tap[d]);
        inside = inside && i >= 0 && i < from[d];
        at += i * steps[d];
      }
      taken[static_cast<std::size_t>(p * taps + k)] = inside ? at : -1;
      advance(tap, kernel);
    }
    advance(place, to);
  }
  for (std::int64_t n = 0; n < x.shape()[0]; ++n)
    for (std::int64_t o = 0; o < filters; ++o) {
      const std::int64_t group = o / (filters / groups);
      for (std::int64_t p = 0; p < places; ++p) {
        double sum = call.has(2) ? real_at(call.in(2), o) : 0;
        for (std::int64_t c = 0; c < channels; ++c) {
          const std::int64_t base = (n * channels * groups + group * channels + c) * plane;
          const std::int64_t weights = (o * channels + c) * taps;
          for (std::int64_t k = 0; k < taps; ++k) {
            const std::int64_t at = taken[static_cast<std::size_t>(p * taps + k)];
            if (at >= 0) sum += real_at(x, base + at) * real_at(w, weights + k);
          }
        }
        set_real(y, (n * filters + o) * places + p, sum);
      }
    }
}

// By the ops of conv_transpose_family.cpp.
std::vector<ValueId> gradient(const GradientCall& call) {
  Graph& g = call.graph;
  Options attributes = call.attributes();
  const std::vector<Dim> x = g.type(call.in(0)).dims, w = g.type(call.in(1)).dims;
  attributes.set("kernel", to_text(kernel_of(w)));
  const ValueId dw = g.apply("conv_grad_weight", {call.in(0), call.grad()}, attributes);
  attributes.erase("kernel");
  attributes.set("sizes", to_string(std::vector<Dim>(x.begin() + 2, x.end())));
  const ValueId dx = g.apply("conv_transpose", {call.grad(), call.in(1)}, attributes);
  ValueId db = none;
  if (call.in(2) != none) {
    std::vector<std::int64_t> axes{0};
    for (std::size_t d = 2; d < x.size(); ++d) axes.push_back(static_cast<std::int64_t>(d));
    db = g.apply("sum", {call.grad()}, {{"axes", to_text(axes)}, {"keep", false}});
  }
  return {dx, dw, db};
}

double flop(const std::vector<Shape>& inputs, const Options& attributes) {
  const Shape& w = inputs[1];
  std::vector<Dim> dims(inputs[0].begin() + 2, inputs[0].end());
  const Window window = window_of(attributes, {w.begin() + 2, w.end()}, "conv");
  double places = static_cast<double>(inputs[0][0]);
  for (const Dim& size : window_sizes(dims, window, "conv"))
    places *= static_cast<double>(size.offset);
  return 2.0 * places * static_cast<double>(element_count(w));
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, Shape x, Shape w, bool bias, Options attributes) {
    OpSample sample{
        name, {random_tensor(std::move(x), 1), random_tensor(w, 2, 0.5)}, std::move(attributes)};
    sample.differentiable = {0, 1};
    if (bias) {
      sample.inputs.push_back(random_tensor({w[0]}, 3));
      sample.differentiable.push_back(2);
    }
    return sample;
  };
  return {make("plane", {2, 3, 7, 6}, {4, 3, 3, 3}, true, {{"pads", std::string("1,1,1,1")}}),
          make("strided", {1, 2, 9, 9}, {3, 2, 3, 3}, false,
               {{"strides", std::string("2,2")}, {"pads", std::string("1,0,1,2")}}),
          make("one by one", {2, 5, 4, 4}, {6, 5, 1, 1}, true, {}),
          make("depthwise", {1, 4, 6, 6}, {4, 1, 3, 3}, true, {{"groups", std::int64_t{4}}}),
          make("dilated", {1, 2, 9}, {2, 2, 3}, false, {{"dilations", std::string("2")}}),
          make("volume", {1, 2, 4, 4, 4}, {2, 2, 2, 2, 2}, true, {})};
}

}  // namespace conv_op
}  // namespace

Op op_conv() {
  using namespace conv_op;
  std::vector<OptionSpec> options = window_options();
  options.push_back({"groups", OptionType::integer, std::int64_t{1},
                     "parts of the channels that stay apart", 1, 1e6});
  Op op{{"conv", "convolution over one to three dimensions", options}, 2, 3, {"x", "w", "b"}};
  op.slots = {.data = {0}, .weight = 1, .bias = 2, .planes = true};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.flop = flop;
  op.samples = samples;
  return op;
}

}  // namespace hone
