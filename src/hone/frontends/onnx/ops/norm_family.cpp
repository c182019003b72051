// ONNX's norms and softmax, made of means, sums and arithmetic.
#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

// The axes from one on.
std::string norm_axes_from(std::int64_t axis, std::size_t rank) {
  std::vector<std::int64_t> axes;
  for (auto i = axis; i < static_cast<std::int64_t>(rank); ++i) axes.push_back(i);
  return to_text(axes);
}

// A number for each channel (dimension 1), repeated.
ValueId channels(OnnxCall& call, ValueId v, const std::vector<Dim>& dims) {
  std::vector<Dim> wide(dims.size(), Dim(1));
  wide[1] = dims[1];
  return call.expanded(call.reshaped(v, wide), dims);
}

ValueId root_of(OnnxCall& call, ValueId variance, double epsilon) {
  const ValueId more = call.apply("offset", {variance}, {{"by", epsilon}});
  return call.apply("sqrt", {more});
}

// Of training: by the mean and variance of the batch, which then move the running ones.
void convert_training_norm(OnnxCall& call, double epsilon, double momentum) {
  const std::vector<Dim> dims = call.type(0).dims;
  std::vector<std::int64_t> axes{0};
  for (std::size_t d = 2; d < dims.size(); ++d) axes.push_back(static_cast<std::int64_t>(d));
  const Options over{{"axes", to_text(axes)}, {"keep", false}};
  const ValueId x = call.in(0);
  const ValueId mean = call.apply("mean", {x}, over);
  const ValueId centred = call.apply("sub", {x, channels(call, mean, dims)});
  const ValueId variance = call.apply("mean", {call.apply("mul", {centred, centred})}, over);
  const ValueId scale = call.apply("div", {call.in(1), root_of(call, variance, epsilon)});
  call.out(0, call.apply("add", {call.apply("mul", {centred, channels(call, scale, dims)}),
                                 channels(call, call.in(2), dims)}));
  const auto moved = [&](std::size_t running, ValueId batch) {
    return call.apply("add", {call.apply("scale", {call.in(running)}, {{"factor", momentum}}),
                              call.apply("scale", {batch}, {{"factor", 1 - momentum}})});
  };
  call.out(1, moved(3, mean));
  call.out(2, moved(4, variance));
}

// Before operator set 9 statistics may be of each place beside the batch (spatial 0); before 7
// outputs beside the first say that it is of training.
void convert_batch_norm(OnnxCall& call) {
  const double epsilon = call.real("epsilon", 1e-5), momentum = call.real("momentum", 0.9);
  const bool spatial = call.opset() >= 9 || call.integer("spatial", 1) != 0;
  call.ignore("is_test");
  if (call.opset() < 14 && call.node().outputs.size() > 1)
    call.refuse("it is of training", "export the model for inference");
  if (call.integer("training_mode", 0) != 0) return convert_training_norm(call, epsilon, momentum);
  const std::vector<Dim> dims = call.type(0).dims;
  if (spatial && dims.size() >= 2 && call.type(1).dtype == call.type(0).dtype)
    return call.out(
        0, call.apply("batch_norm", {call.in(0), call.in(1), call.in(2), call.in(3), call.in(4)},
                      {{"epsilon", epsilon}}));
  const auto wide = [&](ValueId v) {
    return spatial ? channels(call, v, dims) : call.expanded(v, dims);
  };
  const ValueId scale = call.apply("div", {call.in(1), root_of(call, call.in(4), epsilon)});
  const ValueId centred = call.apply("sub", {call.in(0), wide(call.in(3))});
  call.out(0, call.apply("add", {call.apply("mul", {centred, wide(scale)}), wide(call.in(2))}));
}

// y = (x - mean) / sqrt(variance + epsilon) over some dimensions, which stay with size 1 in the
// others.
struct Normalized {
  ValueId y, mean, root;
};
Normalized normalized(OnnxCall& call, ValueId x, const std::string& axes, double epsilon) {
  const std::vector<Dim> dims = call.dims(x);
  const Options over{{"axes", axes}, {"keep", true}};
  const ValueId mean = call.apply("mean", {x}, over);
  const ValueId centred = call.apply("sub", {x, call.expanded(mean, dims)});
  const ValueId variance = call.apply("mean", {call.apply("mul", {centred, centred})}, over);
  const ValueId root = root_of(call, variance, epsilon);
  return {call.apply("div", {centred, call.expanded(root, dims)}), mean, root};
}

void convert_instance_norm(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  const ValueId y =
      normalized(call, call.in(0), norm_axes_from(2, dims.size()), call.real("epsilon", 1e-5)).y;
  call.out(0, call.apply("add", {call.apply("mul", {y, channels(call, call.in(1), dims)}),
                                 channels(call, call.in(2), dims)}));
}

