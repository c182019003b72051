// Accuracy and loss of a model over a tokenized split.
#pragma once

#include <functional>

#include "hone/data/dataset.hpp"
#include "hone/run/executor.hpp"

namespace hone {

struct Interval {
  double low, high;
};
// Wilson's 95 % interval of a proportion (Wilson, JASA 1927).
Interval wilson_interval(std::int64_t hits, std::int64_t count);

struct Evaluation {
  std::int64_t samples = 0;
  std::int64_t correct = 0;
  double accuracy = 0;
  Interval interval{};  // 95 %
  double loss = 0;      // mean negative log likelihood
  double seconds = 0;
  std::int64_t tokens = 0;
  // Logits in the order of the samples, [samples, classes].
  Tensor logits;
};

struct EvaluateOptions {
  std::int64_t max_tokens = 4096;  // of a batch
  std::function<void(std::int64_t done)> progress = {};
  std::function<bool()> stop = {};  // asked between batches
};

// Runs `forward` (output "logits") over all samples, similar lengths together. Throws Error when a
// label is outside the classes of the model or there are no samples.
Evaluation evaluate(Executor& forward, const TokenizedData& data,
                    const EvaluateOptions& options = {});

}  // namespace hone
