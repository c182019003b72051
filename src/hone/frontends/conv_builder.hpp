// Builds graphs of convolution networks: parameters by the names of torch.nn's modules.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "hone/frontends/vision_config.hpp"
#include "hone/model/head.hpp"

namespace hone {

struct ConvShape {
  std::int64_t filters, kernel = 1, stride = 1;
  std::int64_t groups = 1;
  // Places before and behind, of both dimensions.
  std::int64_t before = 0, after = 0;
};

class ConvBuilder {
public:
  explicit ConvBuilder(const VisionConfig& config, std::string name) : config_(config) {
    graph_.name = std::move(name);
    const ImageInput& image = config.image;
    x_ = graph_.input("pixel_values",
                      {DType::f32, {Dim("B"), image.channels, image.height, image.width}});
  }

  ValueId pixels() const { return x_; }
  std::int64_t channels(ValueId x) const { return graph_.type(x).dims[1].offset; }
  std::int64_t height(ValueId x) const { return graph_.type(x).dims[2].offset; }

  // `weights` is the module's name. Without bias: a batch norm follows.
  ValueId conv(ValueId x, const std::string& weights, const ConvShape& s, const std::string& name) {
    const std::int64_t own = channels(x) / s.groups;
    // He et al. (arXiv 1502.01852), by what goes out, as torchvision.
    const double deviation = std::sqrt(2.0 * static_cast<double>(s.groups) /
                                       static_cast<double>(s.filters * s.kernel * s.kernel));
    const ValueId w = add(weights + ".weight", {s.filters, own, s.kernel, s.kernel},
                          Initializer::normal, deviation);
    return graph_.apply("conv", {x, w},
                        {{"strides", fmt::format("{0},{0}", s.stride)},
                         {"pads", fmt::format("{0},{0},{1},{1}", s.before, s.after)},
                         {"groups", s.groups}},
                        name);
  }
  ValueId norm(ValueId x, const std::string& module, const std::string& name,
               double epsilon = 1e-5) {
    const Shape shape{channels(x)};
    const ValueId scale = add(module + ".weight", shape, Initializer::ones);
    const ValueId shift = add(module + ".bias", shape, Initializer::zeros);
    const ValueId mean = add(module + ".running_mean", shape, Initializer::zeros, 0, true);
    const ValueId variance = add(module + ".running_var", shape, Initializer::ones, 0, true);
    return graph_.apply("batch_norm", {x, scale, shift, mean, variance}, {{"epsilon", epsilon}},
                        name);
  }
  ValueId relu(ValueId x) { return graph_.apply("relu", {x}); }
  ValueId relu6(ValueId x) { return graph_.apply("clip", {x}, {{"low", 0.0}, {"high", 6.0}}); }
  ValueId sum(ValueId a, ValueId b) { return graph_.apply("add", {a, b}); }
  ValueId max_pool(ValueId x, std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
    return graph_.apply("max_pool", {x},
                        {{"kernel", fmt::format("{0},{0}", kernel)},
                         {"strides", fmt::format("{0},{0}", stride)},
                         {"pads", fmt::format("{0},{0},{0},{0}", pad)}});
  }
  ValueId dropout(ValueId x, double p) {
    const ValueId rng = graph_.input("rng", {DType::u32, {3}});
    return graph_.apply("dropout", {x, rng}, {{"p", p}, {"stream", std::int64_t{0}}});
  }
  // Means of whole planes, [B,C].
  ValueId mean(ValueId x) {
    const ValueId pooled =
        graph_.apply("mean", {x}, {{"axes", std::string("2,3")}, {"keep", true}}, "pooled");
    return graph_.apply("reshape", {pooled}, {{"shape", fmt::format("B,{}", channels(x))}},
                        "features");
  }
  ValueId linear(ValueId x, const std::string& module, std::int64_t outputs,
                 const std::string& name) {
    const std::int64_t inputs = graph_.type(x).dims[1].offset;
    const double deviation = 1 / std::sqrt(3.0 * static_cast<double>(inputs));
    const ValueId w = add(module + ".weight", {outputs, inputs}, Initializer::normal, deviation);
    const ValueId b = add(module + ".bias", {outputs}, Initializer::zeros);
    return graph_.apply("linear", {x, w, b}, {}, name);
  }

  // The network ends in these features [B,C] and a classifier of that name.
  Blueprint finish(ValueId features, const std::string& classifier, const std::string& where) {
    const auto classes = std::ssize(config_.labels);
    const std::int64_t width = graph_.type(features).dims[1].offset;
    graph_.outputs.emplace_back("logits", linear(features, classifier, classes, "logits"));
    Blueprint made{std::move(graph_), {}, specs_};
    made.facts.head = make_head("", classes, where);
    made.facts.labels = config_.labels;
    made.facts.width = width;
    made.facts.task = "image_classification";
    made.facts.image = config_.image;
    return made;
  }

private:
  ValueId add(const std::string& name, const Shape& shape, Initializer initializer,
              double deviation = 0, bool is_buffer = false) {
    specs_.push_back({name, shape, initializer, deviation});
    ValueType type{DType::f32, {}};
    for (const std::int64_t size : shape) type.dims.emplace_back(size);
    return is_buffer ? graph_.buffer(name, type) : graph_.parameter(name, type);
  }

  const VisionConfig& config_;
  Graph graph_;
  ValueId x_ = none;
  std::vector<ParameterSpec> specs_;
};

}  // namespace hone
