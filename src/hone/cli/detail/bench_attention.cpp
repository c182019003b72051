#include "hone/cli/detail/bench_attention.hpp"

#include <fmt/format.h>

#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/recipes/bench_attention.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/numbers.hpp"
#include "hone/report/terminal_table.hpp"

namespace hone {
namespace {

AttentionBench parse_attention(const CommandInput& input) {
  AttentionBench bench;
  if (!input.options.contains("shape"))
    throw UsageError("attention has no shape", "--shape BATCH,HEADS,TOKENS,SIZE, e.g. 32,8,128,64");
  if (input.has("SHAPE")) throw UsageError("attention has one shape");
  const std::string text = input.options.text("shape");
  const std::vector<std::string> parts = split(text, ',');
  if (parts.size() != 4)
    throw UsageError(fmt::format("'{}' is no shape of attention", printable(text, 100)),
                     "four sizes: BATCH,HEADS,TOKENS,SIZE, e.g. 32,8,128,64");
  std::int64_t* const sizes[] = {&bench.batch, &bench.heads, &bench.tokens, &bench.head_size};
  const OptionSpec size{.name = "shape",
                        .type = OptionType::integer,
                        .default_value = {},
                        .help = "",
                        .minimum = 1,
                        .maximum = 1e9};
  for (std::size_t i = 0; i < 4; ++i)
    *sizes[i] = std::get<std::int64_t>(parse_option(size, trim(parts[i]), "--shape"));
  bench.dtype = dtype_from_name(input.options.text_or("dtype", "f32"));
  bench.causal = input.options.boolean_or("causal", false);
  bench.backward = input.options.boolean_or("backward", false);
  bench.runs = {.runs = static_cast<int>(input.options.integer_or("runs", 10)),
                .warmup = static_cast<int>(input.options.integer_or("warmup", 2))};
  return bench;
}

Json json_of_pass(const ModeTimes& times, double peak) {
  Json json{{"seconds", {{"median", times.median}, {"min", times.low}, {"max", times.high}}},
            {"all_seconds", times.seconds},
            {"flop", times.flop},
            {"flops", times.flop / times.median},
            {"share_of_peak", times.flop / times.median / peak},
            {"arena_bytes", times.arena_bytes}};
  for (const KernelTiming& kernel : times.kernels) json["kernels"].push_back(kernel.kernel);
  return json;
}

void add_attention_row(TerminalTable& table, const std::string& form, const std::string& pass,
                       const ModeTimes& times, double peak) {
  table.add_row({form, pass, format_duration(times.median), format_duration(times.low),
                 format_duration(times.high),
                 fmt::format("{:.1f}", times.flop / times.median / 1e9),
                 format_percent(times.flop / times.median / peak, 0),
                 format_bytes(static_cast<double>(times.arena_bytes))});
}

}  // namespace

std::vector<OptionSpec> attention_bench_options() {
  return {{.name = "dtype",
           .type = OptionType::text,
           .default_value = {},
           .help = "attention: what numbers are stored in (default f32)",
           .choices = {"f32", "f16", "bf16"}},
          {.name = "causal",
           .type = OptionType::boolean,
           .default_value = {},
           .help = "attention: a query sees no key behind its own place"},
          {.name = "backward",
           .type = OptionType::boolean,
           .default_value = {},
           .help = "attention: measure the gradient too"}};
}

void refuse_attention_options(const CommandInput& input) {
  for (const OptionSpec& option : attention_bench_options())
    if (input.options.contains(option.name))
      throw UsageError(fmt::format("--{} is of attention, not of a model", option.name),
                       "hone bench attention --shape B,H,S,D");
  const std::string mode = input.options.text_or("mode", "");
  if (mode == "naive" || mode == "fused")
    throw UsageError(fmt::format("--mode {} is of attention", mode),
                     "models run eager, compiled or both");
}

CommandResult run_bench_attention(const CommandInput& input) {
  if (input.options.contains("in"))
    throw UsageError("--in is of models", "attention takes --shape B,H,S,D");
  const AttentionBench bench = parse_attention(input);
  const std::string wanted = input.options.text_or("mode", "both");
  if (wanted == "eager" || wanted == "compiled")
    throw UsageError(fmt::format("--mode {} is of models", wanted),
                     "attention runs naive, fused or both");
  apply_threads(input);
  const double peak = measure_peak_flops();
  Json results{{"threads", thread_count()}, {"peak_flops", peak}};
  results["shape"] = {bench.batch, bench.heads, bench.tokens, bench.head_size};
  results["dtype"] = name_of(bench.dtype);
  results["causal"] = bench.causal;
  TerminalTable table({{"form", Align::left},
                       {"pass", Align::left},
                       {"a run", Align::right},
                       {"least", Align::right},
                       {"most", Align::right},
                       {"GFLOP/s", Align::right},
                       {"of peak", Align::right},
                       {"memory", Align::right}});
  for (const AttentionForm form : {AttentionForm::naive, AttentionForm::fused}) {
    const std::string name = to_string(form);
    if (wanted != "both" && wanted != name) continue;
    const AttentionTimes times = bench_attention(form, bench);
    Json& json = results["modes"][name];
    json["forward"] = json_of_pass(times.forward, peak);
    add_attention_row(table, name, "forward", times.forward, peak);
    if (times.backward) {
      json["backward"] = json_of_pass(*times.backward, peak);
      add_attention_row(table, name, "backward", *times.backward, peak);
    }
  }
  console().print(table.render(console().style(), 0));
  const std::int64_t most = peak_memory();
  console().print(
      fmt::format("\npeak memory of the process {}\n", format_bytes(static_cast<double>(most))));
  results["peak_bytes"] = most;
  if (wanted == "both") {
    const double difference =
        attention_difference(AttentionForm::naive, AttentionForm::fused, bench);
    results["relative_difference"] = difference;
    console().print(fmt::format("largest difference of the forms {:.1e}\n", difference));
  }
  return {0, results};
}

}  // namespace hone
