#include "hone/report/summary.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/record/record.hpp"
#include "hone/report/detail/record_fields.hpp"

namespace hone {
namespace {

constexpr std::int64_t final_loss_window = 100;

// What is collected while the lines are read, before it is ordered and summed.
struct Collected {
  RunSummary run;
  std::map<std::int64_t, StepPoint> steps;
  std::map<std::pair<std::string, std::string>, KernelRow> kernels;
  // Of a process that was killed nobody knows how long it ran: at least as long as its steps.
  double open_seconds = 0;
};

void add_recorded(double& sum, double value) {
  if (!std::isnan(value)) sum = (std::isnan(sum) ? 0 : sum) + value;
}

void close_process(Collected& all) {
  if (all.open_seconds > 0) add_recorded(all.run.seconds, all.open_seconds);
  all.open_seconds = 0;
}

void read_run(Collected& all, const Fields& fields) {
  RunSummary& run = all.run;
  close_process(all);
  run.command = fields.text("command");
  run.config = fields.object("config");
  run.changed = fields.texts("changed");
  run.machine = fields.object("machine");
  run.versions = fields.object("versions");
  if (run.started.empty()) run.started = fields.text("started");
  run.status = "unfinished";
}

// Slots of one format together: "integer width=8", or "weight: integer width=4; bias: ...".
std::string describe_slots(const Json& formats, const Fields& fields) {
  std::vector<std::pair<std::string, std::string>> groups;
  for (const auto& [slot, format] : formats.items()) {
    if (!format.is_string()) fields.fail("formats." + slot, "text");
    const std::string text = format.get<std::string>();
    const auto known = std::find_if(groups.begin(), groups.end(),
                                    [&](const auto& group) { return group.first == text; });
    if (known == groups.end())
      groups.emplace_back(text, slot);
    else
      known->second += ", " + slot;
  }
  std::string text;
  for (const auto& [format, slots] : groups)
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", slots, format);
  return text;
}

void read_model(Collected& all, const Fields& fields) {
  all.run.model = fields.text("name");
  all.run.parameters = fields.number("parameters");
  all.run.layers.clear();
  for (const Fields& layer : fields.list("layers"))
    all.run.layers.push_back({layer.text("name"), layer.text("op"), layer.number("parameters"),
                              layer.number("bytes"), layer.number("macs_per_token"),
                              describe_slots(layer.object("formats"), layer)});
}

void read_quantized(Collected& all, const Fields& fields) {
  QuantizedSummary summary;
  summary.nodes = fields.number("nodes");
  for (const Fields& format : fields.list("formats"))
    summary.formats.push_back(
        {format.text("format"), format.text("slots"), format.number("nodes")});
  summary.parameters = fields.number("parameters");
  summary.float_parameters = fields.number("float_parameters");
  const Json left = fields.object("left_in_float32");
  for (const auto& [op, count] : left.items()) {
    if (!count.is_number()) fields.fail("left_in_float32." + op, "a number");
    summary.left_in_float.emplace_back(op, count.get<double>());
  }
  std::stable_sort(summary.left_in_float.begin(), summary.left_in_float.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  summary.bytes_before = fields.number("bytes_before");
  summary.bytes_after = fields.number("bytes_after");
  summary.packed = fields.flag("packed");
  summary.learned_steps = fields.number("learned_steps");
  summary.calibration = fields.object("calibration");
  summary.trained = fields.object("trained");
  summary.products = fields.text("products");
  all.run.quantized = std::move(summary);
}

void read_pruned(Collected& all, const Fields& fields) {
  PrunedSummary summary;
  for (const Fields& layer : fields.list("layers"))
    summary.layers.push_back(
        {layer.text("name"), layer.number("numbers"), layer.number("dropped")});
  summary.numbers = fields.number("numbers");
  summary.dropped = fields.number("dropped");
  summary.parameters = fields.number("parameters");
  for (const Fields& node : fields.list("activations"))
    summary.activations.emplace_back(node.text("node"), node.text("dropped"));
  summary.trained = fields.object("trained");
  summary.disk_before = fields.number("disk_bytes_before");
  summary.disk_after = fields.number("disk_bytes");
  summary.verdict = fields.text("verdict");
  summary.latency_tokens = fields.number("latency_tokens");
  summary.latency_threads = fields.number("latency_threads");
  for (const Fields& timing : fields.list("latency"))
    summary.latency.push_back({timing.text("name"), timing.number("median"), timing.number("low"),
                               timing.number("high"), timing.text("against")});
  summary.removed = fields.flag("removed");
  summary.parameters_after = fields.number("parameters_after");
  for (const char* kind : {"heads", "neurons"}) {
    std::pair<double, double> sum;
    for (const Fields& part : fields.list(kind)) {
      sum.first += part.number("before");
      sum.second += part.number("after");
    }
    if (sum.first > 0) summary.removed_parts.emplace_back(kind, sum);
  }
  if (const auto branches = static_cast<double>(fields.texts("branches").size()); branches > 0)
    summary.removed_parts.emplace_back("branches", std::pair(branches, 0.0));
  all.run.pruned = std::move(summary);
}

void read_step(Collected& all, const Fields& fields) {
  add_recorded(all.open_seconds, fields.number("seconds"));
  const std::int64_t step = fields.step("step");
  all.steps[step] = {.step = step,
                     .epoch = fields.number("epoch"),
                     .loss = fields.number("loss"),
                     .grad_norm = fields.number("grad_norm"),
                     .lr = fields.number("lr"),
                     .tokens = fields.number("tokens"),
                     .samples = fields.number("samples"),
                     .seconds = fields.number("seconds")};
}

void read_eval(Collected& all, const Fields& fields) {
  EvalPoint eval{.step = fields.step("step"),
                 .split = fields.text("split"),
                 .epoch = fields.number("epoch"),
                 .samples = fields.number("samples"),
                 .accuracy = fields.number("accuracy"),
                 .low = fields.number("low"),
                 .high = fields.number("high"),
                 .loss = fields.number("loss"),
                 .seconds = fields.number("seconds"),
                 .samples_per_second = fields.number("samples_per_second"),
                 .macro_f1 = fields.number("macro_f1"),
                 .mcc = fields.number("mcc"),
                 .mse = fields.number("mse"),
                 .mae = fields.number("mae"),
                 .pearson = fields.number("pearson"),
                 .labels = fields.texts("labels"),
                 .confusion = fields.square("confusion")};
  if (eval.low > eval.high) fields.fail("low", "no more than \"high\"");
  if (!eval.confusion.empty() && eval.labels.empty())
    for (std::size_t i = 0; i < eval.confusion.size(); ++i)
      eval.labels.push_back(std::to_string(i));
  if (!eval.confusion.empty() && eval.labels.size() != eval.confusion.size())
    fields.fail("labels", "as many as \"confusion\" has rows");
  add_recorded(all.open_seconds, eval.seconds);
  // A continued run may evaluate again where the one before it stopped.
  std::erase_if(all.run.evals, [&](const EvalPoint& other) {
    return other.step == eval.step && other.split == eval.split;
  });
  all.run.evals.push_back(std::move(eval));
}

void read_measured(MeasuredPoint& point, const Fields& fields) {
  point.kind = fields.text("kind");
  point.seed = fields.step("seed");
  point.samples = fields.number("samples");
  point.accuracy = fields.number("accuracy");
  point.low = fields.number("low");
  point.high = fields.number("high");
  point.loss = fields.number("loss");
  point.bytes = fields.number("bytes");
  point.bits_per_weight = fields.number("bits_per_weight");
  point.seconds = fields.number("seconds");
  point.p_float = fields.number("p_float");
  if (point.low > point.high) fields.fail("low", "no more than \"high\"");
}

void read_point(Collected& all, const Fields& fields) {
  SweepPoint point;
  read_measured(point, fields);
  if (point.kind != "float" && point.kind != "ptq" && point.kind != "qat")
    fields.fail("kind", "float, ptq or qat");
  point.format = fields.text("format");
  if (point.kind != "float") point.width = fields.step("width");
  point.p_ptq = fields.number("p_ptq");
  std::erase_if(all.run.points, [&](const SweepPoint& other) {
    return other.kind == point.kind && other.width == point.width && other.seed == point.seed;
  });
  all.run.points.push_back(std::move(point));
}

MeasuredCost read_cost(const Fields& fields) {
  return {.latency = fields.number("latency"),
          .latency_low = fields.number("latency_low"),
          .latency_high = fields.number("latency_high"),
          .float_latency = fields.number("float_latency"),
          .speed = fields.text("speed"),
          .bytes_on_disk = fields.number("bytes_on_disk")};
}

void read_compression_stage(Collected& all, const Fields& fields) {
  CompressionPoint point;
  read_measured(point, fields);
  if (point.kind != "float" && point.kind != "stage") fields.fail("kind", "float or stage");
  if (point.kind == "stage") point.number = fields.step("number");
  point.title = fields.text("title");
  point.p_before = fields.number("p_before");
  point.cost = read_cost(fields);
  std::erase_if(all.run.compression_points, [&](const CompressionPoint& other) {
    return other.number == point.number && other.seed == point.seed;
  });
  all.run.compression_points.push_back(std::move(point));
}

void read_pruning_point(Collected& all, const Fields& fields) {
  PruningPoint point;
  read_measured(point, fields);
  static const std::set<std::string> kinds{"float", "pruned", "tuned", "speed"};
  if (kinds.count(point.kind) == 0) fields.fail("kind", "float, pruned, tuned or speed");
  point.curve = fields.text("curve");
  point.sparsity = fields.number("sparsity");
  if (point.kind != "float" && !(point.sparsity > 0 && point.sparsity < 1))
    fields.fail("sparsity", "between 0 and 1");
  point.against = fields.text("against");
  point.p_against = fields.number("p_against");
  point.parameters = fields.number("parameters");
  point.dropped = fields.number("dropped");
  point.cost = read_cost(fields);
  std::erase_if(all.run.pruning_points, [&](const PruningPoint& other) {
    return other.kind == point.kind && other.curve == point.curve && other.seed == point.seed &&
           (point.kind == "float" || other.sparsity == point.sparsity);
  });
  all.run.pruning_points.push_back(std::move(point));
}

void read_timing(Collected& all, const Fields& fields) {
  const auto counted = [&](const char* key) {
    const double value = fields.number(key);
    if (value < 0) fields.fail(key, "0 or more");
    return std::isnan(value) ? 0 : value;
  };
  KernelRow& row = all.kernels[{fields.text("kernel"), fields.text("op")}];
  row.kernel = fields.text("kernel");
  row.op = fields.text("op");
  row.calls += counted("calls");
  row.seconds += counted("seconds");
  row.flop += counted("flop");
}

void read_memory(Collected& all, const Fields& fields) {
  // fmax takes the number where the other is NaN.
  all.run.peak_bytes = std::fmax(all.run.peak_bytes, fields.number("peak_bytes"));
  all.run.arena_bytes = std::fmax(all.run.arena_bytes, fields.number("arena_bytes"));
}

void read_resume(Collected& all, const Fields& fields) {
  const std::int64_t from = fields.step("step");
  all.steps.erase(all.steps.upper_bound(from), all.steps.end());
  std::erase_if(all.run.evals, [&](const EvalPoint& eval) { return eval.step > from; });
  all.run.resumed_from.push_back(from);
  all.run.status = "unfinished";
}

void read_end(Collected& all, const Fields& fields) {
  const std::string status = fields.text("status");
  all.run.status = status.empty() ? "finished" : status;
  const double seconds = fields.number("seconds");
  add_recorded(all.run.seconds, std::isnan(seconds) ? all.open_seconds : seconds);
  all.open_seconds = 0;
}

void read_line(Collected& all, const Json& line, const std::string& source, std::size_t number) {
  if (!line.is_object())
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: line {}: expected a JSON object", source, number),
                "a record is the file record.jsonl of a run");
  const Fields fields(line, source, number);
  const std::string event = fields.text("event");
  static const std::map<std::string, void (*)(Collected&, const Fields&)> readers{
      {"run", read_run},
      {"model", read_model},
      {"step", read_step},
      {"eval", read_eval},
      {"timing", read_timing},
      {"memory", read_memory},
      {"end", read_end},
      {"resume", read_resume},
      {"point", read_point},
      {"quantized", read_quantized},
      {"pruned", read_pruned},
      {"pruning_point", read_pruning_point},
      {"compression_stage", read_compression_stage}};
  if (const auto reader = readers.find(event); reader != readers.end()) reader->second(all, fields);
}

void sum_steps(RunSummary& run) {
  double timed_samples = not_recorded, timed_tokens = not_recorded;
  for (const StepPoint& step : run.steps) {
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
  for (std::size_t i = 0; i < lines.size(); ++i) read_line(all, lines[i], source, i + 1);
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

std::optional<EvalPoint> last_eval(const RunSummary& run, const std::string& split) {
  for (auto eval = run.evals.rbegin(); eval != run.evals.rend(); ++eval)
    if (eval->split == split && !std::isnan(eval->accuracy)) return *eval;
  return std::nullopt;
}

// The splits of a run's accuracies: test before validation before others.
std::vector<std::string> splits_of(const RunSummary& run) {
  std::vector<std::string> splits{"test", "validation"};
  for (const EvalPoint& eval : run.evals) splits.push_back(eval.split);
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
      const EvalPoint& other = *result.runs[j].eval;
      if (run.eval->low > other.high || other.low > run.eval->high) continue;
      run.tied_with.push_back(j);
      if (j == *best || i == *best) run.standing = Standing::tied_for_best;
    }
    if (i == *best && run.tied_with.empty()) run.standing = Standing::best;
  }
  return result;
}

}  // namespace hone
