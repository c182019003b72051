#include "hone/report/summary.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/record/record.hpp"

namespace hone {
namespace {

constexpr std::int64_t final_loss_window = 100;

// What is collected while the lines are read, before it is ordered and summed.
struct Collected {
  RunSummary run;
  std::map<std::int64_t, StepEvent> steps;
  std::map<std::pair<std::string, std::string>, KernelRow> kernels;
  // Of a process that was killed nobody knows how long it ran: at least as long as its steps.
  double open_seconds = 0;
};

void add_recorded(double& sum, double value) {
  if (!std::isnan(value)) sum = (std::isnan(sum) ? 0 : sum) + value;
}

// What is not recorded counts nothing.
double add_counted(double sum, double value) {
  return (std::isnan(sum) ? 0 : sum) + (std::isnan(value) ? 0 : value);
}

void close_process(Collected& all) {
  if (all.open_seconds > 0) add_recorded(all.run.seconds, all.open_seconds);
  all.open_seconds = 0;
}

void add(Collected& all, RunEvent event) {
  close_process(all);
  if (!all.run.started.empty()) event.started = all.run.started;
  static_cast<RunEvent&>(all.run) = std::move(event);
  all.run.status = "unfinished";
}

void add(Collected& all, ModelEvent event) { all.run.model = std::move(event); }
void add(Collected& all, QuantizedEvent event) { all.run.quantized = std::move(event); }
void add(Collected& all, PrunedEvent event) { all.run.pruned = std::move(event); }

void add(Collected& all, const StepEvent& step) {
  add_recorded(all.open_seconds, step.seconds);
  all.steps[step.step] = step;
}

// An event takes the place of those that are measured again.
template <class Event, class Same>
void replace(std::vector<Event>& events, Event event, Same same) {
  std::erase_if(events, same);
  events.push_back(std::move(event));
}

void add(Collected& all, EvalEvent eval) {
  if (eval.labels.empty())
    for (std::size_t i = 0; i < eval.confusion.size(); ++i)
      eval.labels.push_back(std::to_string(i));
  add_recorded(all.open_seconds, eval.seconds);
  // A continued run may evaluate again where the one before it stopped.
  const auto same = [step = eval.step, split = eval.split](const EvalEvent& other) {
    return other.step == step && other.split == split;
  };
  replace(all.run.evals, std::move(eval), same);
}

void add(Collected& all, SweepPoint point) {
  const auto same = [is = point](const SweepPoint& other) {
    return other.kind == is.kind && other.seed == is.seed &&
           (is.kind == "float" || other.width == is.width);
  };
  replace(all.run.points, std::move(point), same);
}

void add(Collected& all, CompressionPoint point) {
  const auto same = [number = point.number, seed = point.seed](const CompressionPoint& other) {
    return other.number == number && other.seed == seed;
  };
  replace(all.run.compression_points, std::move(point), same);
}

void add(Collected& all, PruningPoint point) {
  const auto same = [is = point](const PruningPoint& other) {
    return other.kind == is.kind && other.curve == is.curve && other.seed == is.seed &&
           (is.kind == "float" || other.sparsity == is.sparsity);
  };
  replace(all.run.pruning_points, std::move(point), same);
}

void add(Collected& all, BenchPoint point) {
  const auto same = [is = point](const BenchPoint& other) {
    return other.what == is.what && other.series == is.series && other.at == is.at;
  };
  replace(all.run.bench_points, std::move(point), same);
}

void add(Collected& all, const TimingEvent& timing) {
  KernelRow& row = all.kernels[{timing.kernel, timing.op}];
  row.kernel = timing.kernel;
  row.op = timing.op;
  for (const auto member : {&TimingEvent::calls, &TimingEvent::seconds, &TimingEvent::flop})
    row.*member = add_counted(row.*member, timing.*member);
}

void add(Collected& all, const MemoryEvent& memory) {
  // fmax takes the number where the other is NaN.
  for (const auto member : {&MemoryEvent::peak_bytes, &MemoryEvent::arena_bytes})
    all.run.memory.*member = std::fmax(all.run.memory.*member, memory.*member);
}

void add(Collected& all, const ResumeEvent& resume) {
  all.steps.erase(all.steps.upper_bound(resume.step), all.steps.end());
  std::erase_if(all.run.evals, [&](const EvalEvent& eval) { return eval.step > resume.step; });
  all.run.resumed_from.push_back(resume.step);
  all.run.status = "unfinished";
}

void add(Collected& all, const EndEvent& end) {
  all.run.status = end.status.empty() ? "finished" : end.status;
  add_recorded(all.run.seconds, std::isnan(end.seconds) ? all.open_seconds : end.seconds);
  all.open_seconds = 0;
}

template <class Event>
void read(Collected& all, const Json& line, const LinePlace& place) {
  add(all, from_object<Event>(line, place));
}

template <class... Events>
std::map<std::string, void (*)(Collected&, const Json&, const LinePlace&)> readers_of() {
  return {{Events::event_name, read<Events>}...};
}

void read_line(Collected& all, const Json& line, const LinePlace& place) {
  static const auto readers =
      readers_of<RunEvent, ModelEvent, StepEvent, EvalEvent, TimingEvent, MemoryEvent, EndEvent,
                 ResumeEvent, QuantizedEvent, PrunedEvent, SweepPoint, PruningPoint,
                 CompressionPoint, BenchPoint>();
  const auto reader = readers.find(event_of(line, place));
  if (reader != readers.end()) reader->second(all, line, place);
}

void sum_steps(RunSummary& run) {
  double timed_samples = not_recorded, timed_tokens = not_recorded;
  for (const StepEvent& step : run.steps) {
    add_recorded(run.step_seconds, step.seconds);
    add_recorded(run.samples, step.samples);
    add_recorded(run.tokens, step.tokens);
    if (std::isnan(step.seconds)) continue;
    add_recorded(timed_samples, step.samples);
    add_recorded(timed_tokens, step.tokens);
  }
  if (run.step_seconds > 0) {
    run.samples_per_second = timed_samples / run.step_seconds;
    run.tokens_per_second = timed_tokens / run.step_seconds;
  }
  const auto count = std::min<std::size_t>(run.steps.size(), final_loss_window);
  double sum = 0;
  for (std::size_t i = run.steps.size() - count; i < run.steps.size(); ++i)
    sum += run.steps[i].loss;
  if (count > 0) run.final_loss = sum / static_cast<double>(count);
  run.final_loss_steps = static_cast<std::int64_t>(count);
}

}  // namespace

RunSummary summarize(std::span<const Json> lines, const std::string& source) {
  Collected all;
  all.run.source = source;
  for (std::size_t i = 0; i < lines.size(); ++i) read_line(all, lines[i], {source, i + 1});
  RunSummary run = std::move(all.run);
  for (const auto& [number, step] : all.steps) run.steps.push_back(step);
  sum_steps(run);
  double total = 0;
  for (const auto& [key, row] : all.kernels) {
    run.kernels.push_back(row);
    total += row.seconds;
  }
  for (KernelRow& row : run.kernels) row.share = total > 0 ? row.seconds / total : 0;
  std::stable_sort(run.kernels.begin(), run.kernels.end(),
                   [](const KernelRow& a, const KernelRow& b) { return a.seconds > b.seconds; });
  return run;
}

RunSummary summarize_points(std::vector<Json> points, const std::string& event,
                            const std::string& source) {
  for (Json& point : points) point["event"] = event;
  return summarize(points, source);
}

std::vector<RunSummary> read_runs(std::span<const std::filesystem::path> paths) {
  std::vector<RunSummary> runs;
  std::vector<std::vector<std::string>> parts;  // of the name, last first
  for (const std::filesystem::path& path : paths) {
    const auto file = std::filesystem::is_directory(path) ? path / "record.jsonl" : path;
    const auto lines = Record::read(file);
    if (lines.empty())
      throw Error(ErrorCode::bad_format, file.string() + ": holds no complete line",
                  "the run was killed before it wrote anything; run it again");
    runs.push_back(summarize(lines, file.string()));
    auto named = std::filesystem::absolute(file).lexically_normal();
    named = named.filename() == "record.jsonl" ? named.parent_path() : named.replace_extension();
    auto& names = parts.emplace_back();
    for (const auto& part : named.relative_path()) names.insert(names.begin(), part.string());
  }
  const auto name_of = [&](std::size_t run, std::size_t length) {
    std::string name;
    for (std::size_t i = 0; i < std::min(length, parts[run].size()); ++i)
      name = name.empty() ? parts[run][i] : parts[run][i] + "/" + name;
    return name.empty() ? std::string("run") : name;
  };
  for (std::size_t i = 0; i < runs.size(); ++i) {
    std::size_t length = 1;
    const auto taken = [&] {
      for (std::size_t j = 0; j < runs.size(); ++j)
        if (j != i && name_of(j, length) == name_of(i, length)) return true;
      return false;
    };
    while (length < parts[i].size() && taken()) ++length;
    // The same record given twice keeps apart by its number.
    runs[i].name = name_of(i, taken() ? 1 : length) + (taken() ? fmt::format(" ({})", i + 1) : "");
  }
  return runs;
}

namespace {

std::optional<EvalEvent> last_eval(const RunSummary& run, const std::string& split) {
  for (auto eval = run.evals.rbegin(); eval != run.evals.rend(); ++eval)
    if (eval->split == split && !std::isnan(eval->accuracy)) return *eval;
  return std::nullopt;
}

// The splits of a run's accuracies: test before validation before others.
std::vector<std::string> splits_of(const RunSummary& run) {
  std::vector<std::string> splits{"test", "validation"};
  for (const EvalEvent& eval : run.evals) splits.push_back(eval.split);
  std::erase_if(splits, [&](const std::string& split) { return !last_eval(run, split); });
  return splits;
}

// Runs without any accuracy (of values, or killed) do not count.
std::string common_split(std::span<const RunSummary> runs) {
  const auto first = std::find_if(runs.begin(), runs.end(),
                                  [](const RunSummary& run) { return !splits_of(run).empty(); });
  if (first == runs.end()) return "";
  for (const std::string& split : splits_of(*first))
    if (std::all_of(first, runs.end(), [&](const RunSummary& run) {
          return last_eval(run, split).has_value() || splits_of(run).empty();
        }))
      return split;
  return "";
}

}  // namespace

Comparison compare_final_accuracy(std::span<const RunSummary> runs) {
  Comparison result{common_split(runs), std::vector<FinalAccuracy>(runs.size())};
  std::optional<std::size_t> best;
  std::size_t with_interval = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    FinalAccuracy& run = result.runs[i];
    const std::vector<std::string> own = splits_of(runs[i]);
    if (!own.empty()) run.eval = last_eval(runs[i], result.split.empty() ? own[0] : result.split);
    if (result.split.empty() || !run.eval || !run.eval->has_interval()) continue;
    ++with_interval;
    if (!best || run.eval->accuracy > result.runs[*best].eval->accuracy) best = i;
  }
  if (with_interval < 2) return result;
  const auto ranked = [&](std::size_t i) { return result.runs[i].eval->has_interval(); };
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (!ranked(i)) continue;
    FinalAccuracy& run = result.runs[i];
    run.standing = Standing::lower;
    for (std::size_t j = 0; j < runs.size(); ++j) {
      if (j == i || !ranked(j)) continue;
      const EvalEvent& other = *result.runs[j].eval;
      if (run.eval->low > other.high || other.low > run.eval->high) continue;
      run.tied_with.push_back(j);
      if (j == *best || i == *best) run.standing = Standing::tied_for_best;
    }
    if (i == *best && run.tied_with.empty()) run.standing = Standing::best;
  }
  return result;
}

}  // namespace hone
