#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/program.hpp"
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
    const Json& judgement = run["judged"];  // null: none
    const bool judged = !judgement.is_null();
    const auto number = [&](const char* key) {
      return run[key].is_number() ? run[key].get<double>() : std::nan("");
    };
    table.add_row({fmt::format("{}", run["seed"].get<std::int64_t>()), judged ? split : "",
                   judged ? interval(judgement) : "",
                   judged ? format_significant(judgement["loss"].get<double>()) : "",
                   format_count(number("samples_per_second")), format_duration(number("seconds")),
                   run["out"].get<std::string>()});
  }
  if (result.contains("accuracy") && result["runs"].size() > 1) {
    table.add_rule();
    table.add_row({"mean", split, interval(result)});
  }
  return table.render(console().style(), 0);
}

// What is not there is often the data that the recipe needs.
Json run_recipe(const LoadedRecipe& loaded) {
  try {
    return loaded.recipe->run(loaded.call, console_watcher());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found || loaded.needs.empty()) throw;
    throw Error(error.code(), error.message(),
                fmt::format("{}{}this recipe needs {}", error.hint(),
                            error.hint().empty() ? "" : "; ", loaded.needs));
  }
}

CommandResult show(const CommandInput& input) {
  if (!input.settings.empty())
    throw UsageError("--set changes nothing with --show", "leave one of them out");
  const std::string text = recipe_text(input.argument("RECIPE"));
  console().print(text);
  return {0, {{"recipe", input.argument("RECIPE")}, {"text", text}}};
}

CommandResult run_run(const CommandInput& input) {
  if (input.options.boolean_or("show", false)) return show(input);
  LoadedRecipe loaded = load_recipe(input.argument("RECIPE"), input.settings);
  loaded.call.command = input.line;
  const Json result = run_recipe(loaded);
  console().finish();
  console().print(loaded.recipe->render != nullptr
                      ? loaded.recipe->render(result, console().style())
                      : render(result));
  return {0, result};
}

}  // namespace

Command command_run() {
  Command command{
      {"run",
       "does what a recipe says: a whole experiment; one that was interrupted continues",
       {}}};
  command.arguments = {{"RECIPE", "one that hone brings (hone list recipes), or a TOML file"}};
  command.options = {
      {.name = "show",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "print the recipe instead of running it, to write one's own from it"}};
  command.settings_note =
      "Any key of the recipe, in place of its own value: --set lr=1e-3, --set seeds=0,1, --set "
      "data=imdb:PATH (hone list jobs explains the keys). --set name=NAME keeps it apart from "
      "other "
      "runs.";
  command.examples = {"hone run demo", "hone run demo --set seeds=1,2 --set name=two-seeds",
                      "hone run demo --show > mine.toml",
                      "hone run mine.toml --set epochs=1 --set name=shorter"};
  command.run = run_run;
  return command;
}

}  // namespace hone
