#include "hone/train/calibrate.hpp"

#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/data/batch.hpp"
#include "hone/train/inputs.hpp"

namespace hone {
namespace {

// What samples, taken evenly, make of the values whose formats are fitted to data. The model runs
// in float32.
Stats observe_samples(const Quantization& quantization, const Model& model,
                      const TokenizedData& data, std::int64_t samples,
                      const std::function<void(std::int64_t, std::int64_t)>& progress) {
  if (data.size() == 0)
    throw Error(ErrorCode::invalid_argument, "there are no samples to calibrate on");
  Graph graph = model.architecture->build(model.config, {});
  run_passes(graph, {{"observe", {{"nodes", to_json(quantization).dump()}}}});
  Executor executor(std::move(graph));
  std::vector<std::pair<std::string, Tensor>> counted;
  for (const Value& value : executor.graph().values) {
    if (value.kind == ValueKind::parameter)
      executor.bind(value.name, model.parameters.at(value.name));
    if (value.kind != ValueKind::state) continue;
    counted.emplace_back(value.name.substr(0, value.name.size() - stats_name("").size()),
                         ValueStats().tensor());
    executor.bind(value.name, counted.back().second);
  }
  samples = std::min(samples, data.size());
  constexpr std::int64_t batch_samples = 8;
  Batch batch;
  for (std::int64_t begin = 0; begin < samples; begin += batch_samples) {
    std::vector<std::int64_t> indices;
    for (std::int64_t i = begin; i < std::min(samples, begin + batch_samples); ++i)
      indices.push_back(i * data.size() / samples);
    make_batch(data, indices, batch);
    executor.run(batch_inputs(batch));
    if (progress) progress(std::min(samples, begin + batch_samples), samples);
  }
  Stats stats;
  for (auto& [name, tensor] : counted) stats.emplace(name, ValueStats(tensor));
  return stats;
}

}  // namespace

void calibrate_on_data(Quantization& quantization, const Model& model, const TokenizedData& data,
                       const CalibrateOptions& options) {
  Stats stats = observe_samples(quantization, model, data, options.samples, options.progress);
  const Graph plain = model.architecture->build(model.config, {});
  for (const auto& [name, choice] : quantized_parameters(plain, quantization))
    stats[name].add(model.parameters.at(name).span<float>());
  calibrate(quantization, plain, stats, options.method, options.percentile);
}

void initialize_learned_steps(Model& model, const TokenizedData& data, std::int64_t samples) {
  if (learned_steps(model.architecture->build(model.config, {}), model.quantization).empty())
    return;
  std::map<std::string, double> magnitudes;
  for (const auto& [name, stats] : observe_samples(model.quantization, model, data, samples, {}))
    magnitudes[name] = stats.mean_magnitude();
  add_learned_steps(model, magnitudes);
}

}  // namespace hone
