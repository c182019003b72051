// What one run was, read from its record alone: the numbers behind every table and plot.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hone/core/json.hpp"

namespace hone {

// A number the record does not hold is NaN.
inline constexpr double not_recorded = std::numeric_limits<double>::quiet_NaN();

struct StepPoint {
  std::int64_t step = 0;
  double epoch = not_recorded;
  double loss = not_recorded;
  double grad_norm = not_recorded;
  double lr = not_recorded;
  double tokens = not_recorded;
  double samples = not_recorded;
  double seconds = not_recorded;
};

struct EvalPoint {
  std::int64_t step = 0;
  std::string split;
  double epoch = not_recorded;
  double samples = not_recorded;
  double accuracy = not_recorded;
  double low = not_recorded;  // 95 % interval of the accuracy
  double high = not_recorded;
  double loss = not_recorded;
  double seconds = not_recorded;
  double samples_per_second = not_recorded;
  double macro_f1 = not_recorded;  // mean of the classes' F1
  double mcc = not_recorded;       // Matthews correlation
  // Of a model that gives values instead of classes.
  double mse = not_recorded, mae = not_recorded, pearson = not_recorded;
  std::vector<std::string> labels;
  // Samples by [true class][predicted class]; may be empty.
  std::vector<std::vector<std::int64_t>> confusion;

  bool has_interval() const { return accuracy == accuracy && low == low && high == high; }
};

struct LayerRow {
  std::string name;
  std::string op;
  double parameters = not_recorded;
  double bytes = not_recorded;
  double macs_per_token = not_recorded;
  std::string formats = {};  // "weight: integer width=8"; empty: float32
};

// What a quantized model, or one that is trained with the rounding, is made of.
struct QuantizedSummary {
  double nodes = not_recorded;
  // A format, the slots that take it, and how many nodes.
  struct Format {
    std::string format, slots;
    double nodes = not_recorded;
  };
  std::vector<Format> formats;
  double parameters = not_recorded;
  double float_parameters = not_recorded;                     // that take no format
  std::vector<std::pair<std::string, double>> left_in_float;  // those by op, most first
  double bytes_before = not_recorded;
  double bytes_after = not_recorded;
  bool packed = false;  // false: trained with the rounding, or a rule that has no bits
  double learned_steps = not_recorded;
  Json calibration = Json::object();
  Json trained = Json::object();
  std::string products;  // where they run
};

// What pruning left of a model.
struct PrunedSummary {
  struct Layer {
    std::string name;
    double numbers = not_recorded, dropped = not_recorded;
  };
  std::vector<Layer> layers;      // those with a mask
  double numbers = not_recorded;  // of them together
  double dropped = not_recorded;
  double parameters = not_recorded;                              // of the model
  std::vector<std::pair<std::string, std::string>> activations;  // node, what of its data goes
  Json trained = Json::object();
  double disk_before = not_recorded, disk_after = not_recorded;  // bytes of the files of weights
  // Where structures were taken out; of a kind: before, after, over all nodes.
  bool removed = false;
  std::vector<std::pair<std::string, std::pair<double, double>>> removed_parts;
  double parameters_after = not_recorded;
  // Measured: dense, masked, removed.
  struct Timing {
    std::string name;
    double median = not_recorded, low = not_recorded, high = not_recorded;
    std::string against;  // dense
  };
  std::vector<Timing> latency;
  double latency_tokens = not_recorded, latency_threads = not_recorded;
  std::string verdict;
};

struct KernelRow {
  std::string kernel;
  std::string op;
  double calls = 0;
  double seconds = 0;
  double flop = 0;   // 0: the kernel counts none
  double share = 0;  // of the seconds of all kernels

