// What a model answers over a split, and the metrics of it.
#pragma once

#include <functional>

#include "hone/record/training_events.hpp"
#include "hone/run/executor.hpp"
#include "hone/tasks/task.hpp"

namespace hone {

struct Evaluation : Metrics {
  double seconds = 0;
  std::int64_t tokens = 0;          // elements of all samples
  std::vector<std::string> labels;  // of the classes
  // Logits in the order of the samples, [samples, classes].
  Tensor logits;
};

// As results have it, and as records do.
SplitFigures split_figures(const Evaluation& evaluation, const std::string& split);
EvalEvent eval_event(const Evaluation& evaluation, const std::string& split, std::int64_t step,
                     double epoch = not_recorded);

struct EvaluateOptions {
  std::int64_t max_length = 0;  // elements of a batch: tokens of texts; 0: as the task says
  // How errors call a sample, by its number; empty: "sample 3", counted from 0.
  std::function<std::string(std::int64_t)> name_of = {};
  std::function<void(std::int64_t done)> progress = {};
  std::function<bool()> stop = {};  // asked between batches
};

// Runs `forward` (output "logits") over batches; `take` (may be empty) gets the logits of each.
// Throws Error(numeric) for a NaN or infinity: it names the sample, the first node where it
// appeared, and whether that node's weights hold it or its computation overflowed.
void answer_batches(
    Executor& forward, const Samples& data, const std::vector<std::vector<std::int64_t>>& batches,
    const EvaluateOptions& options,
    const std::function<void(SampleNumbers numbers, const Tensor& logits)>& take = {});

// The logits of all samples in their order, similar lengths together. Throws Error when there are
// no samples.
Tensor answer(Executor& forward, const Samples& data, const EvaluateOptions& options = {});

// The same, and what the task makes of it. Throws Error(invalid_argument) for a sample that cannot
// be compared with the answers.
Evaluation evaluate(Executor& forward, const Samples& data, const EvaluateOptions& options = {});

}  // namespace hone
