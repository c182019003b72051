// The contract of a task: what a model is for. One file in tasks/ a member. It makes columns of
// data the named inputs of a graph, appends the loss and measures answers; training, evaluating and
// pruning know no more of data than this.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/core/tensor.hpp"
#include "hone/data/column.hpp"
#include "hone/model/model.hpp"
#include "hone/tasks/metrics.hpp"

namespace hone {

// Of a graph, by name.
using Inputs = std::map<std::string, Tensor>;
// Numbers of samples, from 0.
using SampleNumbers = std::span<const std::int64_t>;

struct LossOptions {
  // By class; empty: all alike (then the loss is a plain mean over samples).
  std::vector<float> class_weights = {};
  // Samples are mixed with others (Augmentation::mixup): the loss weighs both labels.
  bool mixed = false;
};

// How samples are changed at random while they are trained on.
struct Augmentation {
  std::int64_t crop = 0;  // pictures are moved by up to this many places; zeros come in
  bool flip = false;      // half of the pictures are mirrored, left to right
  // Each batch is mixed with itself in another order, by a share of Beta(mixup, mixup) (Zhang et
  // al., arXiv 1710.09412); 0: not.
  double mixup = 0;
  // What is drawn depends on these and the places in the batch alone.
  std::uint64_t seed = 0;
  std::uint32_t draw = 0;

  explicit operator bool() const { return crop > 0 || flip || mixup > 0; }
};

// B samples are answered by the output "logits" f32[B,C].
struct Task : Described {
  // Columns that an answer needs, and those it is compared with.
  std::vector<std::string> columns = {}, targets = {};
  // What "best" may mean (metrics.hpp); the first is the default.
  std::vector<std::string> metrics = {};

  // Sets the inputs that the graph reads for these samples, in this order. (May run beside a step
  // that is computed: it uses one thread.)
  void (*fill)(const Dataset& data, SampleNumbers numbers, Inputs& inputs) = nullptr;
  // Sets those that the loss compares with. Null, as all below: the model is not trained or
  // measured by this task.
  void (*fill_targets)(const Dataset& data, SampleNumbers numbers, const LossOptions& loss,
                       Inputs& inputs) = nullptr;
  // As `fill`, changed at random. Null: samples of this task are not.
  void (*augment)(const Dataset& data, SampleNumbers numbers, const Augmentation& augmentation,
                  Inputs& inputs) = nullptr;
  // Elements that are answered together where nobody says how many; null: 4096.
  std::int64_t (*together)(const Dataset& data) = nullptr;
  // Appends the output "loss" f32[1] behind the logits. Throws Error(unsupported) for logits that
  // cannot be trained.
  void (*append_loss)(Graph& graph, const LossOptions& loss) = nullptr;
  // What these samples weigh in the mean that the loss is; null: each weighs one.
  double (*weight)(const Dataset& data, SampleNumbers numbers, const LossOptions& loss) = nullptr;
  // Why a sample cannot be compared with that many logits; "": it can.
  std::string (*refusal)(const Dataset& data, std::int64_t number, std::int64_t logits) = nullptr;
  // Throws Error(invalid_argument) for options that mean nothing to this loss.
  void (*check_loss)(const LossOptions& loss, std::int64_t logits) = nullptr;
  // `logits` are finite, of all samples in their order, each of which can be compared.
  Metrics (*measure)(const Tensor& logits, const Dataset& data) = nullptr;
};

// Every task (generated from the folder).
const std::vector<Task>& task_table();
// Throws Error(invalid_argument) naming the nearest known task.
const Task& find_task(const std::string& name);

// Samples for a task.
struct Samples {
  const Task* task;
  Dataset data;

  std::int64_t size() const { return data.size(); }
  // What a model reads of some of them. Throws Error(invalid_argument) for a number that does not
  // exist and a column that is missing.
  Inputs inputs(SampleNumbers numbers) const;
  // The same and what its loss compares with. Throws Error(unsupported) where the task has none.
  Inputs training_inputs(SampleNumbers numbers, const LossOptions& loss = {},
                         const Augmentation& augmentation = {}) const;
  // Elements of a batch that is answered at once.
  std::int64_t together() const { return task->together == nullptr ? 4096 : task->together(data); }
};

// Data for what a model is for.
Samples samples_of(const ModelFacts& model, const Dataset& data);

// Throws Error(unsupported) where the task has no loss.
void require_loss(const Task& task);
// Appends the task's loss. Throws Error(unsupported) where it has none.
void append_loss(Graph& graph, const Task& task, const LossOptions& loss = {});
// What samples weigh in the loss.
double loss_weight(const Samples& samples, SampleNumbers numbers, const LossOptions& loss);

}  // namespace hone
