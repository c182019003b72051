#include <charconv>
#include <set>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/cli/detail/study_tables.hpp"
#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/recipes/search_run.hpp"
#include "hone/search/copy.hpp"
#include "hone/search/export.hpp"
#include "hone/search/python_json.hpp"
#include "hone/search/replay.hpp"

namespace hone {
namespace {

std::vector<std::string> words_of(const CommandInput& input) {
  const auto found = input.arguments.find("MORE");
  return found == input.arguments.end() ? std::vector<std::string>{} : found->second;
}

struct Action {
  const char* name;
  std::set<std::string> flags;  // that it takes
  const char* more;             // what it takes behind STUDY; "": nothing
  CommandResult (*run)(const CommandInput& input);
};

OpenStudy open_to_read(const CommandInput& input) {
  return open_study(input.argument("STUDY"), true);
}

CommandResult list_studies(const CommandInput& input) {
  const StudyAddress address = parse_study_address(input.argument("STUDY"));
  const auto storage = open_storage({.url = address.url, .read_only = true});
  Json results = Json::array();
  TerminalTable table({{"study", Align::left}, {"trials", Align::right}, {"", Align::left}});
  for (const StudyData& data : storage->studies()) {
    const Study study(*storage, data.id);
    const Json facts = study_json(study);
    results.push_back({{"name", data.name}, {"trials", study.trials().size()}});
    table.add_row({printable(data.name, 100), std::to_string(study.trials().size()),
                   describe_states(facts.at("states"))});
  }
  console().print(results.empty() ? "no study is there yet\n" : table.render(console().style(), 0));
  return {0, results};
}

CommandResult show_study(const CommandInput& input) {
  const OpenStudy open = open_to_read(input);
  console().print(describe_study(*open.study, console().style()));
  return {0, study_json(*open.study)};
}

CommandResult best(const CommandInput& input) {
  const OpenStudy open = open_to_read(input);
  Json results = Json::array();
  for (const std::int64_t number : open.study->best())
    results.push_back(trial_json(open.study->trials().at(static_cast<std::size_t>(number))));
  const std::string text = describe_best(*open.study, console().style());
  console().print(text.empty() ? "no trial is complete yet\n" : text);
  return {0, results};
}

CommandResult list_trials(const CommandInput& input) {
  const OpenStudy open = open_to_read(input);
  std::vector<const Trial*> trials;
  for (const Trial& trial : open.study->trials()) trials.push_back(&trial);
  console().print(trials.empty() ? "no trial has begun yet\n"
                                 : trials_table(*open.study, trials, console().style()));
  return {0, {}, input.options.contains("json") ? trials_text(*open.study) + "\n" : ""};
}

CommandResult export_study(const CommandInput& input) {
  const OpenStudy open = open_to_read(input);
  const std::string csv = input.options.text_or("csv", "");
  if (csv == "-")
    console().print(trials_csv(*open.study));
  else if (!csv.empty())
    write_file_atomically(csv, trials_csv(*open.study));
  else if (!input.options.contains("json"))
    throw UsageError("neither --csv nor --json says what to write",
                     "hone study export STUDY --csv trials.csv");
  if (!csv.empty() && csv != "-")
    console().print(fmt::format("{}: {} trials\n", csv, open.study->trials().size()));
  return {0, {}, input.options.contains("json") ? study_text(*open.study) : ""};
}

CommandResult delete_one(const CommandInput& input) {
  OpenStudy open = open_study(input.argument("STUDY"), false);
  const StudyData data = open.study->data();
  const std::size_t trials = open.study->trials().size();
  open.storage->delete_study(data.id);
  console().print(fmt::format("deleted: {}, {} trials\n", printable(data.name, 100), trials));
  return {0, {{"deleted", data.name}, {"trials", trials}}};
}

CommandResult copy(const CommandInput& input) {
  const OpenStudy from = open_to_read(input);
  const std::vector<std::string> words = words_of(input);
  if (words.size() != 1) throw UsageError("hone study copy FROM TO: TO is one study");
  StudyAddress to = parse_study_address(words.front());
  if (to.name.empty()) to.name = from.study->data().name;
  const auto storage = open_storage({.url = to.url, .create = true});
  const StudyId made = copy_study(*from.study, *storage, to.name);
  const Study copied(*storage, made);
  console().print(fmt::format("{}#{}: {} trials\n", storage->url(), printable(to.name, 100),
                              copied.trials().size()));
  return {0, {{"study", to.name}, {"trials", copied.trials().size()}}};
}

CommandResult ask(const CommandInput& input) {
  OpenStudy open = open_study(input.argument("STUDY"), false);
  const WorkerSettings worker = asking_settings(*open.study);
  const auto sampling =
      find_member(sampler_table(), worker.sampler, "sampler").make(worker.sampler_options);
  const auto trial = open.study->ask(
      {.space = worker.space, .sampling = *sampling, .seed = worker.seed, .budget = worker.trials});
  if (!trial)
    throw Error(ErrorCode::not_found, "the sampler has nothing left to try",
                "every combination of the space has been tried");
  Json params = Json::object();
  std::string text = fmt::format("trial {}\n", trial->number);
  for (const TrialParameter& one : trial->parameters) {
    params[one.name()] = one.value();
    text += fmt::format("  {} = {}\n", one.name(), one.value().dump());
  }
  console().print(text);
  return {0, {{"number", trial->number}, {"params", params}}};
}

double read_value(const std::string& word) {
  const Json json = parse_python_json(word == "inf"    ? "Infinity"
                                      : word == "-inf" ? "-Infinity"
                                      : word == "nan"  ? "NaN"
                                                       : word,
                                      fmt::format("value '{}'", printable(word, 100)));
  return json.get<double>();
}

CommandResult tell(const CommandInput& input) {
  OpenStudy open = open_study(input.argument("STUDY"), false);
  const std::vector<std::string> words = words_of(input);
  if (words.empty()) throw UsageError("hone study tell STUDY NUMBER VALUE...: NUMBER is missing");
  std::size_t number = 0;
  const auto [end, code] =
      std::from_chars(words[0].data(), words[0].data() + words[0].size(), number);
  if (code != std::errc{} || end != words[0].data() + words[0].size())
    throw UsageError(fmt::format("'{}' is no number of a trial", printable(words[0], 100)));
  const std::vector<Trial>& trials = open.study->trials();
  if (number >= trials.size())
    throw Error(ErrorCode::not_found,
                fmt::format("there is no trial {}; the study has {}", number, trials.size()));
  const Trial trial = trials[number];
  Telling telling{.state = trial_state(input.options.text_or("state", "COMPLETE"))};
  for (std::size_t i = 1; i < words.size(); ++i) telling.values.push_back(read_value(words[i]));
  if (telling.state == TrialState::running || telling.state == TrialState::waiting)
    throw UsageError("--state is COMPLETE, PRUNED or FAIL");
  const auto step = input.options.values().find("step");
  if (step != input.options.values().end()) {
    if (telling.values.size() != 1) throw UsageError("--step is of one intermediate VALUE");
    if (!open.study->report(trial, input.options.integer("step"), telling.values[0]))
      throw Error(ErrorCode::invalid_argument, fmt::format("trial {} does not run", number));
    console().print(
        fmt::format("trial {}: step {} noted\n", number, input.options.integer("step")));
    return {0, {{"number", number}, {"step", input.options.integer("step")}}};
  }
  if (!open.study->tell(trial, telling))
    throw Error(ErrorCode::invalid_argument, fmt::format("trial {} is {}: what it was told stays",
                                                         number, to_string(trial.state)));
  open.study->refresh();
  const Trial& told = open.study->trials()[number];
  console().print(fmt::format("trial {}: {}\n", number, to_string(told.state)));
  return {0, trial_json(told)};
}

// As it was typed, for a parameter: one of its choices, or a number.
Json typed_value(const Distribution& distribution, const std::string& name,
                 const std::string& text) {
  if (distribution.kind == DistributionKind::categorical)
    for (const Json& choice : distribution.choices)
      if ((choice.is_string() ? choice.text() : choice.dump()) == text) return choice;
  const Json json =
      distribution.kind == DistributionKind::categorical ? Json(text) : Json(read_value(text));
  return distribution.value_of(distribution.internal_of(json, name));
}

CommandResult enqueue(const CommandInput& input) {
  OpenStudy open = open_study(input.argument("STUDY"), false);
  const Space space = space_of(*open.study);
  Attributes values;
  for (const std::string& word : words_of(input)) {
    const auto [name, text] = split_setting(word, "enqueue");
    const Dimension* dimension = space.find(name);
    if (dimension == nullptr) {
      std::vector<std::string> known;
      for (const Dimension& one : space.dimensions()) known.push_back(one.name());
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the space has no parameter '{}'", printable(name, 100)),
                  did_you_mean(name, known));
    }
    values[name] = typed_value(dimension->distribution(), name, text);
  }
  if (values.empty()) throw UsageError("hone study enqueue STUDY NAME=VALUE...: no value is given");
  const Trial trial = open.study->enqueue(values);
  console().print(fmt::format("trial {} waits\n", trial.number));
  return {0, {{"number", trial.number}, {"params", values}}};
}

CommandResult replay_study(const CommandInput& input) {
  const OpenStudy open = open_to_read(input);
  const WorkerSettings worker = settings_of(open.study->data()).worker;
  const auto sampling =
      find_member(sampler_table(), worker.sampler, "sampler").make(worker.sampler_options);
  const Replay again = replay(open.study->data().directions, open.study->trials(),
                              {worker.space, *sampling, worker.seed, worker.trials});
  Json differences = Json::array();
  for (const ReplayDifference& one : again.differences) {
    console().print(fmt::format("trial {}: {} is {}, sampled again {}\n", one.trial,
                                printable(one.parameter, 100),
                                one.kept.empty() ? "not there" : one.kept,
                                one.sampled.empty() ? "it is not there" : "it is " + one.sampled));
    differences.push_back({{"trial", one.trial},
                           {"parameter", one.parameter},
                           {"kept", one.kept},
                           {"sampled", one.sampled}});
  }
  console().print(
      again.differences.empty()
          ? fmt::format("{} trials sampled again: all as the study has them\n", again.trials)
          : fmt::format("{} trials sampled again: {} parameters came out otherwise; "
                        "sampler, its options, seed or space were changed, or another "
                        "program asked for trials\n",
                        again.trials, again.differences.size()));
  return {again.differences.empty() ? 0 : 1,
          {{"trials", again.trials}, {"differences", differences}}};
}

const std::vector<Action>& actions() {
  static const std::vector<Action> all{{"list", {}, "", list_studies},
                                       {"show", {}, "", show_study},
                                       {"best", {}, "", best},
                                       {"trials", {}, "", list_trials},
                                       {"export", {"csv"}, "", export_study},
                                       {"delete", {}, "", delete_one},
                                       {"copy", {}, "TO", copy},
                                       {"ask", {}, "", ask},
                                       {"tell", {"state", "step"}, "NUMBER VALUE...", tell},
                                       {"enqueue", {}, "NAME=VALUE...", enqueue},
                                       {"replay", {}, "", replay_study}};
  return all;
}

CommandResult run_study(const CommandInput& input) {
  const std::string name = input.argument("ACTION");
  std::vector<std::string> known;
  for (const Action& action : actions()) {
    known.emplace_back(action.name);
    if (action.name != name) continue;
    for (const char* flag : {"csv", "step"})
      if (input.options.contains(flag) && !action.flags.contains(flag))
        throw UsageError(fmt::format("{} changes nothing in hone study {}", flag_name(flag), name));
    if (*action.more == '\0' && !words_of(input).empty())
      throw UsageError(fmt::format("hone study {} takes one STUDY ('{}' is too much)", name,
                                   printable(words_of(input).front(), 100)));
    return action.run(input);
  }
  throw UsageError(fmt::format("hone study cannot '{}'", printable(name, 100)),
                   did_you_mean(name, known));
}

}  // namespace

