#include "hone/recipes/detail/pruning_settings.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/passes/prune.hpp"
#include "hone/recipes/detail/pruning_keys.hpp"
#include "hone/recipes/detail/recipe_keys.hpp"
#include "hone/recipes/stage.hpp"
#include "hone/sparsity/pruner.hpp"

namespace hone {
namespace {

constexpr const char* tenths = "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9";

std::vector<double> read_sparsities(const std::string& list, const std::string& where) {
  std::vector<double> sparsities;
  const OptionSpec spec{"sparsities", OptionType::real, {}, "", 0, 1};
  for (const std::string& part : split(list, ',')) {
    const double value = std::get<double>(parse_option(spec, trim(part), where));
    if (value <= 0 || value >= 1)
      refuse(fmt::format("{}: {} is not between 0 and 1", where, value),
             "nothing is pruned at 0, nothing is left at 1");
    if (std::find(sparsities.begin(), sparsities.end(), value) != sparsities.end())
      refuse(fmt::format("{}: {} is named twice", where, value));
    sparsities.push_back(value);
  }
  return sparsities;
}

PruningCurve read_curve(const RecipeTable& table, const std::vector<double>& sparsities) {
  PruningCurve curve;
  curve.name = table.values.text_or("name", "");
  curve.folder = folder_name(curve.name);
  if (curve.folder.empty())
    refuse(fmt::format("{}: key 'name' is missing, or holds no letter", table.where),
           "it is what the plots call the curve: name = \"L1\"");
  curve.against = table.values.text_or("against", "");
  curve.pruning = read_pruning_keys(table.values, table.where);
  const PruneSelection& selection = curve.pruning.selections.front();
  if (selection.granularity.kind == MaskGranularity::Kind::n_of_m)
    refuse(fmt::format("{}: key 'granularity': N:M brings its own sparsity", table.where),
           "a sweep over sparsities takes any other");
  curve.activations = table.values.boolean_or("activations", false);
  curve.remove = table.values.boolean_or("remove", false);
  if (curve.activations && selection.method == "random" && !curve.pruning.mase)
    refuse(fmt::format("{}: activations go at random under rule mase alone", table.where),
           "set rule = \"mase\", or leave activations out");
  if (curve.remove && selection.granularity.kind == MaskGranularity::Kind::element)
    refuse(
        fmt::format("{}: key 'remove': single weights leave no structure to take out", table.where),
        "set granularity = \"neuron\", \"head\", \"row\", ...");
  if (curve.remove && curve.activations)
    refuse(fmt::format("{}: keys 'remove' and 'activations' do not go together", table.where),
           "leave one out");
  curve.sparsities = sparsities;
  if (table.values.contains("sparsities")) {
    const std::string where = table.where + ": key 'sparsities'";
    curve.sparsities = read_sparsities(table.values.text("sparsities"), where);
    for (const double one : curve.sparsities)
      if (std::find(sparsities.begin(), sparsities.end(), one) == sparsities.end())
        refuse(fmt::format("{}: {} is none of the sweep's", where, one),
               "add it to the key 'sparsities' of the whole");
  }
  for (const char* key : {"epochs", "steps"})
    if (const auto given = table.values.values().find(key); given != table.values.values().end())
      curve.training.set(key, given->second);
  return curve;
}

}  // namespace

bool PruningCurve::has(double sparsity) const {
  return std::find(sparsities.begin(), sparsities.end(), sparsity) != sparsities.end();
}

PruneRequest PruningCurve::request(double sparsity, std::int64_t seed) const {
  PruneRequest request = pruning;
  request.selections.front().sparsity = sparsity;
  request.seed = static_cast<std::uint64_t>(seed);
  if (activations)
    request.activations = {.sparsity = sparsity,
                           .random = request.selections.front().method == "random"};
  return request;
}

std::vector<OptionSpec> pruning_sweep_options() {
  std::vector<OptionSpec> specs = base_options(tune_prefix, "fine-tuning what is pruned");
  specs.push_back({.name = "sparsities",
                   .default_value = tenths,
                   .help = "list of the shares that go, computed in this order"});
  specs.push_back(latency_tokens_option());
  specs.push_back({.name = "samples",
                   .type = OptionType::integer,
                   .default_value = std::int64_t{128},
                   .help = "samples of the training split that methods look at which need data",
                   .minimum = 1,
                   .maximum = 1e9});
  return specs;
}

RecipeList pruning_curve_list() {
  std::vector<OptionSpec> keys{
      {.name = "name", .default_value = {}, .help = "what tables and plots call it"}};
  for (OptionSpec& key : pruning_keys()) keys.push_back(std::move(key));
  const std::vector<OptionSpec> own{
      {.name = "activations",
       .type = OptionType::boolean,
       .default_value = false,
       .help = "of the data that the nodes read the same share goes"},
      {.name = "remove",
       .type = OptionType::boolean,
       .default_value = false,
       .help = "structures that are zero are taken out before the training"},
      {.name = "sparsities",
       .default_value = {},
       .help = "list of those that it is computed at; without it all of the sweep"},
      {.name = "epochs",
       .type = OptionType::real,
       .default_value = {},
       .help = "of its training, in place of tune_epochs",
       .minimum = 1e-6,
       .maximum = 1e6},
      {.name = "steps",
       .type = OptionType::integer,
       .default_value = {},
       .help = "of its training, in place of tune_steps",
       .minimum = 1,
       .maximum = 1e15},
      {.name = "against",
       .default_value = "",
       .help = "an earlier curve that it is tested against at each sparsity"}};
  keys.insert(keys.end(), own.begin(), own.end());
  return {{"curves", "ways to prune, each at every sparsity", std::move(keys)}};
}

PruningSettings read_pruning_settings(const RecipeCall& call) {
  PruningSettings settings;
  settings.base = read_base_settings(call, tune_prefix);
  settings.sparsities = read_sparsities(call.settings.values.text_or("sparsities", tenths),
                                        call.file + ": key 'sparsities'");
  const auto list = call.lists.find("curves");
  if (list == call.lists.end())
    refuse(call.file + ": has no table [[curves]]", "each names a way to prune");
  for (const RecipeTable& table : list->second) {
    PruningCurve curve = read_curve(table, settings.sparsities);
    const auto named = [&](const std::string& name) {
      return std::any_of(settings.curves.begin(), settings.curves.end(),
                         [&](const PruningCurve& other) { return other.name == name; });
    };
    for (const PruningCurve& other : settings.curves)
      if (other.folder == curve.folder)
        refuse(fmt::format("{}: key 'name': '{}' and '{}' are alike", table.where, other.name,
                           curve.name));
    if (!curve.against.empty() && !named(curve.against))
      refuse(fmt::format("{}: key 'against': there is no curve '{}' before it", table.where,
                         curve.against));
    check_request(curve.request(0.5, 0));  // (errors begin with its place)
    at_place(table.where,
             [&] { prunable_nodes(settings.base.graph, curve.pruning.selections.front().nodes); });
    settings.curves.push_back(std::move(curve));
  }
  const bool looks =
      std::any_of(settings.curves.begin(), settings.curves.end(), [](const PruningCurve& curve) {
        return find_pruner(curve.pruning.selections.front().method).needs != PrunerNeeds::nothing;
      });
  if (!looks && call.settings.values.contains("samples"))
    refuse(call.file + ": key 'samples' changes nothing: no method of the curves looks at data",
           "leave it out");
  return settings;
}

Json pruning_identity(const RecipeCall& call, const PruningSettings& settings) {
  return base_identity(call, settings.base, tune_prefix, {"sparsities", "tokens"});
}

Json curve_identity(const PruningCurve& curve) {
  const PruneSelection& selection = curve.pruning.selections.front();
  Json json{{"method", selection.method},
            {"granularity", to_string(selection.granularity)},
            {"nodes", selection.nodes},
            {"scope", curve.pruning.scope == MaskScope::local ? "local" : "global"},
            {"rule", curve.pruning.mase ? "mase" : "exact"},
            {"activations", curve.activations},
            {"remove", curve.remove}};
  for (const auto& [key, value] : curve.training.values()) json[key] = to_string(value);
  return json;
}

}  // namespace hone
