#include "hone/report/finding.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include "hone/report/bench_curves.hpp"
#include "hone/report/compression.hpp"
#include "hone/report/mean_interval.hpp"
#include "hone/report/numbers.hpp"
#include "hone/report/pruning_curves.hpp"
#include "hone/report/quantized_table.hpp"
#include "hone/report/tables.hpp"

namespace hone {
namespace {

using Runs = std::span<const RunSummary>;

std::string bit_count(std::int64_t width) {
  return width == 1 ? "1 bit" : fmt::format("{} bits", width);
}

std::string accuracy_of(const EvalEvent& eval) {
  if (!eval.has_interval())
    return fmt::format("{} {} accuracy", format_percent(eval.accuracy), eval.split);
  return fmt::format("{} {} accuracy ({:.2f}–{:.2f})", format_percent(eval.accuracy), eval.split,
                     eval.low * 100, eval.high * 100);
}

// Of the first evaluation that no later one surpasses: ", best at epoch 3 of 5".
std::string best_epoch(const RunSummary& run) {
  const EvalEvent* best = nullptr;
  double last = not_recorded;
  for (const EvalEvent& eval : run.evals) {
    if (eval.split != "validation" || std::isnan(eval.accuracy) || std::isnan(eval.epoch)) continue;
    if (best == nullptr || eval.accuracy > best->accuracy) best = &eval;
    last = eval.epoch;
  }
  if (best == nullptr || last <= 1) return "";
  return fmt::format(", best at epoch {} of {}", format_significant(best->epoch),
                     format_significant(last));
}

std::string how_far(const RunSummary& run) {
  if (run.quantized && run.steps.empty())
    if (const std::string size = describe_packed_size(*run.quantized); !size.empty())
      return fmt::format("{} parameters in {}", format_count(run.quantized->parameters), size);
  if (run.pruned && run.steps.empty() && run.evals.empty() && run.pruned->numbers > 0) {
    // The reasons of the verdict stand in the table.
    const std::string speed =
        run.pruned->verdict.substr(0, run.pruned->verdict.find_first_of(":;"));
    return fmt::format("{} of {} weights dropped ({}){}{}", format_count(run.pruned->dropped),
                       format_count(run.pruned->numbers),
                       format_percent(run.pruned->dropped / run.pruned->numbers, 2),
                       speed.empty() ? "" : ", ", speed);
  }
  for (auto eval = run.evals.rbegin(); eval != run.evals.rend(); ++eval)
    if (!std::isnan(eval->mse))
      return fmt::format("Mean squared error {} on {}", format_significant(eval->mse), eval->split);
  if (run.steps.empty()) return "Nothing was measured";
  return fmt::format("Loss {} after {} steps", format_significant(run.final_loss),
                     run.steps.back().step);
}

std::string one_run(const RunSummary& run, const Comparison& comparison) {
  if (!run.points.empty()) {
    const Sweep sweep = arrange_sweep(run);
    if (std::string cost = describe_cost(sweep); !cost.empty()) return cost;
    return fmt::format("{} widths of {}, not yet compared with float32", sweep.rows.size(),
                       sweep.format);
  }
  if (!run.pruning_points.empty()) {
    const PruningCurves curves = arrange_pruning(run);
    if (std::string cost = describe_pruning_cost(curves); !cost.empty()) return cost;
    return fmt::format("{} ways to prune, not yet compared with float32", curves.curves.size());
  }
  if (!run.compression_points.empty())
    if (std::string stages = describe_compression(arrange_compression(run)); !stages.empty())
      return stages;
  if (!run.bench_points.empty())
    if (std::string gap = describe_bench(arrange_bench(run)); !gap.empty()) return gap;
  const FinalAccuracy& final = comparison.runs.front();
  std::string text = final.eval ? accuracy_of(*final.eval) + best_epoch(run) : how_far(run);
  if (final.eval && run.quantized && run.quantized->packed)
    if (const std::string size = describe_packed_size(*run.quantized); !size.empty())
      text += " in " + size;
  if (run.status != "finished") text += fmt::format(" – {}", run.status);
  return text;
}

// Runs that differ in nothing but their seed and where they lie.
bool are_seeds(Runs runs) {
  const auto rest = [](const RunSummary& run) {
    auto pairs = flatten(run.config);
    std::erase_if(pairs, [](const auto& pair) { return pair.first == "seed"; });
    return pairs;
  };
  return std::all_of(runs.begin(), runs.end(), [&](const RunSummary& run) {
    return !run.config.empty() && run.model.name == runs.front().model.name &&
           rest(run) == rest(runs.front());
  });
}

std::string mean_of_seeds(Runs runs, const Comparison& comparison) {
  std::vector<double> accuracies;
  for (const FinalAccuracy& run : comparison.runs) accuracies.push_back(run.eval->accuracy);
  const MeanInterval mean = mean_interval(accuracies);
  return fmt::format("{} {} accuracy, the mean of {} seeds ({:.2f}–{:.2f})",
                     format_percent(mean.mean), comparison.split, runs.size(),
                     std::max(0.0, mean.mean - mean.half_width) * 100,
                     std::min(1.0, mean.mean + mean.half_width) * 100);
}

std::string several_runs(Runs runs, const Comparison& comparison) {
  std::size_t best = runs.size(), measured = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto& eval = comparison.runs[i].eval;
    measured += eval ? 1 : 0;
    if (eval && (best == runs.size() || eval->accuracy > comparison.runs[best].eval->accuracy))
      best = i;
  }
  if (best == runs.size() || comparison.split.empty())
    return fmt::format("{} runs without a common measure", runs.size());
  const FinalAccuracy& first = comparison.runs[best];
  if (measured == 1)
    return fmt::format("{}: {}; {} no final accuracy", runs[best].name, accuracy_of(*first.eval),
                       runs.size() == 2 ? "the other has" : "the others have");
  if (first.standing == Standing::best)
    return fmt::format("{} is best: {}", runs[best].name, accuracy_of(*first.eval));
  const std::string n = sample_count(first.eval->samples);
  const auto tied = static_cast<std::size_t>(std::count_if(
      comparison.runs.begin(), comparison.runs.end(),
      [](const FinalAccuracy& run) { return run.standing == Standing::tied_for_best; }));
  if (first.standing != Standing::tied_for_best)
    return fmt::format("{} has the highest {} accuracy: {}", runs[best].name, comparison.split,
                       format_percent(first.eval->accuracy));
  const std::string which = tied == runs.size() ? fmt::format("the {} runs", tied)
                                                : fmt::format("the {} best runs", tied);
  return fmt::format("{}: no difference detected between {}{}", accuracy_of(*first.eval), which,
                     n.empty() ? "" : " (" + n + ")");
}

}  // namespace

