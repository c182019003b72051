#include "hone/train/calibrate.hpp"

#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/pipelines.hpp"
#include "hone/run/executor.hpp"
#include "hone/train/sample_batches.hpp"

namespace hone {
namespace {

// What samples, taken evenly, make of the values whose formats are fitted to data. The model runs
// in float32.
Stats observe_samples(const Quantization& quantization, const Model& model, const Samples& data,
                      std::int64_t samples,
                      const std::function<void(std::int64_t, std::int64_t)>& progress) {
  if (data.size() == 0)
    throw Error(ErrorCode::invalid_argument, "there are no samples to calibrate on");
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
  for_sample_batches(data.data, samples, progress,
                     [&](SampleNumbers numbers) { executor.run(data.inputs(numbers)); });
  Stats stats;
  for (auto& [name, tensor] : counted) stats.emplace(name, ValueStats(tensor));
  return stats;
}

}  // namespace

void calibrate_on_data(Quantization& quantization, const Model& model, const Samples& data,
                       const CalibrateOptions& options) {
  Stats stats = observe_samples(quantization, model, data, options.samples, options.progress);
  for (const auto& [name, choice] : quantized_parameters(model.graph, quantization))
    stats[name].add(model.tensors.at(name).span<float>());
  calibrate(quantization, model.graph, stats, options.method, options.percentile);
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
