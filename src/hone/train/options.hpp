// What a training run may be told. Each option stands in one row of one table, from which come the
// settings (flags, TOML keys, --set), the struct, what a record says and what a resumed run must
// have as it was.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/options.hpp"
#include "hone/passes/pipelines.hpp"

namespace hone {

// Which parameters a run leaves at its end: those after its last step, or those of its best
// evaluation. `automatic`: the best where there is a validation split.
enum class Keep { automatic, last, best };

struct TrainOptions {
  double epochs = 1;       // may be a fraction
  std::int64_t steps = 0;  // above 0: instead of epochs
  std::int64_t batch = 8;  // samples of a step
  // Micro-batches of a step: less memory, the same result but for the dropout masks.
  std::int64_t accumulate = 1;
  double lr = 5e-5;
  std::string optimizer = "adamw";  // of optimizer_table()
  Options optimizer_options;        // its own, as far as they are not at their defaults
  bool decay_all = false;           // decay biases and norms as well
  std::string schedule = "linear";  // of schedule_table()
  Options schedule_options;
  double warmup = 0;  // steps; below 1: a share of the steps
  double clip = 1.0;  // largest gradient norm; 0: no clipping
  double hidden_dropout = -1, attention_dropout = -1,
         classifier_dropout = -1;  // below 0: as configured
  std::uint64_t seed = 0;
  std::int64_t checkpoint_every = 0;  // steps; 0: at the end of every epoch
  // Steps between evaluations within an epoch, beside that at its end; 0: none.
  std::int64_t evaluate_every = 0;
  Mode mode = Mode::compiled;
  std::vector<std::int64_t> order;  // sample numbers to train on, in this order; empty: shuffled
  std::vector<std::string> disabled_passes;
  Keep keep = Keep::automatic;
  // What "best" means (a metric of the task); empty: the task's first.
  std::string metric;
  // Evaluations in a row without a new best after which the run ends; 0: never.
  std::int64_t patience = 0;
  // Of the loss, by class (balanced_class_weights()); empty: all alike.
  std::vector<float> class_weights;
  // Of pictures: as Augmentation has them.
  std::int64_t crop = 0;
  bool flip = false;
  double mixup = 0;
  // What TrainEvents::before_step does to the model, in words: a run resumes with the same.
  std::string changes;
};

// One row of the table.
struct TrainOption {
  OptionSpec spec;  // without a name: set by programs alone
  // A flag of `hone train`; the others are given by --set.
  bool is_flag = false;
  // Takes a value. Empty: chosen when the data and the model are there.
  std::function<void(TrainOptions&, const OptionValue&)> set = {};
  // Adds to what records and checkpoints hold; a run resumes only with the same. Empty: nothing.
  std::function<void(const TrainOptions&, Json&)> describe = {};
};

// Every option of the loop; those of optimizers and schedules come from their tables.
const std::vector<TrainOption>& train_options();

// From settings as they were given; keys that are no training options are left alone. What depends
// on model and data (lr, epochs, class_weights) is chosen when they are loaded. Throws
// Error(invalid_argument) for settings that contradict each other or change nothing.
TrainOptions make_train_options(const Options& given);
// The options of the optimizer and of the schedule, complete. Throws Error(invalid_argument) for
// one that they do not have.
Options optimizer_options(const TrainOptions& options);
Options schedule_options(const TrainOptions& options);

// The options as a record has them, and what decides whether a run may be resumed.
Json describe(const TrainOptions& options);
// What an option that such a description does not name had: null where it says nothing.
Json default_description(const std::string& name);

// A JSON array of sample numbers.
std::vector<std::int64_t> read_order(const std::string& path);

}  // namespace hone