Command command_study() {
  Command command{{"study", "shows, exports and changes studies of searches", {}}};
  command.arguments = {
      {"ACTION", "list, show, best, trials, export, delete, copy, ask, tell, enqueue, replay"},
      {"STUDY", "where it is kept: sqlite:FILE#NAME, postgresql://HOST/DB#NAME"},
      {"MORE", "copy: the study to make; tell: NUMBER VALUE...; enqueue: NAME=VALUE...", false,
       true}};
  command.options = {
      {.name = "csv", .default_value = {}, .help = "export: the file to write; - is stdout"},
      {.name = "state",
       .default_value = "COMPLETE",
       .help = "tell: how the trial ended",
       .choices = {"COMPLETE", "PRUNED", "FAIL"}},
      {.name = "step",
       .type = OptionType::integer,
       .default_value = {},
       .help = "tell: VALUE is of this step, the trial goes on",
       .minimum = 0}};
  command.placeholders = {{"csv", "FILE"}};
  command.examples = {"hone study list sqlite:runs/nas/study.db",
                      "hone study best sqlite:runs/nas/study.db#nas",
                      "hone study export sqlite:runs/nas/study.db --csv trials.csv",
                      "hone study copy sqlite:runs/nas/study.db postgresql://host/db#nas"};
  command.run = run_study;
  return command;
}

}  // namespace hone
