#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/recipes/detail/compression.hpp"
#include "hone/recipes/detail/network_configuration.hpp"
#include "hone/recipes/detail/recipe_lists.hpp"
#include "hone/recipes/detail/reference_search.hpp"
#include "hone/recipes/detail/search_space.hpp"
#include "hone/recipes/network_metrics.hpp"
#include "hone/recipes/network_objective.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/recipes/search_settings.hpp"
#include "hone/recipes/sensitivity_start.hpp"
#include "hone/recipes/slurm.hpp"

namespace hone {
namespace {

std::vector<std::string> names_of(const std::vector<OptionSpec>& specs) {
  std::vector<std::string> names;
  for (const OptionSpec& spec : specs) names.push_back(spec.name);
  return names;
}

// Tables that are read by themselves.
const std::vector<std::string>& tables() {
  static const std::vector<std::string> names{
      "space",        "sampler_options", "stopper_options", "model_options",
      "data_options", "stages",          "studies",         "slurm"};
  return names;
}

std::vector<std::string> list_of(const toml::node& node, const std::string& key,
                                 const std::string& file) {
  std::vector<std::string> items;
  if (const toml::array* list = node.as_array())
    for (const toml::node& item : *list) items.push_back(toml_text(item, key, file));
  else
    items.push_back(toml_text(node, key, file));
  return items;
}

Options read_options(const toml::table& root, const char* key, const std::vector<OptionSpec>& specs,
                     const std::string& of, const std::string& file,
                     const std::set<std::string>& elsewhere = {}) {
  Options given;
  if (const toml::node* node = root.get(key)) {
    const toml::table* table = node->as_table();
    if (table == nullptr)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: '{}' is a table: [{}]", toml_place(file, *node), key, key));
    for (const auto& [name, value] : *table) {
      const std::string option(name.str());
      if (elsewhere.contains(option)) continue;
      const std::string where = fmt::format("{}: {} of '{}'", toml_place(file, value), key, of);
      given.set(option,
                parse_option(find_option(specs, option, where), toml_text(value, option, file),
                             fmt::format("{}: '{}'", where, option)));
    }
  }
  return complete_options(specs, given, fmt::format("{}: {} of '{}'", file, key, of));
}

// The direction that a metric is better in; others have to be told.
std::optional<Direction> natural_direction(const std::string& objective) {
  for (const NetworkMetric& metric : network_metrics())
    if (objective == metric.name) return metric.direction;
  return std::nullopt;
}

Direction read_direction(const std::string& text, const std::string& where) {
  if (text == "maximize") return Direction::maximize;
  if (text == "minimize") return Direction::minimize;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: '{}' is no direction", where, printable(text, 100)),
              "maximize or minimize");
}

void read_directions(const toml::table& root, const std::string& file, SearchSettings& settings) {
  if (const toml::node* node = root.get("objectives"))
    settings.objectives = list_of(*node, "objectives", file);
  std::set<std::string> once;
  for (const std::string& objective : settings.objectives)
    if (!once.insert(objective).second)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: the objective '{}' stands twice", file, objective));
  if (const toml::node* node = root.get("directions")) {
    const std::string where = toml_place(file, *node);
    for (const std::string& text : list_of(*node, "directions", file))
      settings.directions.push_back(read_direction(text, where));
    if (!settings.objectives.empty() && settings.directions.size() != settings.objectives.size())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: {} directions for {} objectives", where,
                              settings.directions.size(), settings.objectives.size()));
  } else {
    for (const std::string& objective : settings.objectives) {
      const auto direction = natural_direction(objective);
      if (!direction)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: the objective '{}' has no direction of its own", file,
                                printable(objective, 100)),
                    "directions = [\"maximize\"], one an objective");
      settings.directions.push_back(*direction);
    }
  }
  if (settings.directions.empty())
    throw Error(ErrorCode::bad_format, fmt::format("{}: nothing says what is optimized", file),
                "objectives = [\"accuracy\"], or directions of an objective_command");
}

