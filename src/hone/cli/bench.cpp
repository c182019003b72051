#include <fmt/format.h>

#include "hone/backend/kernel.hpp"
#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/bench_attention.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/named_inputs.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/frontends/array_files.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/recipes/bench_model.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/numbers.hpp"
#include "hone/report/terminal_table.hpp"

namespace hone {
namespace {

// "x=32,3,224,224"
std::map<std::string, Shape> parse_shapes(const CommandInput& input) {
  std::vector<std::string> texts;
  if (input.options.contains("shape")) texts.push_back(input.options.text("shape"));
  if (const auto more = input.arguments.find("SHAPE"); more != input.arguments.end())
    texts.insert(texts.end(), more->second.begin(), more->second.end());
  std::map<std::string, Shape> shapes;
  for (const std::string& text : texts) {
    const std::size_t equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError(fmt::format("'{}' is no shape", printable(text, 100)),
                       "NAME=SIZE,SIZE,... e.g. x=32,3,224,224");
    Shape shape;
    const OptionSpec size{.name = "shape",
                          .type = OptionType::integer,
                          .default_value = {},
                          .help = "",
                          .minimum = 0,
                          .maximum = 1e12};
    for (const std::string& part : split(text.substr(equals + 1), ','))
      shape.push_back(std::get<std::int64_t>(parse_option(size, trim(part), "--shape")));
    if (!shapes.emplace(text.substr(0, equals), shape).second)
      throw UsageError(fmt::format("input '{}' has two shapes", text.substr(0, equals)));
  }
  return shapes;
}

Json json_of(const ModeTimes& times, double peak, int runs) {
  Json json{{"seconds", {{"median", times.median}, {"min", times.low}, {"max", times.high}}},
            {"all_seconds", times.seconds},
            {"compile_seconds", times.compile_seconds},
            {"flop", times.flop},
            {"flops", times.flop / times.median},
            {"share_of_peak", times.flop / times.median / peak},
            {"arena_bytes", times.arena_bytes}};
  for (const KernelTiming& kernel : times.kernels)
    json["kernels"].push_back({{"kernel", kernel.kernel},
                               {"calls", kernel.calls / runs},
                               {"seconds", kernel.seconds / runs / thread_count()},
                               {"flop", kernel.flop / runs}});
  for (const PassReport& pass : times.passes)
    json["passes"].push_back(
        {{"name", pass.name}, {"changes", pass.changes}, {"seconds", pass.seconds}});
  return json;
}

std::string show(const std::vector<std::pair<std::string, ModeTimes>>& modes, double peak,
                 int runs) {
  TerminalTable table({{"mode", Align::left},
                       {"a run", Align::right},
                       {"least", Align::right},
                       {"most", Align::right},
                       {"compiling", Align::right},
                       {"GFLOP/s", Align::right},
                       {"of peak", Align::right},
                       {"arena", Align::right}});
  for (const auto& [name, times] : modes)
    table.add_row({name, format_duration(times.median), format_duration(times.low),
                   format_duration(times.high), format_duration(times.compile_seconds),
                   fmt::format("{:.1f}", times.flop / times.median / 1e9),
                   format_percent(times.flop / times.median / peak, 0),
                   format_bytes(static_cast<double>(times.arena_bytes))});
  std::string text = table.render(console().style(), 0);
  for (const auto& [name, times] : modes) {
    TerminalTable kernels({{"kernels, " + name, Align::left},
                           {"calls", Align::right},
                           {"of a run", Align::right},
                           {"GFLOP/s", Align::right}});
    for (const KernelTiming& kernel : times.kernels) {
      const double seconds = kernel.seconds / thread_count();
      kernels.add_row({kernel.kernel, fmt::format("{}", kernel.calls / runs),
                       format_duration(seconds / runs),
                       kernel.flop > 0 ? fmt::format("{:.1f}", kernel.flop / seconds / 1e9) : ""});
    }
    text += "\n" + kernels.render(console().style(), 0);
  }
  return text;
}

CommandResult run_bench(const CommandInput& input) {
  if (input.options.contains("instructions")) limit_cpu_vectors(input.options.text("instructions"));
  if (input.argument("MODEL") == "attention") return run_bench_attention(input);
  refuse_attention_options(input);
  apply_threads(input);
  const BenchOptions options{.runs = static_cast<int>(input.options.integer_or("runs", 10)),
                             .warmup = static_cast<int>(input.options.integer_or("warmup", 2))};
  const std::map<std::string, Shape> shapes = parse_shapes(input);
  Model model = load_model({.name = input.argument("MODEL")});
  const bool of_file = input.options.contains("in");
  const std::string file = input.options.text_or("in", "");
  if (of_file && !shapes.empty())
    throw UsageError("--in and shapes: the file's tensors have shapes of their own", "give one");
  const std::map<std::string, Tensor> inputs =
      !of_file ? random_inputs(model, shapes) : inputs_of(model, read_arrays(file), file);
  const std::string wanted = input.options.text_or("mode", "compiled");
  const double peak = measure_peak_flops();
  std::vector<std::pair<std::string, ModeTimes>> modes;
  for (const Mode mode : {Mode::eager, Mode::compiled}) {
    const std::string name = mode == Mode::eager ? "eager" : "compiled";
    if (wanted != "both" && wanted != name) continue;
    const bool last = mode == Mode::compiled || wanted == name;
    modes.emplace_back(name, bench_mode(last ? std::move(model) : model, mode, inputs, options));
  }
  const int runs = options.runs + std::max(1, options.warmup);
  console().print(show(modes, peak, runs));
  Json results{{"threads", thread_count()}, {"peak_flops", peak}, {"peak_bytes", peak_memory()}};
  for (const auto& [name, times] : modes) results["modes"][name] = json_of(times, peak, runs);
  if (modes.size() == 2) {
    const double even = break_even_runs(modes[0].second, modes[1].second);
    results["break_even_runs"] = even;
    console().print(fmt::format("\ncompiling pays from run {:.0f} on\n", std::ceil(even)));
  }
  return {0, results};
}

}  // namespace

Command command_bench() {
  Command command{{"bench", "measures how long a model takes, by mode and kernel", {}}};
  command.arguments = {{"MODEL", "a model folder, an .onnx file, or the word attention"},
                       {"SHAPE", "more shapes: NAME=SIZE,SIZE,...", false, true}};
  command.options = {
      {.name = "shape",
       .default_value = {},
       .help = "of an input: x=32,3,224,224 (a first size left open is 1 without it); of texts: "
               "text=SEQUENCES,TOKENS; of attention: B,H,S,D"},
      {.name = "in",
       .default_value = {},
       .help = "inputs of a file, as hone infer reads them, in place of random ones"},
      {.name = "mode",
       .type = OptionType::text,
       .default_value = {},
       .help = "how the graph is run: eager, compiled (default) or both; attention: "
               "naive, fused or both (default)",
       .choices = {"eager", "compiled", "naive", "fused", "both"}},
      {.name = "runs",
       .type = OptionType::integer,
       .default_value = std::int64_t{10},
       .help = "runs that are counted",
       .minimum = 1,
       .maximum = 1e6},
      {.name = "warmup",
       .type = OptionType::integer,
       .default_value = std::int64_t{2},
       .help = "runs before them; the first makes the plan and packs weights",
       .minimum = 1,
       .maximum = 1e6},
      {.name = "threads",
       .type = OptionType::integer,
       .default_value = {},
       .help = "threads (default: all cores)",
       .minimum = 1},
      {.name = "instructions",
       .default_value = {},
       .help = "vector instructions that kernels keep to, as on an older machine: AVX2, AVX3 "
               "(AVX-512 without AMX), ... (default: the machine's)"}};
  for (OptionSpec& option : attention_bench_options()) command.options.push_back(std::move(option));
  command.placeholders = {{"shape", "NAME=SIZES"}, {"in", "FILE"}, {"instructions", "NAME"}};
  command.examples = {"hone bench bert-tiny --shape text=8,128 --mode both --runs 5",
                      "hone bench resnet18 --threads 1", "hone bench resnet18 --instructions AVX2",
                      "hone bench attention --shape 1,8,512,64 --dtype bf16 --backward"};
  command.run = run_bench;
  return command;
}

}  // namespace hone
