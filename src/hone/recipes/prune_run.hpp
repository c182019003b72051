// Pruning one model from names to a saved directory: at once, or gradually while it is trained;
// what that left without effect is removed, and what it gained is measured.
// `hone prune` and the sweeps are this.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/passes/remove.hpp"
#include "hone/recipes/prune_verdict.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/sparsity/mask.hpp"

namespace hone {

// Nodes and how their weights are pruned.
struct PruneSelection {
  std::string nodes;  // graph/selection.hpp; "": linear without what makes the logits
  std::string method = "l1";
  MaskGranularity granularity = {};
  // Share that goes; N:M brings its own. 0: these are left as they are.
  std::optional<double> sparsity;
  std::string where = {};  // "file: line n", where it was read; begins its errors
};

// Data that nodes read.
struct ActivationRequest {
  double sparsity = 0;
  bool random = false;        // rule mase: drawn, whatever the numbers are
  bool by_threshold = false;  // calibrated on data; else of each token (or as rule mase says)
};

// From nothing to the asked sparsity while training (Zhu and Gupta, arXiv 1710.01878): at share t
// of the way 1 - (1 - t)^3 of it (cubic), or t (linear).
struct GradualRequest {
  bool cubic = true;
  double begin = 0, end = 0.75;  // shares of the steps
  std::int64_t every = 0;        // steps; 0: a hundredth of all
};

struct PruneRequest {
  std::string model;                       // a directory
  std::vector<PruneSelection> selections;  // a weight goes by the first that matches it
  MaskScope scope = MaskScope::local;      // global: within each selection
  // Thresholds as MASE sets them instead of exact counts, for methods l1 and random, and of data
  // over the whole tensor of a call.
  bool mase = false;
  bool allow_empty = false;
  std::uint64_t seed = 0;  // of random methods
  std::optional<ActivationRequest> activations;
  std::string activation_nodes = {};  // as PruneSelection::nodes
  // What methods and thresholds look at (split train); "": none.
  std::string data = {};
  TextSettings data_settings = {};
  std::string tokenizer = {};   // "": the model's own
  std::int64_t max_length = 0;  // tokens of a sample; 0: what the model takes
  std::int64_t samples = 128;
  std::filesystem::path out;
  // Fine-tunes what is pruned; its `model`, `out` and `before_step` are set here.
  std::optional<TrainRequest> training;
  std::optional<GradualRequest> gradual;  // only with training
  // At the end heads, neurons and branches of zeros are taken out (passes/remove.hpp); alone, of a
  // model that is pruned already.
  bool remove = false;
  bool overwrite = false;  // what other commands left in `out` goes (clear_out)
  // Latency of dense, masked and removed, of one text of so many tokens; 0: as LatencyOptions.
  bool measure = true;
  std::int64_t tokens = 0;
  std::string command = {};  // for the record
};

struct PrunedLayer {
  std::string weight;
  std::int64_t numbers = 0, dropped = 0;
};

struct RemovalOutcome : Removal {
  std::int64_t bytes_before = 0, bytes_after = 0;  // of the tensors
};

// Shares and parameters are those before anything is removed.
struct PruneOutcome {
  std::vector<PrunedLayer> layers;  // that have a mask, in the order of the graph
  std::vector<std::pair<std::string, std::string>> activations;  // node, how
  std::int64_t numbers = 0, dropped = 0;                         // of the layers together
  std::int64_t parameters = 0;                                   // of the model
  bool packed = false;
  std::optional<TrainOutcome> training;
  std::optional<RemovalOutcome> removal;
  std::optional<PruningVerdict> verdict;
  // Of the files of the weights; before: 0 for a built-in model.
  std::int64_t disk_before = 0, disk_after = 0;
};

// Throws Error(invalid_argument) for what cannot be or changes nothing, whatever the model is.
void check_request(const PruneRequest& request);

// Whether the data of a request is asked for at all (training aside).
bool reads_data(const PruneRequest& request);

// Writes the pruned model and its record. With training, the model it begins with is in out/masked
// and its run in out/training. Throws Error: what the parts throw, Error(invalid_argument) when
// nothing would change or options do not go together; that nothing can be removed is found before
// anything is trained.
PruneOutcome run_pruning(const PruneRequest& request, const RunWatcher& watcher);

Json to_json(const PruneOutcome& outcome, const std::filesystem::path& out);

// A layer-wise budget, as a list of tables like that of the formats: `defaults` gives what a table
// leaves out.
//
//   [[prune]]
//   nodes = "layer0\\..*"
//   sparsity = 0.3
//
//   [[prune]]                    # all other linear nodes
//   sparsity = 0.8
//   method = "wanda"
//   granularity = "2:4"
//
// Throws Error(bad_format) naming file, line and what was expected.
std::vector<PruneSelection> load_budget_file(const std::filesystem::path& file,
                                             const PruneSelection& defaults);

}  // namespace hone
