// eager_vs_compiled: a model node by node and compiled, for few runs and for many: what compiling
// costs and when it has paid.
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/recipes/bench_model.hpp"
#include "hone/recipes/detail/bench_experiment.hpp"
#include "hone/recipes/detail/recipe_keys.hpp"
#include "hone/recipes/recipe.hpp"

namespace hone {
namespace {
namespace eager_vs_compiled_recipe {

constexpr const char* default_runs = "5,50";

std::vector<OptionSpec> options() {
  return bench_options(
      {{.name = "model",
        .default_value = {},
        .help = "a folder, an .onnx file, or a built-in name: with fresh weights"},
       {.name = "batch",
        .type = OptionType::integer,
        .default_value = std::int64_t{1},
        .help = "samples of a run",
        .minimum = 1,
        .maximum = 1e6},
       {.name = "tokens",
        .type = OptionType::integer,
        .default_value = std::int64_t{0},
        .help = "of each text, for models of texts; 0: 128, or the model's limit",
        .minimum = 0,
        .maximum = 1e6},
       {.name = "runs", .default_value = default_runs, .help = "list of numbers of runs"}});
}

// The batch is what the sizes leave open.
std::map<std::string, Shape> shapes_of(const Model& model, const RecipeCall& call) {
  const std::int64_t batch = call.settings.values.integer_or("batch", 1);
  if (model.limits.vocabulary > 0)
    return {{"text", {batch, call.settings.values.integer_or("tokens", 0)}}};
  std::map<std::string, Shape> shapes;
  for (const Value& value : model.graph.values) {
    if (value.kind != ValueKind::input) continue;
    Shape shape;
    for (const Dim& dim : value.type.dims) {
      if (!dim.is_fixed() && !shape.empty())
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: input {} of {} is {}: only the first size may be open",
                                call.file, value.name, model.name, to_string(value.type)),
                    "hone bench MODEL --shape NAME=SIZES takes any");
      shape.push_back(dim.is_fixed() ? dim.offset : batch);
    }
    shapes[value.name] = std::move(shape);
  }
  return shapes;
}

// `runs` runs of a fresh executor, the first of which compiles.
void take_runs(BenchExperiment& experiment, const RecipeCall& call, const ModelRequest& request,
               Mode mode, std::int64_t runs) {
  BenchPoint place{.what = "run, compilation included",
                   .series = mode == Mode::eager ? "eager" : "compiled",
                   .against = mode == Mode::eager ? "" : "eager",
                   .axis = "runs",
                   .at = static_cast<double>(runs)};
  std::optional<ModeTimes> times;
  const auto measured = [&]() -> const ModeTimes& {
    if (!times) {
      Model model = load_model(request);
      const std::map<std::string, Tensor> inputs = random_inputs(model, shapes_of(model, call));
      // The first run is one of them; a median needs one more run where it is the only one.
      times =
          bench_mode(std::move(model), mode, inputs,
                     {.runs = static_cast<int>(std::max<std::int64_t>(1, runs - 1)), .warmup = 1});
    }
    return *times;
  };
  experiment.take(place, [&](BenchPoint& point) {
    const ModeTimes& all = measured();
    const double others =
        runs == 1 ? 0 : std::accumulate(all.seconds.begin(), all.seconds.end(), 0.0);
    point.runs = static_cast<double>(runs);
    point.median = (all.compile_seconds + all.median + others) / static_cast<double>(runs);
    point.compile_seconds = all.compile_seconds;
    point.bytes = static_cast<double>(all.arena_bytes);
  });
  place.what = "run, compiled before";
  experiment.take(place, [&](BenchPoint& point) {
    const ModeTimes& all = measured();
    point.runs = static_cast<double>(all.seconds.size());
    point.median = all.median;
    point.low = all.low;
    point.high = all.high;
  });
}

Json run_modes(const RecipeCall& call, const RunWatcher& watcher) {
  const ModelRequest request{.name = required_key(call, "model"), .settings = call.settings.model};
  const std::vector<std::int64_t> counts = number_list(call, "runs", default_runs, 1);
  const Model model = load_model(request);
  random_inputs(model, shapes_of(model, call));  // refused before a folder is made
  BenchExperiment experiment(call, watcher);
  return experiment.run([&] {
    for (const std::int64_t runs : counts)
      for (const Mode mode : {Mode::eager, Mode::compiled}) {
        if (watcher.say)
          watcher.say(fmt::format("{} runs, {}", runs, mode == Mode::eager ? "eager" : "compiled"));
        take_runs(experiment, call, request, mode, runs);
      }
  });
}

}  // namespace eager_vs_compiled_recipe
}  // namespace

Recipe recipe_eager_vs_compiled() {
  using namespace eager_vs_compiled_recipe;
  Recipe recipe{{"eager_vs_compiled",
                 "a model node by node and compiled: time a run, with and without compiling, for "
                 "few runs and many",
                 options()}};
  recipe.model_sizes = true;
  recipe.run = run_modes;
  recipe.render = render_bench;
  return recipe;
}

}  // namespace hone
