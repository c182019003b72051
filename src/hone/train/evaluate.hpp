// The metrics of a model over a tokenized split.
#pragma once

#include <functional>

#include "hone/data/dataset.hpp"
#include "hone/run/executor.hpp"
#include "hone/train/metrics.hpp"

namespace hone {

struct Evaluation : Metrics {
  double seconds = 0;
  std::int64_t tokens = 0;
  std::vector<std::string> labels;  // of the classes
  // Logits in the order of the samples, [samples, classes].
  Tensor logits;
};

struct EvaluateOptions {
  std::int64_t max_tokens = 4096;  // of a batch
  // How errors call a sample, by its number; empty: "sample 3", counted from 0.
  std::function<std::string(std::int64_t)> name_of = {};
  std::function<void(std::int64_t done)> progress = {};
  std::function<bool()> stop = {};  // asked between batches
};

// Runs `forward` (output "logits") over all samples, similar lengths together. No metric is
// computed from a NaN or infinity: Error(numeric) names the sample, the first node where it
// appeared, and whether that node's weights hold it or its computation overflowed. Throws Error
// when a label is outside the classes of the model or there are no samples.
Evaluation evaluate(Executor& forward, const TokenizedData& data,
                    const EvaluateOptions& options = {});

}  // namespace hone
