#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/watch.hpp"
#include "hone/core/json.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

// One row a run, and their mean.
std::string render(const Json& result) {
  TerminalTable table({{"seed", Align::right},
                       {"split", Align::left},
                       {"accuracy (95 % interval)", Align::right},
                       {"loss", Align::right},
                       {"samples/s", Align::right},
                       {"time", Align::right},
                       {"saved in", Align::left}});
  const std::string split = result.value("split", "");
  const auto interval = [](const Json& json) {
    return format_interval(json["accuracy"].get<double>(), json["low"].get<double>(),
                           json["high"].get<double>());
  };
  for (const Json& run : result["runs"]) {
    const bool judged = !split.empty() && run.contains(split);
    const auto number = [&](const char* key) {
      return run[key].is_number() ? run[key].get<double>() : std::nan("");
    };
    table.add_row({fmt::format("{}", run["seed"].get<std::int64_t>()), judged ? split : "",
                   judged ? interval(run[split]) : "",
                   judged ? format_significant(run[split]["loss"].get<double>()) : "",
                   format_count(number("samples_per_second")), format_duration(number("seconds")),
                   run["out"].get<std::string>()});
  }
  if (result.contains("accuracy") && result["runs"].size() > 1) {
    table.add_rule();
    table.add_row({"mean", split, interval(result)});
  }
  return table.render(console().style(), 0);
}

CommandResult run(const CommandInput& input) {
  LoadedRecipe loaded = load_recipe(input.argument("RECIPE"), input.settings);
  loaded.call.command = input.line;
  const Json result = loaded.recipe->run(loaded.call, console_watcher());
  console().finish();
  console().print(loaded.recipe->render != nullptr
                      ? loaded.recipe->render(result, console().style())
                      : render(result));
  return {0, result};
}

}  // namespace

Command command_run() {
  Command command{{"run",
                   "does what a recipe (a TOML file) says; a run that was interrupted is continued",
                   {}}};
  command.arguments = {{"RECIPE", "a file such as recipes/demo.toml"}};
  command.settings_note =
      "Any key of the recipe, in place of the one in the file: --set lr=1e-3, --set seeds=0,1 "
      "(hone list recipes shows the keys).";
  command.examples = {"hone run recipes/demo.toml",
                      "hone run recipes/train-imdb.toml --set seeds=0 --set name=one-seed"};
  command.run = run;
  return command;
}

}  // namespace hone