// `weights`: one a objective, each counting in the direction that its metric is better in.
void read_weights(const toml::table& root, const std::string& file, SearchSettings& settings) {
  const toml::node* node = root.get("weights");
  if (node == nullptr) return;
  const std::string where = toml_place(file, *node);
  const auto refuse = [&](const std::string& what, const std::string& hint) {
    throw Error(ErrorCode::invalid_argument, where + ": " + what, hint);
  };
  if (root.contains("directions"))
    refuse(
        "'directions' changes nothing beside 'weights': the sum is maximized, and each metric "
        "counts in the direction that it is better in",
        "leave directions out");
  for (const std::string& text : list_of(*node, "weights", file)) {
    const OptionSpec spec{
        .name = "weights", .type = OptionType::real, .default_value = {}, .help = "", .minimum = 0};
    const double weight = std::get<double>(parse_option(spec, text, where + ": key 'weights'"));
    if (weight == 0)
      refuse("an objective of weight 0 changes nothing",
             "measure = [...] keeps it with the trials");
    settings.weights.push_back(weight);
  }
  if (settings.weights.size() != settings.objectives.size())
    refuse(fmt::format("{} weights for {} objectives", settings.weights.size(),
                       settings.objectives.size()),
           "one an objective");
  settings.directions = {Direction::maximize};
}

SlurmSettings read_slurm(const toml::table& root, const std::string& file) {
  SlurmSettings slurm;
  if (const toml::node* node = root["slurm"]["extra"].node())
    slurm.extra = list_of(*node, "extra", file);
  slurm.options = read_options(root, "slurm", slurm_options(), "sbatch", file, {"extra"});
  try {
    check_slurm(slurm);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: [slurm]: {}", file, error.message()), error.hint());
  }
  return slurm;
}

// Single values, the file's and the changes'.
struct Values {
  Options own;
  TextSettings others;                             // keys of a training
  std::map<std::string, std::string> places = {};  // where those stand

  void take(const std::string& key, const std::string& text, const std::string& where) {
    for (const OptionSpec& spec : search_options())
      if (spec.name == key) {
        own.set(key, parse_option(spec, text, fmt::format("{}: key '{}'", where, key)));
        return;
      }
    std::erase_if(others, [&](const auto& old) { return old.first == key; });
    others.emplace_back(key, text);
    places[key] = where;
  }

  // Throws Error(invalid_argument) where one of the training's is none.
  void check_others(bool model_sizes) const {
    for (const auto& [key, text] : others)
      if (key != "model" && key != "data" && key != "tokenizer")
        sort_settings({{key, text}}, train_settings(), model_sizes, places.at(key));
  }
};

Values read_values(const toml::table& root, const std::string& file, const TextSettings& changes) {
  static const std::set<std::string> lists{"objectives", "directions", "objective_command",
                                           "weights", "measure"};
  Values values;
  for (const auto& [key, node] : root) {
    const std::string name(key.str());
    if (name == "recipe" || name == "description" || name == "needs" || lists.contains(name))
      continue;
    if (node.is_table() || node.is_array_of_tables()) {
      if (std::find(tables().begin(), tables().end(), name) == tables().end())
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: unknown table [{}]", toml_place(file, node), name),
                    did_you_mean(name, tables()));
      const std::string prefix = name == "data_options" ? "data." : "";
      if (name == "model_options" || name == "data_options")
        for (const auto& [inner, value] : *node.as_table())
          values.take(prefix + std::string(inner.str()),
                      toml_text(value, std::string(inner.str()), file), toml_place(file, value));
      continue;
    }
    values.take(name, toml_text(node, name, file), toml_place(file, node));
  }
  for (const auto& [key, text] : changes) {
    if (lists.contains(key))
      throw UsageError(fmt::format("--set {}: a list is changed in the file", key));
    values.take(key, text, "--set");
  }
  return values;
}