std::string sample_count(double samples) {
  if (std::isnan(samples)) return "";
  std::string digits = fmt::format("{:.0f}", samples);
  for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return "n = " + digits;
}

std::string describe_cost(const Sweep& sweep) {
  if (!sweep.base || sweep.rows.empty()) return "";
  const std::int64_t ptq = narrowest_without_loss(sweep, false);
  const std::int64_t qat = narrowest_without_loss(sweep, true);
  const std::string count = sample_count(sweep.base->samples);
  const std::string n = count.empty() ? "" : " (" + count + ")";
  const auto widths = [](std::int64_t width) {
    return fmt::format("{} cost{}", bit_count(width), width == 1 ? "s" : "");
  };
  if (qat > 0 && (ptq == 0 || qat < ptq))
    return fmt::format("{} no detectable accuracy after training with the rounding{}{}",
                       widths(qat), ptq > 0 ? fmt::format(", {} without", bit_count(ptq)) : "", n);
  if (ptq > 0) return fmt::format("{} no detectable accuracy{}", widths(ptq), n);
  using Verdict = SweepDifference::Verdict;
  const SweepRow& widest = sweep.rows.back();
  if (widest.ptq_to_float.verdict != Verdict::worse &&
      widest.qat_to_float.verdict != Verdict::worse)
    return "";
  return fmt::format("Accuracy is lost even at {}, the most that were tried{}",
                     bit_count(widest.width), n);
}

std::string describe_finding(Runs runs) {
  if (runs.empty()) return "No runs";
  const Comparison comparison = compare_final_accuracy(runs);
  if (runs.size() == 1) return one_run(runs.front(), comparison);
  const bool judged = !comparison.split.empty() &&
                      std::all_of(comparison.runs.begin(), comparison.runs.end(),
                                  [](const FinalAccuracy& run) { return run.eval.has_value(); });
  return judged && are_seeds(runs) ? mean_of_seeds(runs, comparison)
                                   : several_runs(runs, comparison);
}

}  // namespace hone
