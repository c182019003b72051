#include <filesystem>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/interrupt.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/cli/detail/search_progress.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/core/error.hpp"
#include "hone/recipes/search_run.hpp"

namespace hone {
namespace {

// A path from here on, wherever the worker goes.
std::string with_whole_path(const std::string& text) {
  const StudyAddress address = parse_study_address(text);
  const std::string file = "sqlite:";
  if (!address.url.starts_with(file)) return text;
  return fmt::format("{}{}#{}", file,
                     std::filesystem::absolute(address.url.substr(file.size())).string(),
                     address.name);
}

CommandResult run_worker(const CommandInput& input) {
  apply_threads(input);
  const bool quiet = input.options.boolean_or("quiet", false);
  catch_interrupts(quiet);
  OpenStudy open = open_study(with_whole_path(input.options.text("study")), false);
  const SearchSettings settings = settings_of(open.study->data());
  // The files that a search names are seen from where it was started. (Another machine may not have
  // that folder: there they have to be named by whole paths.)
  std::error_code elsewhere;
  std::filesystem::current_path(settings.folder, elsewhere);
  WorkerEvents events;
  SearchProgress progress(*open.study, settings.worker.trials);
  if (!quiet) events = progress.events(*open.study);
  events.should_stop = interrupted;
  try {
    const WorkerResult result =
        run_worker(open, events, input.options.real_or("timeout", 0), trial_watcher());
    console().finish();
    return {0, {{"computed", result.computed}}};
  } catch (const Error& error) {
    // Whoever ends a quiet worker says so.
    if (error.code() != ErrorCode::interrupted || !quiet) throw;
    return {exit_interrupted, {}};
  }
}

}  // namespace

Command command_worker() {
  Command command{{"worker", "computes trials of a study until it is finished", {}}};
  command.options = {{.name = "study",
                      .default_value = {},
                      .help = "where it is kept: sqlite:FILE#NAME, postgresql://HOST/DB#NAME"},
                     {.name = "threads",
                      .type = OptionType::integer,
                      .default_value = {},
                      .help = "threads of this worker (default: all cores)",
                      .minimum = 1},
                     {.name = "timeout",
                      .type = OptionType::real,
                      .default_value = {},
                      .help = "seconds after which no trial is begun",
                      .minimum = 0},
                     {.name = "quiet",
                      .type = OptionType::boolean,
                      .default_value = {},
                      .help = "says nothing but errors"}};
  command.required = {"study"};
  command.placeholders = {{"study", "STUDY"}};
  command.examples = {"hone worker --study postgresql://host/studies#nas"};
  command.run = run_worker;
  return command;
}

}  // namespace hone