// Where a key was given, for messages.
std::string place_of(const toml::table& root, const std::string& key, const std::string& file) {
  const toml::node* node = root.get(key);
  return node == nullptr ? file : toml_place(file, *node);
}

void read_stopper(const toml::table& root, const std::string& file, const SearchSettings& settings,
                  WorkerSettings& worker) {
  if (worker.stopper.empty()) {
    if (root.contains("stopper_options"))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: [stopper_options] without a stopper change nothing", file));
    return;
  }
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: stopper '{}': {}", file, worker.stopper, why),
                "stoppers compare one number while it is trained; leave it out");
  };
  const Stopper& stopper = find_member(stopper_table(), worker.stopper, "stopper");
  worker.stopper_options =
      read_options(root, "stopper_options", stopper.options, stopper.name, file);
  if (settings.directions.size() > 1)
    refuse(fmt::format("a study of {} objectives stops no trial", settings.directions.size()));
  if (!settings.weights.empty()) refuse("a weighted sum is known at the end of a trial only");
  if (!settings.trains) refuse("without a training nothing is told before the end of a trial");
}

// Settings of a training that there is not.
void check_untrained(const SearchSettings& settings, const Values& values,
                     const std::string& file) {
  static const std::set<std::string> of_judging{"max_length", "validation", "seed", "threads",
                                                "mode"};
  const auto check = [&](const std::string& key, const std::string& where) {
    if (!is_training_parameter(key) || key.starts_with("data.") || of_judging.contains(key)) return;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: key '{}' changes nothing: training = false", where, key),
                "leave it out");
  };
  // (Stages may train.)
  if (settings.stages.empty())
    for (const auto& [key, value] : values.others) check(key, values.places.at(key));
  for (const Dimension& dimension : settings.worker.space.dimensions())
    if (settings.stages.empty()) check(dimension.name(), file);
}

// Settings with which a trial would be trained on what it is judged on, or which are of one
// training: as keys, and as parameters.
void refuse_mixing(const SearchSettings& settings, const Values& values, const std::string& file) {
  const bool by_validation = settings.selection == "validation";
  std::map<std::string, std::string> refused{
      {"split", "trials are trained on the split train: on the others they are judged"},
      {"trace", "all trials would write into one file; each has its record"}};
  if (by_validation)
    refused["order"] =
        "it counts samples of the whole split train, of which trials are judged on a part";
  const auto check = [&](const std::string& key, const std::string& where) {
    if (const auto found = refused.find(key); found != refused.end())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: key '{}' is of no search: {}", where, key, found->second),
                  "leave it out");
    std::vector<SearchStage> stages = settings.stages;
    const SearchStage* stage = find_search_stage(stages, key);
    if (by_validation && stage != nullptr && key == stage->name + ".validation")
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: key '{}': stages train on what the validation split of the "
                              "trial leaves",
                              where, key),
                  "leave it out; validation = ... of the whole file says how much that is");
  };
  for (const auto& [key, value] : values.others) check(key, values.places.at(key));
  for (const Dimension& dimension : settings.worker.space.dimensions())
    check(dimension.name(), file);
  for (const SearchStage& stage : settings.stages)
    for (const auto& [key, value] : stage.values) check(stage.name + "." + key, stage.where);
}

