// What pruning methods ask of data: norms of inputs, gradients of the loss, quantiles of
// magnitudes. All from the model as it stands, without dropout.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "hone/model/model.hpp"
#include "hone/tasks/task.hpp"

namespace hone {

struct SaliencyOptions {
  std::int64_t samples = 128;  // taken evenly from the data
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

// By weight (f32[N,K]): f32[K], the root of the sum of squares of each input over all tokens that
// the nodes which read the weight see. Throws Error(invalid_argument) when there are no samples, or
// a weight that is no matrix times data.
std::map<std::string, Tensor> input_norms(const Model& model,
                                          const std::vector<std::string>& weights,
                                          const Samples& data, const SaliencyOptions& options);
// By weight: of the mean loss over the samples, shaped as the weight; zero where a mask drops it.
// Throws Error(invalid_argument) when there are no samples or a weight is frozen,
// Error(numeric) when the loss is not finite.
std::map<std::string, Tensor> loss_gradients(const Model& model,
                                             const std::vector<std::string>& weights,
                                             const Samples& data, const SaliencyOptions& options);
// By value: what `share` of its magnitudes do not exceed; the mean over batches of the samples.
std::map<std::string, double> magnitude_quantiles(const Model& model,
                                                  const std::vector<std::string>& values,
                                                  double share, const Samples& data,
                                                  const SaliencyOptions& options);

}  // namespace hone
