// One training step as graphs: forward, backward, clipping, update.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/tensor_store.hpp"
#include "hone/passes/pass.hpp"
#include "hone/run/executor.hpp"
#include "hone/tasks/task.hpp"
#include "hone/train/options.hpp"

namespace hone {

struct StepResult {
  double loss, grad_norm;
};

// The graph of a whole step (without accumulation) as `options.mode` runs it. `reports` (may be
// null) receives what each pass did.
Graph make_training_graph(const Model& model, const Task& task, const TrainOptions& options,
                          std::vector<PassReport>* reports = nullptr);

// Whether training leaves a tensor of the model as it is.
bool is_frozen(const Model& model, const std::string& tensor);

class Stepper {
public:
  // Builds the graphs of `options.mode` and binds the model's parameters; fresh optimizer states.
  // Steps are made on `data`.
  Stepper(Model& model, const Samples& data, const TrainOptions& options,
          std::vector<float> schedule);

  // What a step reads of the samples with these numbers, by micro-batch; `step` counts from 1. May
  // run beside another step.
  std::vector<Inputs> prepare(SampleNumbers numbers, std::int64_t step) const;
  // One step on what was prepared for it.
  StepResult step(std::vector<Inputs> prepared, SampleNumbers numbers, std::int64_t step);
  StepResult step(SampleNumbers numbers, std::int64_t step) {
    return this->step(prepare(numbers, step), numbers, step);
  }

  // Everything that decides the following steps, by name: raw parameters (frozen ones aside: the
  // model has them), moments, row steps.
  TensorStore state() const;
  // Copies a state back. Throws Error(bad_format) when a tensor is missing or has another shape.
  void restore(const TensorStore& state);
  // The parameters as they stand after `step` steps: rows of tables that wait for their update are
  // brought up to date in a copy.
  TensorStore parameters(std::int64_t step) const;

  std::vector<KernelTiming> timings() const;
  std::int64_t arena_bytes() const;

private:
  std::uint32_t draw_of(std::int64_t step, std::int64_t part) const;
  void build_single(const Model& model);
  void build_accumulating(const Model& model);
  void bind_states(Executor& executor);

  Model& model_;
  Samples data_;
  const TrainOptions& options_;
  LossOptions loss_;
  Tensor schedule_;
  TensorStore states_;
  std::optional<Executor> forward_;  // with the update in it unless gradients are accumulated
  std::optional<Executor> update_;   // only when gradients are accumulated
};

}  // namespace hone
