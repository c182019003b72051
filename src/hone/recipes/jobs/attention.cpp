// attention: naive and fused side by side, by type and length.
#include <fmt/format.h>

#include "hone/core/text.hpp"
#include "hone/recipes/bench_attention.hpp"
#include "hone/recipes/detail/bench_experiment.hpp"
#include "hone/recipes/detail/recipe_keys.hpp"
#include "hone/recipes/recipe.hpp"

namespace hone {
namespace {
namespace attention_recipe {

constexpr const char* default_lengths = "128,512,2048";
constexpr const char* default_dtypes = "f32,f16,bf16";

OptionSpec size_key(const char* name, std::int64_t value, const char* help) {
  return {name, OptionType::integer, value, help, 1, 1e6};
}

std::vector<OptionSpec> options() {
  return bench_options(
      {size_key("batch", 1, "sequences"),
       size_key("heads", 8, "of each sequence"),
       size_key("head_size", 64, "numbers of a head"),
       {.name = "lengths", .default_value = default_lengths, .help = "list of lengths"},
       {.name = "dtypes", .default_value = default_dtypes, .help = "list of types"},
       {.name = "backward",
        .type = OptionType::boolean,
        .default_value = true,
        .help = "measure the gradient too"},
       {.name = "causal",
        .type = OptionType::boolean,
        .default_value = false,
        .help = "a query sees no key behind its own place"},
       size_key("runs", 5, "that are counted, of each form")});
}

void fill(BenchPoint& point, const ModeTimes& times) {
  point.runs = static_cast<double>(times.seconds.size());
  point.median = times.median;
  point.low = times.low;
  point.high = times.high;
  point.bytes = static_cast<double>(times.arena_bytes);
}

// Both forms of one type and length; both passes of one measurement.
void take_forms(BenchExperiment& experiment, const AttentionBench& bench,
                const std::string& dtype) {
  for (const AttentionForm form : {AttentionForm::naive, AttentionForm::fused}) {
    std::optional<AttentionTimes> times;
    const auto measured = [&]() -> const AttentionTimes& {
      if (!times) times = bench_attention(form, bench);
      return *times;
    };
    BenchPoint place{.what = "forward",
                     .series = fmt::format("{}, {}", to_string(form), dtype),
                     .axis = "length",
                     .at = static_cast<double>(bench.tokens)};
    if (form == AttentionForm::fused)
      place.against = fmt::format("{}, {}", to_string(AttentionForm::naive), dtype);
    experiment.take(place, [&](BenchPoint& point) { fill(point, measured().forward); });
    if (!bench.backward) continue;
    place.what = "backward";
    experiment.take(place, [&](BenchPoint& point) { fill(point, *measured().backward); });
  }
}

Json run_attention(const RecipeCall& call, const RunWatcher& watcher) {
  const Options& keys = call.settings.values;
  AttentionBench bench;
  bench.batch = keys.integer_or("batch", 1);
  bench.heads = keys.integer_or("heads", 8);
  bench.head_size = keys.integer_or("head_size", 64);
  bench.backward = keys.boolean_or("backward", true);
  bench.causal = keys.boolean_or("causal", false);
  bench.runs = {.runs = static_cast<int>(keys.integer_or("runs", 5)), .warmup = 1};
  const std::vector<std::int64_t> lengths = number_list(call, "lengths", default_lengths, 1);
  std::vector<std::pair<std::string, DType>> dtypes;
  for (const std::string& text : split(keys.text_or("dtypes", default_dtypes), ',')) {
    const std::string name(trim(text));
    const DType dtype = dtype_from_name(name);
    if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16)
      refuse(fmt::format("{}: key 'dtypes': attention in {} has no kernel", call.file, name),
             "f32, f16 and bf16 have");
    dtypes.emplace_back(name, dtype);
  }
  BenchExperiment experiment(call, watcher);
  return experiment.run([&] {
    for (const auto& [name, dtype] : dtypes)
      for (const std::int64_t length : lengths) {
        if (watcher.say) watcher.say(fmt::format("{}, length {}", name, length));
        bench.dtype = dtype;
        bench.tokens = length;
        take_forms(experiment, bench, name);
      }
  });
}

}  // namespace attention_recipe
}  // namespace

Recipe recipe_attention() {
  using namespace attention_recipe;
  Recipe recipe{{"attention",
                 "attention with the matrix of its scores and without it, by type and length",
                 options()}};
  recipe.run = run_attention;
  recipe.render = render_bench;
  return recipe;
}

}  // namespace hone