// What holds for networks alone.
void read_network(const toml::table& root, const std::string& file, const Options& own,
                  const Values& values, SearchSettings& settings) {
  const auto refuse = [&](const std::string& key, const std::string& what,
                          const std::string& hint = "") {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: {}", place_of(root, key, file), what),
                hint);
  };
  for (const std::string& objective : settings.objectives) find_network_metric(objective, file);
  if (settings.objectives.empty())
    throw Error(ErrorCode::bad_format, file + ": key 'objectives' is missing",
                "objectives = [\"accuracy\"]");
  if (const toml::node* node = root.get("measure"))
    for (const std::string& metric : list_of(*node, "measure", file)) {
      if (find_network_metric(metric, toml_place(file, *node)).always)
        refuse("measure", fmt::format("'{}' is kept with every trial anyway", metric),
               "measure = [\"latency\"]");
      settings.measured.push_back(metric);
    }
  settings.selection = own.text("selection");
  settings.keep = own.text("keep_models");
  settings.start = own.text("start");
  if (const toml::node* node = root.get("stages")) {
    if (!node->is_array_of_tables()) refuse("stages", "[[stages]], a list of tables, is expected");
    std::set<std::string> once;
    for (const RecipeTable& table : read_recipe_list(*node, compression_stages(), file)) {
      SearchStage stage{table.values.text_or("name", ""), table.kind, {}, table.where};
      if (stage.name.empty()) stage.name = stage.kind;
      if (!once.insert(stage.name).second)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: two stages are called '{}'", table.where, stage.name),
                    "name = \"...\" tells them apart");
      for (const auto& [key, value] : table.values.values())
        if (key != "name") stage.values.emplace_back(key, to_string(value));
      settings.stages.push_back(std::move(stage));
    }
  }
  for (const auto& [key, value] : settings.training)
    if (key == "validation" && settings.selection == "validation" &&
        std::get<double>(
            parse_option({.name = key, .type = OptionType::real, .default_value = {}, .help = ""},
                         value, file + ": key 'validation'")) <= 0)
      refuse(key, "without a validation split trials cannot be compared",
             "selection = \"test\" judges them on the test split, as the published searches did");
  refuse_mixing(settings, values, file);
  settings.worker.space = network_space(settings);
  if (!settings.trains) check_untrained(settings, values, file);
  if (!settings.start.empty()) check_sensitivity_start(settings);
}

void refuse_network_keys(const toml::table& root, const std::string& file, const Values& values,
                         const SearchSettings& settings) {
  const auto refuse = [&](const std::string& key, const std::string& hint) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: key '{}' changes nothing beside an objective_command",
                            place_of(root, key, file), printable(key, 100)),
                hint);
  };
  if (!settings.training.empty())
    refuse(settings.training.front().first,
           did_you_mean(settings.training.front().first, names_of(search_options())));
  for (const char* key : {"training", "selection", "keep_models", "start"})
    if (values.own.contains(key)) refuse(key, "it is of searches over networks");
  for (const char* key : {"weights", "measure", "stages"})
    if (root.contains(key)) refuse(key, "it is of searches over networks");
  if (!settings.nodes.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: an objective_command has no nodes", settings.nodes.front().where));
}

// One study of a file: `study` is the name of one of [[studies]], whose keys are in `root` already.
// `named` is the name of the whole where it gives none.
SearchSettings read_search(const toml::table& root, const std::string& file,
                           const std::string& named, const TextSettings& changes,
                           const std::string& study) {
  const Values values = read_values(root, file, changes);
  const Options own = complete_options(search_options(), values.own, file);
  SearchSettings settings;
  std::string name = own.text("name");
  if (name.empty()) name = named;
  if (name.find('#') != std::string::npos)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: the name '{}' has a '#'", place_of(root, "name", file),
                            printable(name, 100)),
                "in the address of a study that stands between the place and the name");
  settings.name = study.empty() ? name : study;
  const std::filesystem::path folder = std::filesystem::path(own.text("out")) / name;
  settings.study = own.text("study");
  if (settings.study.empty()) settings.study = "sqlite:" + (folder / "study.db").string();
  if (settings.study.find('#') == std::string::npos) settings.study += "#" + settings.name;
  parse_study_address(settings.study);
  read_directions(root, file, settings);
  read_weights(root, file, settings);
  settings.jobs = own.integer("jobs");
  settings.reuse = own.boolean("reuse");
  if (const toml::node* node = root.get("objective_command"))
    settings.objective_command = list_of(*node, "objective_command", file);
  settings.folder = std::filesystem::current_path().string();
  settings.place = folder.string();
  settings.training = values.others;
  settings.slurm = read_slurm(root, file);

  WorkerSettings& worker = settings.worker;
  const toml::table* space = root.get_as<toml::table>("space");
  if (space != nullptr) settings.nodes = read_node_choices(*space, file);
  worker.space = read_space(space == nullptr ? toml::table{} : *space, file);
  worker.sampler = own.text("sampler");
  const Sampler& sampler = find_member(sampler_table(), worker.sampler, "sampler");
  worker.sampler_options =
      read_options(root, "sampler_options", sampler.options, sampler.name, file);
  worker.stopper = own.text("stopper");
  settings.trains = own.boolean("training");
  read_stopper(root, file, settings, worker);
  worker.seed = static_cast<std::uint64_t>(own.integer("seed"));
  worker.trials = own.integer("trials");
  worker.lease = own.real("lease");
  worker.timeout = own.real("timeout");
  if (settings.is_of_networks()) {
    values.check_others(!std::filesystem::is_directory(input_of(settings, "model")));
    read_network(root, file, own, values, settings);
  } else {
    refuse_network_keys(root, file, values, settings);
  }
  if (worker.space.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: [space] is empty: there is nothing to search", file),
                "a line a parameter: lr = { low = 1e-5, high = 1e-3, log = true }");
  return settings;
}

