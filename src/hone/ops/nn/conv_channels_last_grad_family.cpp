// Gradients of conv_channels_last, x [N,H,W,C], w [KH,KW,C/groups,O], y [N,OH,OW,O]:
//   dw[r,s,c,o] = sum over n, places p of x at p's tap (r,s) dy[n,p,o]
//   dx[n,q,c]   = sum over places p and taps that meet q there of dy[n,p,o] w[r,s,c,o]
// With strides of 1 the second is itself a convolution, by the kernel turned around.
#include <cmath>

#include <fmt/format.h>

#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/window.hpp"

namespace hone {
namespace {
namespace conv_channels_last_grad_family {

std::vector<OptionSpec> convolution_options() {
  std::vector<OptionSpec> options = window_options();
  options.push_back({"groups", OptionType::integer, std::int64_t{1},
                     "parts of the channels that stay apart", 1, 1e6});
  return options;
}

bool is_planes(const ValueType& type) { return type.dtype == DType::f32 && type.dims.size() == 4; }

// Calls take(place in x, place in dy, tap) for each pair that meets: numbers of places in their
// tensors, without channels.
template <typename Take>
void for_each_meeting(const Shape& x, const Shape& y, const Window& window, const Take& take) {
  for (std::int64_t n = 0; n < y[0]; ++n)
    for (std::int64_t h = 0; h < y[1]; ++h)
      for (std::int64_t w = 0; w < y[2]; ++w)
        for (std::int64_t r = 0; r < window.kernel[0]; ++r)
          for (std::int64_t s = 0; s < window.kernel[1]; ++s) {
            const std::int64_t i = window_place(window, 0, h, r);
            const std::int64_t j = window_place(window, 1, w, s);
            if (i < 0 || i >= x[1] || j < 0 || j >= x[2]) continue;
            take((n * x[1] + i) * x[2] + j, (n * y[1] + h) * y[2] + w, r * window.kernel[1] + s);
          }
}

Op weight_op() {
  std::vector<OptionSpec> options = convolution_options();
  options.push_back({"kernel", OptionType::text, {}, "sizes of the kernel, a dimension each"});
  Op op{{"conv_channels_last_grad_weight", "gradient of conv_channels_last's kernel", options},
        2,
        2,
        {"x", "dy"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::int64_t groups = t.attributes->integer("groups");
    const auto fail = [&] {
      fail_shapes("conv_channels_last_grad_weight",
                  "x f32[N,H,W,C], dy f32[N,OH,OW,O] of what a window of the kernel's gives", t);
    };
    if (!is_planes(t[0]) || !is_planes(t[1])) fail();
    const std::vector<Dim>&x = t[0].dims, &y = t[1].dims;
    const Window window = window_of(*t.attributes, integers_of(*t.attributes, "kernel"),
                                    "conv_channels_last_grad_weight");
    if (window.rank() != 2 || !x[3].is_fixed() || !y[3].is_fixed() || x[3].offset % groups != 0 ||
        y[3].offset % groups != 0)
      fail();
    const std::vector<Dim> sizes =
        window_sizes({x[1], x[2]}, window, "conv_channels_last_grad_weight");
    if (!(y[0] == x[0] && y[1] == sizes[0] && y[2] == sizes[1])) fail();
    return {{DType::f32, {window.kernel[0], window.kernel[1], x[3].offset / groups, y[3]}}};
  };
  op.reference = [](const OpCall& call) {
    const Tensor &x = call.in(0), &dy = call.in(1);
    const Shape& w = call.out(0).shape();
    const Window window = window_of(*call.attributes, {w[0], w[1]}, "conv_channels_last");
    const std::int64_t groups = call.attributes->integer("groups");
    std::vector<double> sums(static_cast<std::size_t>(call.out(0).size()));
    for_each_meeting(
        x.shape(), dy.shape(), window, [&](std::int64_t from, std::int64_t to, std::int64_t tap) {
          for (std::int64_t c = 0; c < w[2]; ++c)
            for (std::int64_t o = 0; o < w[3]; ++o)
              sums[static_cast<std::size_t>((tap * w[2] + c) * w[3] + o)] +=
                  static_cast<double>(
                      x.as<float>()[from * x.shape()[3] + o / (w[3] / groups) * w[2] + c]) *
                  dy.as<float>()[to * w[3] + o];
        });
    for (std::size_t i = 0; i < sums.size(); ++i)
      call.out(0).as<float>()[i] = static_cast<float>(sums[i]);
  };
  op.flop = [](const std::vector<Shape>& inputs, const Options& attributes) {
    const std::vector<std::int64_t> kernel = integers_of(attributes, "kernel");
    return 2.0 * static_cast<double>(element_count(inputs[1])) *
           static_cast<double>(kernel[0] * kernel[1] * inputs[0][3]) /
           static_cast<double>(attributes.integer("groups"));
  };
  return op;
}

Op input_op() {
  std::vector<OptionSpec> options = convolution_options();
  options.push_back({"sizes", OptionType::text, {}, "height and width of x"});
  Op op{{"conv_channels_last_grad_input", "gradient of what conv_channels_last reads", options},
        2,
        2,
        {"dy", "w"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::int64_t groups = t.attributes->integer("groups");
    const auto fail = [&] {
      fail_shapes("conv_channels_last_grad_input",
                  "dy f32[N,OH,OW,O] of what the window gives of x, w f32[KH,KW,C/groups,O]", t);
    };
    if (!is_planes(t[0]) || !is_planes(t[1])) fail();
    const std::vector<Dim>&y = t[0].dims, &w = t[1].dims;
    for (const Dim& dim : w)
      if (!dim.is_fixed()) fail();
    const std::vector<Dim> sizes = parse_dims(t.attributes->text("sizes"));
    if (sizes.size() != 2) fail();
    const Window window =
        window_of(*t.attributes, {w[0].offset, w[1].offset}, "conv_channels_last_grad_input");
    const std::vector<Dim> given = window_sizes(sizes, window, "conv_channels_last_grad_input");
    if (!(y[1] == given[0] && y[2] == given[1] && y[3] == w[3])) fail();
    return {{DType::f32, {y[0], sizes[0], sizes[1], w[2].offset * groups}}};
  };
  op.reference = [](const OpCall& call) {
    const Tensor &dy = call.in(0), &weight = call.in(1);
    const Shape &w = weight.shape(), &x = call.out(0).shape();
    const Window window = window_of(*call.attributes, {w[0], w[1]}, "conv_channels_last");
    const std::int64_t groups = call.attributes->integer("groups");
    std::vector<double> sums(static_cast<std::size_t>(call.out(0).size()));
    for_each_meeting(
        x, dy.shape(), window, [&](std::int64_t to, std::int64_t from, std::int64_t tap) {
          for (std::int64_t c = 0; c < w[2]; ++c)
            for (std::int64_t o = 0; o < w[3]; ++o)
              sums[static_cast<std::size_t>(to * x[3] + o / (w[3] / groups) * w[2] + c)] +=
                  static_cast<double>(dy.as<float>()[from * w[3] + o]) *
                  weight.as<float>()[(tap * w[2] + c) * w[3] + o];
        });
    for (std::size_t i = 0; i < sums.size(); ++i)
      call.out(0).as<float>()[i] = static_cast<float>(sums[i]);
  };
  op.flop = [](const std::vector<Shape>& inputs, const Options&) {
    return 2.0 * static_cast<double>(element_count(inputs[0])) *
           static_cast<double>(inputs[1][0] * inputs[1][1] * inputs[1][2]);
  };
  return op;
}

// w [KH,KW,C,O] to [KH,KW,O,C], both dimensions of the plane in the opposite order.
Op turn_op() {
  Op op{{"turn_kernel",
         "a kernel of conv_channels_last turned around, channels and filters "
         "exchanged"},
        1,
        1,
        {"w"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    if (!is_planes(t[0])) fail_shapes("turn_kernel", "w f32[KH,KW,C,O]", t);
    const std::vector<Dim>& w = t[0].dims;
    return {{DType::f32, {w[0], w[1], w[3], w[2]}}};
  };
  op.reference = [](const OpCall& call) {
    const Shape& w = call.in(0).shape();
    const std::int64_t taps = w[0] * w[1];
    for (std::int64_t t = 0; t < taps; ++t)
      for (std::int64_t c = 0; c < w[2]; ++c)
        for (std::int64_t o = 0; o < w[3]; ++o)
          call.out(0).as<float>()[((taps - 1 - t) * w[3] + o) * w[2] + c] =
              call.in(0).as<float>()[(t * w[2] + c) * w[3] + o];
  };
  op.samples = [] {
    return std::vector<OpSample>{{"three by three", {random_tensor({3, 3, 5, 18}, 1)}, {}},
                                 {"uneven", {random_tensor({2, 3, 33, 4}, 1)}, {}}};
  };
  return op;
}

struct Case {
  const char* name;
  Shape x, w;
  Options attributes;
  // Kernels may take tiles for the gradient of w, which lose two digits of what sums typically are.
  bool tiled = false;
};

std::vector<Case> cases() {
  const auto text = [](const char* value) { return std::string(value); };
  return {
      {"three by three", {2, 7, 6, 16}, {3, 3, 16, 24}, {{"pads", text("1,1,1,1")}}, true},
      {"few channels",
       {2, 15, 14, 3},
       {7, 7, 3, 16},
       {{"pads", text("3,3,3,3")}, {"strides", text("2,2")}}},
      {"strided",
       {3, 9, 9, 20},
       {3, 3, 20, 70},
       {{"strides", text("2,2")}, {"pads", text("1,0,1,2")}}},
      {"one by one", {2, 4, 4, 37}, {1, 1, 37, 6}, {}},
      {"one by one, strided", {3, 7, 7, 8}, {1, 1, 8, 64}, {{"strides", text("2,2")}}},
      {"many channels", {5, 4, 4, 130}, {3, 3, 130, 70}, {{"pads", text("1,1,1,1")}}},
      {"depthwise",
       {3, 6, 6, 19},
       {3, 3, 1, 19},
       {{"groups", std::int64_t{19}}, {"pads", text("1,1,1,1")}}},
      {"depthwise, strided",
       {2, 7, 8, 32},
       {3, 3, 1, 32},
       {{"groups", std::int64_t{32}}, {"pads", text("1,1,1,1")}, {"strides", text("2,2")}}},
      {"groups",
       {2, 5, 5, 18},
       {3, 3, 9, 34},
       {{"groups", std::int64_t{2}}, {"dilations", text("2,1")}}},
      {"tiles", {6, 9, 13, 32}, {3, 3, 32, 96}, {{"pads", text("1,1,1,1")}}, true},
      {"tiles without pads", {9, 10, 8, 19}, {3, 3, 19, 37}, {}, true},
      {"tiles, many of them", {2, 118, 121, 16}, {3, 3, 16, 17}, {{"pads", text("1,0,1,1")}}, true},
      {"tiles of many channels",
       {5, 7, 5, 200},
       {3, 3, 200, 210},
       {{"pads", text("1,1,1,1")}},
       true},
      {"many channels, strided",
       {3, 20, 21, 130},
       {3, 3, 130, 70},
       {{"strides", text("2,2")}, {"pads", text("1,1,1,1")}}},
      {"many places", {4, 20, 20, 64}, {1, 1, 64, 64}, {}},
      {"many places, few channels", {4, 33, 33, 12}, {5, 3, 12, 8}, {{"pads", text("2,1,2,1")}}},
      {"no planes", {0, 4, 4, 8}, {3, 3, 8, 8}, {}},
      {"no planes of tiles", {0, 4, 4, 16}, {3, 3, 16, 16}, {}}};
}

std::vector<OpSample> gradient_samples(bool of_weight) {
  std::vector<OpSample> all;
  for (const Case& one : cases()) {
    Options attributes = one.attributes;
    const Window window = window_of(complete_options(convolution_options(), attributes, one.name),
                                    {one.w[0], one.w[1]}, one.name);
    const std::vector<Dim> sizes = window_sizes({one.x[1], one.x[2]}, window, one.name);
    const std::int64_t places = one.x[0] * sizes[0].offset * sizes[1].offset;
    const bool tiled = of_weight && one.tiled;
    const double scale = tiled ? 1 / std::sqrt(static_cast<double>(places)) : 0.2;
    const Tensor dy =
        random_tensor({one.x[0], sizes[0].offset, sizes[1].offset, one.w[3]}, 2, scale);
    if (of_weight) {
      attributes.set("kernel", fmt::format("{},{}", one.w[0], one.w[1]));
      all.push_back({one.name, {random_tensor(one.x, 1), dy}, attributes});
    } else {
      attributes.set("sizes", fmt::format("{},{}", one.x[1], one.x[2]));
      all.push_back({one.name, {dy, random_tensor(one.w, 1, 0.2)}, attributes});
    }
    all.back().tolerance = tiled ? 5e-5 : 2e-5;
  }
  return all;
}

}  // namespace conv_channels_last_grad_family
}  // namespace

std::vector<Op> op_conv_channels_last_grad_family() {
  using namespace conv_channels_last_grad_family;
  Op weight = weight_op(), input = input_op();
  weight.samples = [] { return gradient_samples(true); };
  input.samples = [] { return gradient_samples(false); };
  return {weight, input, turn_op()};
}

}  // namespace hone
