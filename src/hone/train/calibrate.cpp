#include "hone/train/calibrate.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "hone/core/error.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/pipelines.hpp"
#include "hone/run/executor.hpp"
#include "hone/train/sample_batches.hpp"

namespace hone {
namespace {

using RunInputs = std::function<void(const Inputs&)>;

// What runs make of the values whose formats are fitted to data; `for_each` hands out what they
// read. The model runs in float32.
Stats observe_runs(const Quantization& quantization, const Model& model,
                   const std::function<void(const RunInputs&)>& for_each) {
  Graph graph = model.graph;
  remove_formats(graph);
  run_passes(graph, inference_pipeline(Mode::eager));
  std::string names;
  for (const std::string& name : observed_values(graph, quantization))
    names += (names.empty() ? "" : ",") + name;
  if (!names.empty()) run_passes(graph, {{"observe", {{"values", names}}}});
  Executor executor(std::move(graph));
  std::vector<std::pair<std::string, Tensor>> counted;
  for (const Value& value : executor.graph().values) {
    if (is_tensor_of_model(value.kind)) executor.bind(value.name, model.tensors.at(value.name));
    if (value.kind != ValueKind::state) continue;
    counted.emplace_back(value.name.substr(0, value.name.size() - stats_name("").size()),
                         ValueStats().tensor());
    executor.bind(value.name, counted.back().second);
  }
  for_each([&](const Inputs& inputs) { executor.run(inputs); });
  Stats stats;
  for (auto& [name, tensor] : counted) stats.emplace(name, ValueStats(tensor));
  return stats;
}

// Samples taken evenly.
Stats observe_samples(const Quantization& quantization, const Model& model, const Samples& data,
                      std::int64_t samples,
                      const std::function<void(std::int64_t, std::int64_t)>& progress) {
  if (data.size() == 0)
    throw Error(ErrorCode::invalid_argument, "there are no samples to calibrate on");
  return observe_runs(quantization, model, [&](const RunInputs& run) {
    for_sample_batches(data.data, samples, progress,
                       [&](SampleNumbers numbers) { run(data.inputs(numbers)); });
  });
}

void fit_formats(Quantization& quantization, const Model& model, Stats stats,
                 const CalibrateOptions& options) {
  for (const auto& [name, choice] : quantized_parameters(model.graph, quantization))
    stats[name].add(model.tensors.at(name).span<float>());
  calibrate(quantization, model.graph, stats, options.method, options.percentile);
}

// How many samples the numbers are; nothing where they are one run.
std::optional<std::int64_t> sample_count(const Graph& graph, const Inputs& given) {
  std::optional<std::int64_t> count;
  for (const auto& [name, tensor] : given) {
    const std::vector<Dim>& dims = graph.type(graph.find(name)).dims;
    if (dims.empty() || dims[0].is_fixed() || tensor.shape().empty()) return std::nullopt;
    if (count.value_or(tensor.shape()[0]) != tensor.shape()[0]) return std::nullopt;
    count = tensor.shape()[0];
  }
  return count;
}

Tensor row_of(const Tensor& tensor, std::int64_t row) {
  Shape shape = tensor.shape();
  shape[0] = 1;
  Tensor one(tensor.dtype(), shape);
  std::memcpy(
      one.data(),
      static_cast<const std::byte*>(tensor.data()) + static_cast<std::size_t>(row) * one.bytes(),
      one.bytes());
  return one;
}

}  // namespace

void calibrate_on_data(Quantization& quantization, const Model& model, const Samples& data,
                       const CalibrateOptions& options) {
  fit_formats(quantization, model,
              observe_samples(quantization, model, data, options.samples, options.progress),
              options);
}

void calibrate_on_inputs(Quantization& quantization, const Model& model, const Inputs& given,
                         const CalibrateOptions& options) {
  for (const Value& value : model.graph.values)
    if (value.kind == ValueKind::input && !given.contains(value.name))
      throw Error(ErrorCode::invalid_argument, "input '" + value.name + "' is missing");
  for (const auto& [name, tensor] : given)
    if (const ValueId id = model.graph.find(name);
        id == none || model.graph.value(id).kind != ValueKind::input)
      throw Error(ErrorCode::invalid_argument, "the model has no input '" + name + "'");
  const std::optional<std::int64_t> count = sample_count(model.graph, given);
  if (count == 0) throw Error(ErrorCode::invalid_argument, "there are no samples to calibrate on");
  Stats stats = observe_runs(quantization, model, [&](const RunInputs& run) {
    if (!count) return run(given);
    const std::int64_t taken = std::min(options.samples, *count);
    for (std::int64_t i = 0; i < taken; ++i) {
      Inputs inputs;
      for (const auto& [name, tensor] : given) inputs[name] = row_of(tensor, i * *count / taken);
      run(inputs);
      if (options.progress) options.progress(i + 1, taken);
    }
  });
  fit_formats(quantization, model, std::move(stats), options);
}

void initialize_learned_steps(Model& model, const Samples& data, std::int64_t samples) {
  if (learned_steps(model.graph).empty()) return;
  std::map<std::string, double> magnitudes;
  for (const auto& [name, stats] :
       observe_samples(formats_of(model.graph), model, data, samples, {}))
    magnitudes[name] = stats.mean_magnitude();
  add_learned_steps(model, magnitudes);
}

}  // namespace hone