// The stages that a study names, of those that the file has.
void choose_stages(toml::table& root, const toml::node& names, const std::string& file) {
  toml::array* all = root.get_as<toml::array>("stages");
  toml::array chosen;
  if (!names.is_array() || !names.as_array()->empty())
    for (const std::string& wanted : list_of(names, "stages", file)) {
      const std::size_t before = chosen.size();
      if (all != nullptr)
        for (toml::node& stage : *all) {
          toml::table& table = *stage.as_table();
          const toml::node* own = table.get(table.contains("name") ? "name" : "do");
          if (own != nullptr && toml_text(*own, "name", file) == wanted)
            chosen.push_back(std::move(table));
        }
      if (chosen.size() == before)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: there is no stage '{}', or it is named twice",
                                toml_place(file, names), printable(wanted, 100)),
                    "a stage is called by its name, or by what it does");
    }
  root.erase("stages");
  if (!chosen.empty()) root.insert("stages", std::move(chosen));
}

// The file as if it had the study `index` of its [[studies]] alone. (Nodes are moved, never copied:
// copies forget the line that they stand in.)
toml::table merge_study(toml::table root, std::size_t index, const std::string& file) {
  toml::table study = std::move(*(*root.get_as<toml::array>("studies"))[index].as_table());
  root.erase("studies");
  for (auto&& [key, node] : study) {
    const std::string name(key.str());
    if (name == "name") continue;
    if (name == "recipe" || name == "out" || name == "studies" || name == "study")
      throw Error(ErrorCode::invalid_argument, fmt::format("{}: key '{}' belongs to the whole file",
                                                           toml_place(file, node), name));
    if (name == "stages" && !node.is_array_of_tables())
      choose_stages(root, node, file);
    else
      root.insert_or_assign(name, std::move(node));
  }
  return root;
}

std::vector<SearchSettings> read_studies(const toml::node& studies, const std::string& file,
                                         const std::string& named, const TextSettings& changes) {
  if (!studies.is_array_of_tables())
    throw Error(ErrorCode::bad_format, fmt::format("{}: [[studies]], a list of tables, is expected",
                                                   toml_place(file, studies)));
  // A study that the address names is the only one.
  std::string wanted;
  for (const auto& [key, value] : changes)
    if (key == "study") wanted = parse_study_address(value).name;
  std::vector<SearchSettings> all;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < studies.as_array()->size(); ++i) {
    const toml::node& entry = (*studies.as_array())[i];
    const toml::table& study = *entry.as_table();
    const toml::node* node = study.get("name");
    if (node == nullptr)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: key 'name' is missing in [[studies]]", toml_place(file, entry)));
    const std::string name = toml_text(*node, "name", file);
    if (name.empty() || std::find(names.begin(), names.end(), name) != names.end())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: a study has a name of its own", toml_place(file, *node)));
    names.push_back(name);
    if (wanted.empty() || wanted == name)
      all.push_back(read_search(merge_study(parse_toml_text(recipe_text(file), file), i, file),
                                file, named, changes, name));
  }
  if (all.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: none of its studies is called '{}'", file, printable(wanted, 100)),
                did_you_mean(wanted, names));
  return all;
}

}  // namespace

