#include "hone/train/saliency.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/pipelines.hpp"
#include "hone/run/executor.hpp"
#include "hone/sparsity/detail/mase.hpp"
#include "hone/train/sample_batches.hpp"

namespace hone {
namespace {

using Results = std::map<std::string, Tensor>;

Executor bind_model(Graph graph, const Model& model) {
  Executor executor(std::move(graph));
  for (const Value& value : executor.graph().values)
    if (is_tensor_of_model(value.kind)) executor.bind(value.name, model.tensors.at(value.name));
  return executor;
}

void require_samples(const Samples& data) {
  if (data.size() == 0)
    throw Error(ErrorCode::invalid_argument, "there are no samples to prune by");
}

}  // namespace

std::map<std::string, Tensor> input_norms(const Model& model,
                                          const std::vector<std::string>& weights,
                                          const Samples& data, const SaliencyOptions& options) {
  Graph graph = model.graph;
  run_passes(graph, inference_pipeline(Mode::eager));
  graph.outputs.clear();
  std::map<std::string, std::vector<double>> sums;
  std::vector<std::pair<std::string, std::string>> reads;  // output, weight
  for (const Node& node : graph.nodes) {
    const QuantizeSlots& slots = find_op(node.op).slots;
    if (slots.weight < 0) continue;
    const ValueId weight = behind(graph, node.inputs[static_cast<std::size_t>(slots.weight)]);
    const std::string& name = graph.value(weight).name;
    if (std::find(weights.begin(), weights.end(), name) == weights.end()) continue;
    const ValueId x =
        slots.data.empty() ? none : node.inputs[static_cast<std::size_t>(slots.data[0])];
    const std::vector<Dim>& dims = graph.type(weight).dims;
    // A matrix meets the columns of its data, a filter the channels of its planes.
    const std::vector<Dim> read = x == none ? std::vector<Dim>{} : graph.type(x).dims;
    const bool meets =
        slots.planes ? read.size() == dims.size() : read.size() == 2 && dims.size() == 2;
    if (!meets || !(read[1] == dims[1]))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("'{}': {} multiplies no inputs, which wanda takes the norms of", name,
                              node.op),
                  slots.planes ? "its channels are parted in groups: choose another method for it"
                               : "choose another method for it");
    graph.outputs.emplace_back(fmt::format("read.{}", reads.size()), x);
    reads.emplace_back(graph.outputs.back().first, name);
    sums[name].resize(static_cast<std::size_t>(dims[1].offset));
  }
  graph.remove_dead();
  Executor executor = bind_model(std::move(graph), model);
  require_samples(data);
  for_sample_batches(data.data, options.samples, options.progress, [&](SampleNumbers numbers) {
    const Results results = executor.run(data.inputs(numbers));
    for (const auto& [output, weight] : reads) {
      const Tensor& x = results.at(output);
      std::vector<double>& sum = sums.at(weight);
      const std::int64_t rows = x.shape()[0] * x.shape()[1];
      const std::int64_t places = rows == 0 ? 0 : x.size() / rows;
      const float* at = x.as<float>();
      for (std::int64_t i = 0; i < x.size(); ++i, ++at)
        sum[static_cast<std::size_t>(i / places) % sum.size()] += static_cast<double>(*at) * *at;
    }
  });
  std::map<std::string, Tensor> norms;
  for (const auto& [weight, sum] : sums) {
    Tensor norm(DType::f32, {static_cast<std::int64_t>(sum.size())});
    for (std::size_t i = 0; i < sum.size(); ++i)
      norm.as<float>()[i] = static_cast<float>(std::sqrt(sum[i]));
    norms[weight] = norm;
  }
  return norms;
}

std::map<std::string, Tensor> loss_gradients(const Model& model,
                                             const std::vector<std::string>& weights,
                                             const Samples& data, const SaliencyOptions& options) {
  Model numbers = model;  // shares them
  unpack_weights(numbers);
  Graph graph = numbers.graph;
  append_loss(graph, *data.task);
  run_passes(graph, gradient_pipeline());
  std::map<std::string, std::vector<double>> sums;
  std::erase_if(graph.outputs, [&](const auto& output) {
    const std::string name = output.first.substr(output.first.find('.') + 1);
    const bool wanted = output.first.rfind("grad.", 0) == 0 &&
                        std::find(weights.begin(), weights.end(), name) != weights.end();
    if (wanted) sums[name].resize(static_cast<std::size_t>(numbers.tensors.at(name).size()));
    return !wanted && output.first != "loss";
  });
  for (const std::string& weight : weights)
    if (sums.count(weight) == 0)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("'{}' has no gradient: it is frozen, or the loss does not depend on it",
                      weight),
          "choose a method that needs none, or other nodes");
  graph.remove_dead();
  Executor executor = bind_model(std::move(graph), numbers);
  const std::int64_t samples = std::min(options.samples, data.size());
  require_samples(data);
  for_sample_batches(data.data, options.samples, options.progress, [&](SampleNumbers chosen) {
    Inputs inputs = data.training_inputs(chosen);
    Tensor share(DType::f32, {1});
    share.as<float>()[0] = static_cast<float>(chosen.size()) / static_cast<float>(samples);
    inputs["loss_gradient"] = share;
    const Results results = executor.run(inputs);
    if (!std::isfinite(results.at("loss").as<float>()[0]))
      throw Error(ErrorCode::numeric, "the loss of the samples that pruning looks at is not finite",
                  "the model, or its data, is damaged");
    for (auto& [weight, sum] : sums) {
      const Tensor& gradient = results.at("grad." + weight);
      for (std::size_t i = 0; i < sum.size(); ++i)
        sum[i] += static_cast<double>(gradient.as<float>()[i]);
    }
  });
  std::map<std::string, Tensor> gradients;
  for (const auto& [weight, sum] : sums) {
    Tensor mean(DType::f32, numbers.tensors.at(weight).shape());
    for (std::size_t i = 0; i < sum.size(); ++i) mean.as<float>()[i] = static_cast<float>(sum[i]);
    gradients[weight] = mean;
  }
  return gradients;
}

std::map<std::string, double> magnitude_quantiles(const Model& model,
                                                  const std::vector<std::string>& values,
                                                  double share, const Samples& data,
                                                  const SaliencyOptions& options) {
  Graph graph = model.graph;
  run_passes(graph, inference_pipeline(Mode::eager));
  graph.outputs.clear();
  for (const std::string& name : values) {
    const ValueId id = graph.find(name);
    if (id == none)
      throw Error(ErrorCode::invalid_argument, fmt::format("there is no value %{}", name));
    graph.outputs.emplace_back(name, id);
  }
  graph.remove_dead();
  Executor executor = bind_model(std::move(graph), model);
  std::map<std::string, double> sums;
  std::int64_t batches = 0;
  require_samples(data);
  for_sample_batches(data.data, options.samples, options.progress, [&](SampleNumbers numbers) {
    const Results results = executor.run(data.inputs(numbers));
    for (const std::string& name : values) {
      const float threshold = mase::magnitude_quantile({&results.at(name)}, share);
      if (!std::isfinite(threshold))
        throw Error(ErrorCode::numeric, fmt::format("%{} has NaN or infinity", name),
                    "the model is damaged");
      sums[name] += static_cast<double>(threshold);
    }
    ++batches;
  });
  for (auto& [name, sum] : sums) sum /= static_cast<double>(batches);
  return sums;
}

}  // namespace hone
