// What one run was, read from its record alone: the numbers behind every table and plot.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/record/bench_events.hpp"
#include "hone/record/point_events.hpp"
#include "hone/record/run_events.hpp"
#include "hone/record/training_events.hpp"
#include "hone/record/transform_events.hpp"

namespace hone {

// All timings of one kernel.
struct KernelRow : TimingEvent {
  double share = 0;  // of the seconds of all kernels

  double gflop_per_second() const {
    return seconds > 0 && flop > 0 ? flop / seconds / 1e9 : not_recorded;
  }
};

// The run's own line is that of its last continuation; `started` that of the first.
struct RunSummary : RunEvent {
  std::string name;    // short, unique among the runs of one report
  std::string source;  // the record's path

  ModelEvent model;
  std::optional<QuantizedEvent> quantized;
  std::optional<PrunedEvent> pruned;
  std::vector<StepEvent> steps;    // ascending, each number once
  std::vector<EvalEvent> evals;    // in the order written
  std::vector<SweepPoint> points;  // in the order written, each once
  std::vector<PruningPoint> pruning_points;
  std::vector<CompressionPoint> compression_points;
  std::vector<BenchPoint> bench_points;
  std::vector<KernelRow> kernels;  // most seconds first
  MemoryEvent memory;              // the largest of all continuations
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
// The points of an experiment as its result has them: lines that do not say their event.
RunSummary summarize_points(std::vector<Json> points, const std::string& event,
                            const std::string& source);

// Reads records; a directory means its record.jsonl. Names the runs after their directories (or
// files), longer where two would be the same. An empty record is Error(bad_format).
std::vector<RunSummary> read_runs(std::span<const std::filesystem::path> paths);

// Final accuracies side by side.
enum class Standing { unranked, best, tied_for_best, lower };
struct FinalAccuracy {
  // The last one on the common split, or, without one, on the first that the run has; absent when
  // it has none.
  std::optional<EvalEvent> eval;
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