  double gflop_per_second() const {
    return seconds > 0 && flop > 0 ? flop / seconds / 1e9 : not_recorded;
  }
};

// One measurement of a sweep.
struct MeasuredPoint {
  std::string kind;  // float: the model that the others start from
  std::int64_t seed = 0;
  double samples = not_recorded;
  double accuracy = not_recorded;
  double low = not_recorded;  // 95 % interval of the accuracy
  double high = not_recorded;
  double loss = not_recorded;
  double bytes = not_recorded;
  double bits_per_weight = not_recorded;  // of the weights that take the format
  double seconds = not_recorded;
  double p_float = not_recorded;  // McNemar's test against the float model
};

// Of a sweep over widths: kind ptq or qat.
struct SweepPoint : MeasuredPoint {
  std::string format;
  std::int64_t width = 0;
  double p_ptq = not_recorded;  // McNemar's test of qat against ptq
};

// What a model costs.
struct MeasuredCost {
  // Seconds of one text, beside the float model in the same rounds.
  double latency = not_recorded, latency_low = not_recorded, latency_high = not_recorded;
  double float_latency = not_recorded;
  std::string speed;                    // what that says: "1.60 x as fast", "no faster"
  double bytes_on_disk = not_recorded;  // of the files of its weights
};

// Of a sweep over sparsities: kind pruned, tuned (trained after it) or speed (has a cost).
struct PruningPoint : MeasuredPoint {
  std::string curve;  // the way to prune
  double sparsity = not_recorded;
  std::string against;              // another curve
  double p_against = not_recorded;  // McNemar's test against it
  double parameters = not_recorded, dropped = not_recorded;
  MeasuredCost cost;
};

// One stage of a compression.
struct CompressionPoint : MeasuredPoint {
  std::int64_t number = 0;  // from 1; 0: the float model
  std::string title;
  double p_before = not_recorded;  // McNemar's test against the stage before it
  MeasuredCost cost;
};

struct RunSummary {
  std::string name;    // short, unique among the runs of one report
  std::string source;  // the record's path
  std::string command;
  std::string started;
  Json config = Json::object();
  std::vector<std::string> changed;  // keys of the configuration that are not at their default
  Json machine = Json::object();
  Json versions = Json::object();

  std::string model;
  double parameters = not_recorded;
  std::vector<LayerRow> layers;
  std::optional<QuantizedSummary> quantized;
  std::optional<PrunedSummary> pruned;
  std::vector<StepPoint> steps;    // ascending, each number once
  std::vector<EvalPoint> evals;    // in the order written
  std::vector<SweepPoint> points;  // in the order written, each once
  std::vector<PruningPoint> pruning_points;
  std::vector<CompressionPoint> compression_points;
  std::vector<KernelRow> kernels;  // most seconds first
  double peak_bytes = not_recorded;
  double arena_bytes = not_recorded;
  std::vector<std::int64_t> resumed_from;
  // finished, interrupted or failed as the record says; "unfinished" when it has no end: the run
  // was killed or is still going.
  std::string status = "unfinished";
  double seconds = not_recorded;  // wall clock, all continuations together

  // Sums over the steps that record the value; NaN when none does.
  double step_seconds = not_recorded;
  double samples = not_recorded;
  double tokens = not_recorded;
  double samples_per_second = not_recorded;  // of training steps alone
  double tokens_per_second = not_recorded;
  double final_loss = not_recorded;  // mean of the last `final_loss_steps` steps
  std::int64_t final_loss_steps = 0;
};

// `lines` as Record::read gives them, one a line of the file `source`.
//
// A run that was killed has no end; every event may be missing. On `resume` the steps and
// evaluations after the step it continues from are dropped: the continued run does them again.
// Timings of the continuations add up; of the memory the largest counts. Events not known here are
// skipped. A value of the wrong type is Error(bad_format) naming source, line and key.
RunSummary summarize(std::span<const Json> lines, const std::string& source);

// Reads records; a directory means its record.jsonl. Names the runs after their directories (or
// files), longer where two would be the same. An empty record is Error(bad_format).
std::vector<RunSummary> read_runs(std::span<const std::filesystem::path> paths);

// Final accuracies side by side.
enum class Standing { unranked, best, tied_for_best, lower };
struct FinalAccuracy {
  // The last one on the common split, or, without one, on the first that the run has; absent when
  // it has none.
  std::optional<EvalPoint> eval;
  Standing standing = Standing::unranked;
  std::vector<std::size_t> tied_with;  // runs whose 95 % intervals overlap this one's
};
struct Comparison {
  // The split of all runs that have an accuracy: test before validation before others; may be
  // empty, then nothing is ranked.
  std::string split;
  std::vector<FinalAccuracy> runs;
};
// Two-sided: two runs are tied when their 95 % intervals overlap. A run without an interval is not
// ranked, and one run alone has no standing.
Comparison compare_final_accuracy(std::span<const RunSummary> runs);

}  // namespace hone