void convert_layer_norm(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  const std::int64_t axis = call.axis(call.integer("axis", -1), dims.size());
  if (call.integer("stash_type", 1) != 1) call.refuse("stash_type is not float");
  const DType dtype = call.type(0).dtype;
  // (Means and roots are of stash_type.)
  const DType stash = dtype == DType::f64 ? DType::f64 : DType::f32;
  const Normalized own = normalized(call, call.cast(call.in(0), stash),
                                    norm_axes_from(axis, dims.size()), call.real("epsilon", 1e-5));
  ValueId y = call.cast(own.y, dtype);
  y = call.apply("mul", {y, call.expanded(call.in(1), dims)});
  if (call.has(2)) y = call.apply("add", {y, call.expanded(call.in(2), dims)});
  call.out(0, y);
  call.out(1, own.mean);
  if (call.node().outputs.size() > 2) call.out(2, call.apply("reciprocal", {own.root}));
}

// x / sqrt(mean of x^2 + epsilon), times a scale.
void convert_rms_norm(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  const std::int64_t axis = call.axis(call.integer("axis", -1), dims.size());
  if (call.integer("stash_type", 1) != 1) call.refuse("stash_type is not float");
  const DType dtype = call.type(0).dtype;
  const ValueId x = call.cast(call.in(0), dtype == DType::f64 ? DType::f64 : DType::f32);
  const ValueId squares = call.apply("mean", {call.apply("mul", {x, x})},
                                     {{"axes", norm_axes_from(axis, dims.size())}, {"keep", true}});
  const ValueId root = root_of(call, squares, call.real("epsilon", 1e-5));
  const ValueId y = call.cast(call.apply("div", {x, call.expanded(root, dims)}), dtype);
  call.out(0, call.apply("mul", {y, call.expanded(call.in(1), dims)}));
}

// Scales and shifts are of groups before operator set 21, of channels from it on.
void convert_group_norm(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  const std::int64_t groups = call.integer("num_groups");
  if (call.integer("stash_type", 1) != 1) call.refuse("stash_type is not float");
  if (dims.size() < 2 || groups < 1 || !dims[1].is_fixed() || dims[1].offset % groups != 0)
    call.fail(fmt::format("its channels do not fall into {} groups", groups));
  std::vector<Dim> apart{dims[0], groups, dims[1].offset / groups};
  apart.insert(apart.end(), dims.begin() + 2, dims.end());
  const DType dtype = call.type(0).dtype;
  const DType stash = dtype == DType::f64 ? DType::f64 : DType::f32;
  ValueId y = normalized(call, call.reshaped(call.cast(call.in(0), stash), apart),
                         norm_axes_from(2, apart.size()), call.real("epsilon", 1e-5))
                  .y;
  y = call.cast(y, dtype);
  const bool of_channels = call.opset() >= 21;
  const std::vector<Dim> shape = of_channels ? dims : apart;
  y = call.reshaped(y, shape);
  y = call.apply("mul", {y, channels(call, call.in(1), shape)});
  y = call.apply("add", {y, channels(call, call.in(2), shape)});
  call.out(0, call.reshaped(y, dims));
}

void convert_mean_variance_norm(OnnxCall& call) {
  const std::size_t rank = call.rank(0);
  const std::vector<std::int64_t> axes =
      call.axes(call.integers("axes", std::vector<std::int64_t>{0, 2, 3}), rank);
  // (The definition's own epsilon, added to the root.)
  const std::vector<Dim> dims = call.type(0).dims;
  const Options over{{"axes", to_text(axes)}, {"keep", true}};
  const ValueId x = call.in(0);
  const ValueId centred =
      call.apply("sub", {x, call.expanded(call.apply("mean", {x}, over), dims)});
  const ValueId variance = call.apply("mean", {call.apply("mul", {centred, centred})}, over);
  const ValueId root = call.apply("offset", {call.apply("sqrt", {variance})}, {{"by", 1e-9}});
  call.out(0, call.apply("div", {centred, call.expanded(root, dims)}));
}

// The p-norm over some dimensions, which stay with size 1.
ValueId norm_of(OnnxCall& call, ValueId x, const std::string& axes, double p) {
  const Options over{{"axes", axes}, {"keep", true}};
  const ValueId size = call.apply("abs", {x});
  if (p == 1) return call.apply("sum", {size}, over);
  if (p == 2) return call.apply("sqrt", {call.apply("sum", {call.apply("mul", {x, x})}, over)});
  const DType dtype = call.graph().type(x).dtype;
  const auto power = [&](ValueId of, double by) {
    return call.apply("pow", {of, call.number(by, dtype, call.dims(of))});
  };
  return power(call.apply("sum", {power(size, p)}, over), 1 / p);
}

