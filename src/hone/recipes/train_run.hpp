// One training run from names to a saved model: joins data, tokenizer, model, the training loop,
// the record and the evaluation at the end. `hone train` and the recipe `train` are this.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/options.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/recipes/loading.hpp"
#include "hone/train/trainer.hpp"

namespace hone {

// What a run tells whoever watches; every function may be empty.
struct RunWatcher {
  std::function<void(const std::string&)> say;  // a sentence: what is loaded, what was initialised
  // Work before and after the steps ("tokenizing"): what is done of how much.
  std::function<void(const std::string& what, std::int64_t done, std::int64_t total)> work;
  std::function<void(const StepReport&)> on_step;
  std::function<void(const Evaluation&, const std::string& split, double epoch, bool best)>
      on_evaluation;
  std::function<void(const std::filesystem::path&, std::int64_t step)> on_checkpoint;
  std::function<bool()> stop;  // true: save and end
};

// Every setting of a training run with its default and range: flags, TOML keys and --set are made
// of these.
const std::vector<OptionSpec>& train_settings();
// Those that are flags of `hone train`; the others are given by --set.
const std::vector<std::string>& train_flags();

struct TrainRequest {
  std::string model;      // a directory or a built-in name
  std::string data;       // "imdb:PATH"
  std::string tokenizer;  // a directory or file; "": found (choose_tokenizer)
  std::filesystem::path out;
  Settings settings;  // of train_settings(), as far as they were given
  // Formats to train with (quantization-aware); empty: those that the model has, if any.
  std::vector<QuantizeSelection> quantize = {};
  // The same, already selected (and calibrated); comes before `quantize`.
  Quantization formats = {};
  // Batch norm beside convolutions that take one of these formats stays while they are trained;
  // that of a network that starts afresh always does.
  bool keep_batch_norm = false;
  // Changes the model once it is loaded, before its formats are chosen; the same whenever the run
  // is resumed.
  std::function<void(Model& model)> transform = {};
  bool resume = false;
  bool overwrite = false;      // a run that is already in `out` is replaced
  std::string evaluate_split;  // evaluated once at the end; "": none
  // Changes the tensors of the model while it is trained (TrainEvents), and what it does in words.
  std::function<void(Model& model, const Samples& data, std::int64_t step, std::int64_t steps)>
      before_step = {};
  std::string changes = {};
  std::string command;  // for the record
};

struct TrainOutcome {
  TrainResult result;
  std::int64_t total_steps = 0;
  std::int64_t parameters = 0;
  std::int64_t peak_bytes = 0;     // largest resident set of the process
  double seconds = 0;              // everything: loading, training, evaluating
  std::optional<Evaluation> test;  // of evaluate_split; without logits
  std::string test_split;
};

// Trains into request.out: the model, last/, best/, record.jsonl. Throws Error: what the parts
// throw, and Error(invalid_argument) when `out` holds another run.
TrainOutcome run_training(const TrainRequest& request, const RunWatcher& watcher);

// Removes what a run left in a folder whose model is replaced (last/, best/, record.jsonl), so that
// nothing of it is taken for part of another. Throws Error(io) when another process writes into it.
void remove_run(const std::filesystem::path& out);
// The same, and the folders in it where commands that made the model trained (training/, masked/),
// but for those in `keep`.
void clear_out(const std::filesystem::path& out, const std::set<std::string>& keep = {});

// steps, samples_per_second, tokens_per_second, flops_per_second, loss, accuracies, seconds,
// peak_bytes, out.
Json to_json(const TrainOutcome& outcome, const std::filesystem::path& out);
// {split, metrics..., seconds, samples_per_second}; the last two are null where they are not known
// (it was before a resumption).
Json to_json(const Evaluation& evaluation, const std::string& split);

// Largest resident set of this process so far, in bytes.
std::int64_t peak_memory();

}  // namespace hone
