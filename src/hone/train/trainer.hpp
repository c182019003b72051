// The training loop: one planned graph a step, checkpoints that resume bit for bit, a record.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hone/model/model.hpp"
#include "hone/record/record.hpp"
#include "hone/train/checkpoint.hpp"
#include "hone/train/evaluate.hpp"
#include "hone/train/options.hpp"

namespace hone {

struct StepReport {
  std::int64_t epoch, step, steps;  // both count from 1
  double loss, grad_norm, lr, seconds;
  std::int64_t tokens, samples;  // tokens: elements of the samples
};

// What the loop tells its caller; every function may be empty.
struct TrainEvents {
  // Before each step (from 1): may write into the tensors of the model that is trained.
  std::function<void(std::int64_t step, std::int64_t steps)> before_step;
  std::function<void(const StepReport&)> on_step;
  std::function<void(const Evaluation&, std::int64_t epoch, std::int64_t step, bool best)>
      on_evaluation;
  std::function<void(const std::filesystem::path&, std::int64_t step)> on_checkpoint;
  std::function<bool()> stop;  // asked after every step: true saves and ends
};

struct TrainResult {
  bool finished = false;  // false: stopped, saved
  std::int64_t steps = 0;
  bool out_of_patience = false;  // why it finished before its last step
  // The step whose parameters `out` holds, once finished, and its epoch.
  std::int64_t kept_step = 0, kept_epoch = 0;
  bool kept_best = false;
  double seconds = 0;        // of this process
  double train_seconds = 0;  // in steps alone
  double last_loss = 0;
  // On the validation samples, after the last and the best epoch; without logits, and without
  // seconds where it was before a resumption.
  std::optional<Evaluation> validation, best;
  // Of the model that `out` holds.
  const std::optional<Evaluation>& kept() const { return kept_best ? best : validation; }
  std::int64_t samples = 0, tokens = 0;  // trained on by this process
  double flop = 0;                       // executed by the kernels that count them
  std::vector<KernelTiming> timings;
  std::int64_t arena_bytes = 0;
};

// Trains `model` in place. Writes into `out`: last/ (the newest checkpoint: a folder of the model
// with hone's own state beside it), best/ (the model of the best evaluation on `validation`, when
// there is one), and at the end the model that `keep` asks for. `validation` (may be null) is
// evaluated at the end of every epoch.
//
// With `resume`, continues from last/ as if the run had not stopped: same options, same data, same
// bits. A finished run goes on with more epochs or steps: steps done keep the rates they had, those
// to come have the rates that the schedule gives them in a run of the new length.
//
// Throws Error(numeric) naming step and samples when the loss is not finite,
// Error(invalid_argument) when a resumed run has other options.
TrainResult train(Model& model, const Samples& data, const Samples* validation,
                  const TrainOptions& options, const std::filesystem::path& out, bool resume,
                  Record* record, const TrainEvents& events, const SavePreparation& preparation);

// The metric that "best" is judged by.
std::string metric_of(const Task& task, const TrainOptions& options);

// Throws Error(invalid_argument) for what train() would refuse: options that do not fit together or
// to the data, or change nothing; samples that the model cannot be trained on.
void check_training(const Model& model, const Samples& data, const Samples* validation,
                    const TrainOptions& options);
// The same for `resume`: throws what train() would, before anything is written.
void check_resume(const Model& model, const Samples& data, const Samples* validation,
                  const TrainOptions& options, const std::filesystem::path& out);

// Whether the run leaves its best model, not its last.
bool keeps_best(const TrainOptions& options, bool has_validation);

}  // namespace hone