void convert_lp_norm(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  const std::int64_t axis = call.axis(call.integer("axis", -1), dims.size());
  const std::int64_t p = call.integer("p", 2);
  if (p != 1 && p != 2) call.fail("attribute 'p' is 1 or 2");
  const ValueId x = call.in(0);
  const ValueId norm = call.expanded(norm_of(call, x, std::to_string(axis), double(p)), dims);
  // Zeros stay zeros.
  const ValueId zero = call.number(0, call.type(0).dtype, dims);
  const ValueId one = call.number(1, call.type(0).dtype, dims);
  const ValueId nothing = call.apply("equal", {norm, zero});
  call.out(0, call.apply("div", {x, call.apply("where", {nothing, one, norm})}));
}

void convert_global_lp(OnnxCall& call) {
  const double p = call.opset() < 2 ? call.real("p", 2.0) : double(call.integer("p", 2));
  call.out(0, norm_of(call, call.in(0), norm_axes_from(2, call.rank(0)), p));
}

// x / (bias + alpha / size * sum of squares of the `size` channels around)^beta: windows of squares
// over channels, padded by zeros.
void convert_lrn(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  const std::int64_t size = call.integer("size");
  if (dims.size() < 2 || size < 1) call.fail("it has no channels, or a size below 1");
  const std::int64_t before = (size - 1) / 2;
  const std::span<const Dim> all = dims;
  const ValueId x = call.in(0);
  const ValueId squares = call.apply("mul", {x, x});
  const ValueId flat = call.reshaped(squares, {dims[0], 1, dims[1], product(all.subspan(2))});
  const ValueId means = call.apply("average_pool", {flat},
                                   {{"kernel", to_text({size, 1})},
                                    {"pads", to_text({before, 0, size - 1 - before, 0})},
                                    {"count_pads", true}});
  const ValueId scaled =
      call.apply("scale", {call.reshaped(means, dims)}, {{"factor", call.real("alpha", 1e-4)}});
  const ValueId base = call.apply("offset", {scaled}, {{"by", call.real("bias", 1.0)}});
  const ValueId root =
      call.apply("pow", {base, call.number(call.real("beta", 0.75), call.type(0).dtype, dims)});
  call.out(0, call.apply("div", {x, root}));
}

// exp(x - max) / sum over an axis; before operator set 13 over all dimensions from it on.
void softmax(OnnxCall& call, bool logarithm) {
  const std::vector<Dim> dims = call.type(0).dims;
  const bool old = call.opset() < 13;
  const std::int64_t axis = call.axis(call.integer("axis", old ? 1 : -1), dims.size());
  std::vector<std::int64_t> axes{axis};
  for (std::int64_t i = axis + 1; old && i < static_cast<std::int64_t>(dims.size()); ++i)
    axes.push_back(i);
  const Options over{{"axes", to_text(axes)}, {"keep", true}};
  const ValueId largest = call.apply("max", {call.in(0)}, over);
  const ValueId shifted = call.apply("sub", {call.in(0), call.expanded(largest, dims)});
  const ValueId powers = call.apply("exp", {shifted});
  const ValueId sum = call.apply("sum", {powers}, over);
  if (logarithm)
    call.out(0, call.apply("sub", {shifted, call.expanded(call.apply("log", {sum}), dims)}));
  else
    call.out(0, call.apply("div", {powers, call.expanded(sum, dims)}));
}
void convert_softmax(OnnxCall& call) { softmax(call, false); }
void convert_log_softmax(OnnxCall& call) { softmax(call, true); }

}  // namespace

std::vector<OnnxOp> onnx_norm_family() {
  return {make_onnx_op("BatchNormalization", "with the statistics of training", convert_batch_norm),
          make_onnx_op("InstanceNormalization", "of each plane", convert_instance_norm),
          make_onnx_op("LayerNormalization", "of each token", convert_layer_norm),
          make_onnx_op("RMSNormalization", "of each token, by squares", convert_rms_norm),
          make_onnx_op("GroupNormalization", "of groups of channels", convert_group_norm),
          make_onnx_op("MeanVarianceNormalization", "of planes", convert_mean_variance_norm),
          make_onnx_op("LpNormalization", "by a norm", convert_lp_norm),
          make_onnx_op("LRN", "by the channels around", convert_lrn),
          make_onnx_op("GlobalLpPool", "the norm of each plane", convert_global_lp),
          make_onnx_op("Softmax", "normalized exponentials", convert_softmax),
          make_onnx_op("LogSoftmax", "their logarithm", convert_log_softmax)};
}

}  // namespace hone
