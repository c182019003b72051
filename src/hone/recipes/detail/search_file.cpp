#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/recipes/detail/reference_search.hpp"
#include "hone/recipes/detail/search_space.hpp"
#include "hone/recipes/network_objective.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/recipes/search_settings.hpp"
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
  static const std::vector<std::string> names{"space",         "sampler_options", "stopper_options",
                                              "model_options", "data_options",    "slurm"};
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

[[noreturn]] void refuse_objective(const std::string& file, const std::string& objective) {
  std::vector<std::string> known;
  for (const NetworkMetric& metric : network_metrics()) known.emplace_back(metric.name);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: a network has no metric '{}'", file, printable(objective, 100)),
              did_you_mean(objective, known));
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
  TextSettings others;  // keys of a training

  void take(const std::string& key, const std::string& text, const std::string& where) {
    for (const OptionSpec& spec : search_options())
      if (spec.name == key) {
        own.set(key, parse_option(spec, text, fmt::format("{}: key '{}'", where, key)));
        return;
      }
    std::erase_if(others, [&](const auto& old) { return old.first == key; });
    others.emplace_back(key, text);
  }
};

Values read_values(const toml::table& root, const std::string& file, const TextSettings& changes) {
  static const std::set<std::string> lists{"objectives", "directions", "objective_command"};
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
       .help = "a trial with the values of an earlier one gets its results"}};
  return specs;
}

std::string search_text(const std::string& file) {
  const std::string text = recipe_text(file);
  const toml::table root = parse_toml_text(text, file);
  return is_reference_search(root) ? translate_reference_search(root, file).text : text;
}

SearchSettings load_search(const std::string& given, const TextSettings& changes) {
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
  const Values values = read_values(root, file, changes);
  const Options own = complete_options(search_options(), values.own, file);
  SearchSettings settings;
  settings.notes = std::move(notes);
  settings.name = own.text("name");
  if (settings.name.empty()) settings.name = std::filesystem::path(given).stem().string();
  const std::filesystem::path folder = std::filesystem::path(own.text("out")) / settings.name;
  settings.study = own.text("study");
  if (settings.study.empty()) settings.study = "sqlite:" + (folder / "study.db").string();
  if (settings.study.find('#') == std::string::npos) settings.study += "#" + settings.name;
  parse_study_address(settings.study);
  read_directions(root, file, settings);
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
  if (!worker.stopper.empty()) {
    const Stopper& stopper = find_member(stopper_table(), worker.stopper, "stopper");
    worker.stopper_options =
        read_options(root, "stopper_options", stopper.options, stopper.name, file);
    if (settings.directions.size() > 1)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: stopper '{}': a study of {} objectives stops no trial", file,
                              worker.stopper, settings.directions.size()),
                  "stoppers compare one number; leave it out");
  } else if (root.contains("stopper_options")) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: [stopper_options] without a stopper change nothing", file));
  }
  worker.seed = static_cast<std::uint64_t>(own.integer("seed"));
  worker.trials = own.integer("trials");
  worker.lease = own.real("lease");
  worker.timeout = own.real("timeout");
  if (!settings.objective_command.empty() && !settings.training.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: key '{}' changes nothing beside an objective_command", file,
                            printable(settings.training.front().first, 100)),
                did_you_mean(settings.training.front().first, names_of(search_options())));
  if (settings.is_of_networks()) {
    for (const std::string& objective : settings.objectives)
      if (!natural_direction(objective)) refuse_objective(file, objective);
    if (settings.objectives.empty())
      throw Error(ErrorCode::bad_format, file + ": key 'objectives' is missing",
                  "objectives = [\"accuracy\"]");
    worker.space = network_space(settings);
  } else if (!settings.nodes.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: an objective_command has no nodes", settings.nodes.front().where));
  }
  if (worker.space.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: [space] is empty: there is nothing to search", file),
                "a line a parameter: lr = { low = 1e-5, high = 1e-3, log = true }");
  return settings;
}

}  // namespace hone
