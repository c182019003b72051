#include "hone/train/inputs.hpp"

#include <algorithm>

namespace hone {

Tensor int_vector(const std::vector<std::int32_t>& values) {
  return Tensor::from<std::int32_t>(DType::i32, {static_cast<std::int64_t>(values.size())}, values);
}

std::map<std::string, Tensor> batch_inputs(const Batch& batch) {
  return {{"ids", int_vector(batch.ids)},
          {"type_ids", int_vector(batch.type_ids)},
          {"positions", int_vector(batch.positions)},
          {"offsets", int_vector(batch.offsets)}};
}

std::map<std::string, Tensor> training_inputs(const Batch& batch) {
  std::map<std::string, Tensor> inputs = batch_inputs(batch);
  if (batch.targets.empty())
    inputs["labels"] = int_vector(batch.labels);
  else
    inputs["targets"] = Tensor::from<float>(
        DType::f32, {static_cast<std::int64_t>(batch.targets.size())}, batch.targets);
  return inputs;
}

void for_sample_batches(const TokenizedData& data, std::int64_t samples,
                        const std::function<void(std::int64_t done, std::int64_t total)>& progress,
                        const std::function<void(const Batch&)>& run) {
  constexpr std::int64_t batch_samples = 8;
  samples = std::min(samples, data.size());
  Batch batch;
  for (std::int64_t begin = 0; begin < samples; begin += batch_samples) {
    const std::int64_t end = std::min(samples, begin + batch_samples);
    std::vector<std::int64_t> indices;
    for (std::int64_t i = begin; i < end; ++i) indices.push_back(i * data.size() / samples);
    make_batch(data, indices, batch);
    run(batch);
    if (progress) progress(end, samples);
  }
}

}  // namespace hone