const std::vector<OptionSpec>& search_options() {
  static const std::vector<OptionSpec> specs{
      {.name = "name",
       .default_value = "",
       .help = "of the study, and of the folder it lies in; empty: the file's"},
      {.name = "out", .default_value = "runs", .help = "folder of all studies"},
      {.name = "study",
       .default_value = "",
       .help = "where it is kept: sqlite:FILE#NAME, postgresql://...#NAME, memory:#NAME"},
      {.name = "sampler", .default_value = "auto", .help = "hone list samplers"},
      {.name = "stopper", .default_value = "", .help = "hone list stoppers; empty: none"},
      {.name = "trials",
       .type = OptionType::integer,
       .default_value = std::int64_t{100},
       .help = "finished trials that the study shall have",
       .minimum = 1},
      {.name = "jobs",
       .type = OptionType::integer,
       .default_value = std::int64_t{1},
       .help = "worker processes at the same time",
       .minimum = 1,
       .maximum = 1024},
      {.name = "seed",
       .type = OptionType::integer,
       .default_value = std::int64_t{0},
       .help = "of the sampler",
       .minimum = 0},
      {.name = "lease",
       .type = OptionType::real,
       .default_value = 60.0,
       .help = "seconds without a sign of life after which another machine's trial is taken over",
       .minimum = 1},
      {.name = "timeout",
       .type = OptionType::real,
       .default_value = 0.0,
       .help = "seconds after which no trial is begun; 0: none",
       .minimum = 0},
      {.name = "reuse",
       .type = OptionType::boolean,
       .default_value = false,
       .help = "a trial with the values of an earlier one gets its results"},
      {.name = "training",
       .type = OptionType::boolean,
       .default_value = true,
       .help = "networks: false judges trials as they are made, without a training"},
      {.name = "selection",
       .default_value = "validation",
       .help = "networks: the split that trials are judged on",
       .choices = {"validation", "test"}},
      {.name = "keep_models",
       .default_value = "best",
       .help = "networks: the models that stay",
       .choices = {"best", "all"}},
      {.name = "start",
       .default_value = "",
       .help = "networks: sensitivity: first trials from what each node's format costs alone",
       .choices = {"", "sensitivity"}}};
  return specs;
}

std::string search_text(const std::string& file) {
  const std::string text = recipe_text(file);
  const toml::table root = parse_toml_text(text, file);
  return is_reference_search(root) ? translate_reference_search(root, file).text : text;
}

std::vector<SearchSettings> load_search(const std::string& given, const TextSettings& changes) {
  std::string file = given;
  toml::table root = parse_toml_text(recipe_text(file), file);
  std::vector<std::string> notes;
  if (is_reference_search(root)) {
    TranslatedSearch translated = translate_reference_search(root, file);
    file += " (hone search --show)";
    root = parse_toml_text(translated.text, file);
    notes = std::move(translated.notes);
  }
  const toml::node* kind = root.get("recipe");
  if (kind == nullptr || toml_text(*kind, "recipe", file) != "search")
    throw Error(ErrorCode::bad_format, file + ": is no search file",
                "one has: recipe = \"search\"");
  const std::string name = std::filesystem::path(given).stem().string();
  if (const toml::node* studies = root.get("studies"))
    return read_studies(*studies, file, name, changes);
  SearchSettings settings = read_search(root, file, name, changes, "");
  settings.notes = std::move(notes);
  return {settings};
}

}  // namespace hone
