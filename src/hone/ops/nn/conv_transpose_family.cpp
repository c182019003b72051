// What convolution is differentiated by: conv_transpose (in its input; an op of networks too) and
// conv_grad_weight. With x [N,C,...], w [C,O/G,...] and g the group of c:
// y[n, g O/G + o, p stride - before + k dilation] += x[n,c,p] w[c,o,k], plus b[o].
#include <functional>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/window.hpp"

namespace hone {
namespace {
namespace conv_transpose_family {

std::vector<std::int64_t> taps_of(const std::vector<Dim>& weight) {
  std::vector<std::int64_t> kernel;
  for (std::size_t i = 2; i < weight.size(); ++i) kernel.push_back(weight[i].offset);
  return kernel;
}

OptionSpec groups_option() {
  return {
      "groups", OptionType::integer, std::int64_t{1}, "parts of the channels that stay apart", 1,
      1e6};
}

// Calls f(p, k, place) for each place p of the small plane and each tap k of the kernel that lies
// in the large plane, there at `place`.
template <typename F>
void for_each_tap(const Shape& small, const Shape& large, const Window& window, const F& f) {
  if (element_count(small) == 0 || element_count(large) == 0) return;
  const std::vector<std::int64_t> steps = strides_of(large);
  std::vector<std::int64_t> at(small.size(), 0);
  std::int64_t p = 0;
  do {
    std::vector<std::int64_t> tap(small.size(), 0);
    std::int64_t k = 0;
    do {
      std::int64_t place = 0;
      bool inside = true;
      for (std::size_t d = 0; d < small.size(); ++d) {
        const std::int64_t i = window_place(window, d, at[d], tap[d]);
        inside = inside && i >= 0 && i < large[d];
        place += i * steps[d];
      }
      if (inside) f(p, k, place);
      ++k;
    } while (advance(tap, window.kernel));
    ++p;
  } while (advance(at, small));
}

Shape behind_channels(const Tensor& tensor) {
  return {tensor.shape().begin() + 2, tensor.shape().end()};
}

std::vector<ValueType> infer_transpose(const OpTypes& t) {
  const std::vector<Dim>&x = t[0].dims, &w = t[1].dims;
  const std::int64_t groups = t.attributes->integer("groups");
  bool good = x.size() >= 3 && x.size() <= 5 && w.size() == x.size() && is_real(t[0].dtype) &&
              t[1].dtype == t[0].dtype;
  for (std::size_t i = 0; good && i < w.size(); ++i) good = w[i].is_fixed();
  good = good && x[1] == w[0] && w[0].offset % groups == 0;
  const Dim filters = good ? Dim(w[1].offset * groups) : Dim(0);
  if (good && t.has(2))
    good = t[2].dtype == t[0].dtype && t[2].dims.size() == 1 && t[2].dims[0] == filters;
  if (!good)
    fail_shapes("conv_transpose", "x [N,C,...], w [C,O/groups,...] of one real type, b [O]", t);
  const Window window = window_of(*t.attributes, taps_of(w), "conv_transpose");
  const std::vector<Dim> given = parse_dims(t.attributes->text("sizes"));
  if (!given.empty() && given.size() != window.rank())
    fail_shapes("conv_transpose", "a size for each dimension behind the channels", t);
  ValueType y{t[0].dtype, {x[0], filters}};
  for (std::size_t d = 0; d < window.rank(); ++d) {
    const Dim reached = add(multiply(subtract(x[d + 2], Dim(1)), Dim(window.strides[d])),
                            Dim(window.reach(d) - window.before[d] - window.after[d]));
    const Dim size = given.empty() ? reached : given[d];
    // (Less than what is reached is said by pads.)
    if ((size.is_fixed() && size.offset < 0) ||
        (size.is_fixed() && reached.is_fixed() && size.offset < reached.offset))
      fail_shapes("conv_transpose", "sizes of at least " + to_string(reached), t);
    y.dims.push_back(size);
  }
  return {y};
}

void transpose_reference(const OpCall& call) {
  const Tensor &x = call.in(0), &w = call.in(1);
  Tensor& y = call.out(0);
  const Shape kernel = behind_channels(w), small = behind_channels(x), large = behind_channels(y);
  const Window window = window_of(*call.attributes, kernel, "conv_transpose");
  const std::int64_t groups = call.attributes->integer("groups");
  const std::int64_t channels = w.shape()[0], filters = w.shape()[1];
  const std::int64_t plane = element_count(large), places = element_count(small),
                     taps = element_count(kernel);
  const std::int64_t own = channels / groups;
  std::vector<double> sums(static_cast<std::size_t>(plane));
  for (std::int64_t n = 0; n < x.shape()[0]; ++n)
    for (std::int64_t o = 0; o < filters * groups; ++o) {
      const std::int64_t group = o / filters;
      std::fill(sums.begin(), sums.end(), call.has(2) ? real_at(call.in(2), o) : 0.0);
      for_each_tap(small, large, window, [&](std::int64_t p, std::int64_t k, std::int64_t place) {
        double sum = 0;
        for (std::int64_t c = group * own; c < (group + 1) * own; ++c)
          sum += real_at(x, (n * channels + c) * places + p) *
                 real_at(w, (c * filters + o % filters) * taps + k);
        sums[static_cast<std::size_t>(place)] += sum;
      });
      for (std::int64_t i = 0; i < plane; ++i)
        set_real(y, (n * filters * groups + o) * plane + i, sums[static_cast<std::size_t>(i)]);
    }
}

std::vector<ValueId> transpose_gradient(const GradientCall& call) {
  Graph& g = call.graph;
  Options attributes = call.attributes();
  attributes.erase("sizes");
  const std::vector<Dim> dims = g.type(call.in(0)).dims;
  ValueId dx = g.apply("conv", {call.grad(), call.in(1)}, attributes);
  // More output than is reached gives places that x does not have.
  for (std::size_t d = 2; d < dims.size(); ++d)
    if (!(g.type(dx).dims[d] == dims[d]))
      dx = g.apply("slice", {dx},
                   {{"axis", static_cast<std::int64_t>(d)},
                    {"begin", std::string("0")},
                    {"end", to_string(dims[d])}});
  attributes.set("kernel", to_text(taps_of(g.type(call.in(1)).dims)));
  const ValueId dw = g.apply("conv_grad_weight", {call.grad(), call.in(0)}, attributes);
  ValueId db = none;
  if (call.in(2) != none) {
    std::vector<std::int64_t> axes{0};
    for (std::size_t d = 2; d < dims.size(); ++d) axes.push_back(static_cast<std::int64_t>(d));
    db = g.apply("sum", {call.grad()}, {{"axes", to_text(axes)}, {"keep", false}});
  }
  return {dx, dw, db};
}

OpSample convolution_sample(const char* name, Shape x, Shape w, std::int64_t bias,
                            Options attributes) {
  OpSample sample{name,
                  {random_tensor(std::move(x), 1), random_tensor(std::move(w), 2, 0.5)},
                  std::move(attributes)};
  sample.differentiable = {0, 1};
  if (bias > 0) {
    sample.inputs.push_back(random_tensor({bias}, 3));
    sample.differentiable.push_back(2);
  }
  return sample;
}

std::vector<OpSample> transpose_samples() {
  const auto text = [](const char* value) { return OptionValue(std::string(value)); };
  return {convolution_sample("plane", {2, 3, 4, 3}, {3, 2, 3, 3}, 2, {}),
          convolution_sample("strided", {1, 2, 3, 4}, {2, 3, 3, 3}, 0,
                             {{"strides", text("2,3")}, {"pads", text("1,0,1,2")}}),
          convolution_sample("sized", {1, 2, 3}, {2, 1, 3}, 1,
                             {{"strides", text("2")}, {"pads", text("1,1")}, {"sizes", text("7")}}),
          convolution_sample("grouped", {1, 4, 3, 3}, {4, 2, 2, 2}, 4,
                             {{"groups", std::int64_t{2}}, {"dilations", text("2,1")}}),
          convolution_sample("volume", {1, 1, 2, 2, 2}, {1, 2, 2, 2, 2}, 2, {})};
}

Op conv_transpose() {
  std::vector<OptionSpec> options = window_options();
  options.push_back(groups_option());
  options.push_back({"sizes", OptionType::text, std::string(),
                     "of what comes out, a dimension each, where more than is reached"});
  Op op{{"conv_transpose", "each number spread by a kernel: convolution turned round", options},
        2,
        3,
        {"x", "w", "b"}};
  op.infer = infer_transpose;
  op.reference = transpose_reference;
  op.gradient = transpose_gradient;
  op.flop = [](const std::vector<Shape>& inputs, const Options&) {
    const Shape& w = inputs[1];
    return 2.0 * static_cast<double>(element_count(inputs[0])) *
           static_cast<double>(element_count(w)) / static_cast<double>(w[0] == 0 ? 1 : w[0]);
  };
  op.samples = transpose_samples;
  return op;
}

// dw[o,c,k] = sum over n, p of x[n, g C/G + c, p stride - before + k dilation] dy[n,o,p].
Op conv_grad_weight() {
  std::vector<OptionSpec> options = window_options();
  options.push_back(groups_option());
  options.push_back({"kernel", OptionType::text, {}, "sizes of the kernel, a dimension each"});
  Op op{{"conv_grad_weight", "gradient of conv in its weight", options}, 2, 2, {"x", "dy"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::vector<Dim>&x = t[0].dims, &dy = t[1].dims;
    const std::int64_t groups = t.attributes->integer("groups");
    const std::vector<std::int64_t> kernel = integers_of(*t.attributes, "kernel");
    bool good = x.size() >= 3 && x.size() <= 5 && dy.size() == x.size() && is_real(t[0].dtype) &&
                t[1].dtype == t[0].dtype && kernel.size() + 2 == x.size();
    good = good && x[0] == dy[0] && x[1].is_fixed() && dy[1].is_fixed() &&
           x[1].offset % groups == 0 && dy[1].offset % groups == 0;
    if (!good) fail_shapes("conv_grad_weight", "x [N,C,...] and dy [N,O,...] of one real type", t);
    window_of(*t.attributes, kernel, "conv_grad_weight");
    ValueType dw{t[0].dtype, {dy[1], Dim(x[1].offset / groups)}};
    for (const std::int64_t size : kernel) dw.dims.emplace_back(size);
    return {dw};
  };
  op.reference = [](const OpCall& call) {
    const Tensor &x = call.in(0), &dy = call.in(1);
    Tensor& dw = call.out(0);
    const Shape kernel = behind_channels(dw), small = behind_channels(dy),
                large = behind_channels(x);
    const Window window = window_of(*call.attributes, kernel, "conv_grad_weight");
    const std::int64_t groups = call.attributes->integer("groups");
    const std::int64_t filters = dw.shape()[0], own = dw.shape()[1];
    const std::int64_t plane = element_count(large), places = element_count(small),
                       taps = element_count(kernel);
    std::vector<double> sums(static_cast<std::size_t>(dw.size()), 0.0);
    for_each_tap(small, large, window, [&](std::int64_t p, std::int64_t k, std::int64_t place) {
      for (std::int64_t n = 0; n < x.shape()[0]; ++n)
        for (std::int64_t o = 0; o < filters; ++o) {
          const std::int64_t group = o / (filters / groups);
          const double slope = real_at(dy, (n * filters + o) * places + p);
          for (std::int64_t c = 0; c < own; ++c)
            sums[static_cast<std::size_t>((o * own + c) * taps + k)] +=
                slope * real_at(x, (n * own * groups + group * own + c) * plane + place);
        }
    });
    for (std::int64_t i = 0; i < dw.size(); ++i) set_real(dw, i, sums[static_cast<std::size_t>(i)]);
  };
  op.flop = [](const std::vector<Shape>& inputs, const Options& attributes) {
    double taps = 1;
    for (const std::int64_t size : integers_of(attributes, "kernel"))
      taps *= static_cast<double>(size);
    return 2.0 * static_cast<double>(element_count(inputs[1])) * taps *
           static_cast<double>(inputs[0][1]) / static_cast<double>(attributes.integer("groups"));
  };
  op.samples = []() -> std::vector<OpSample> {
    const auto text = [](const char* value) { return OptionValue(std::string(value)); };
    return {{"plane",
             {random_tensor({2, 3, 7, 6}, 1), random_tensor({2, 4, 7, 6}, 2)},
             {{"kernel", text("3,3")}, {"pads", text("1,1,1,1")}}},
            {"strided",
             {random_tensor({1, 2, 9, 8}, 1), random_tensor({1, 3, 4, 4}, 2)},
             {{"kernel", text("3,2")}, {"strides", text("2,2")}}},
            {"depthwise",
             {random_tensor({2, 4, 5}, 1), random_tensor({2, 4, 3}, 2)},
             {{"kernel", text("3")}, {"groups", std::int64_t{4}}}}};
  };
  return op;
}

}  // namespace conv_transpose_family
}  // namespace

std::vector<Op> op_conv_transpose_family() {
  using namespace conv_transpose_family;
  return {conv_grad_weight(), conv_transpose()};
}

}  // namespace hone
