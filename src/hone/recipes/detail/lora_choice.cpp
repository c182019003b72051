#include "hone/recipes/lora_choice.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/frontends/adapter.hpp"
#include "hone/graph/weight.hpp"

namespace hone {
namespace {

std::vector<OptionSpec> make_keys() {
  const LoraSettings d;
  return {
      {"rank", OptionType::integer, d.rank, "of the two matrices beside a layer", -1e15, 1e15},
      {"alpha", OptionType::real, d.alpha, "the path counts alpha / rank times", -1e30, 1e30},
      {"dropout", OptionType::real, d.dropout, "of what the path reads", -1e30, 1e30},
      {"targets", OptionType::text, std::string(),
       "layers joined by '+': ends of their names (query), or as --nodes of quantize; default: "
       "what makes the queries and values of attention"},
      {"trained", OptionType::text, std::string(),
       "layers beside them that are trained as they are (PEFT: modules_to_save), joined by '+'; a "
       "classifier that starts afresh always is"},
      {"rslora", OptionType::boolean, false, "alpha / sqrt(rank) instead"},
      {"dora", OptionType::boolean, false, "magnitudes of the layer's rows are trained too (DoRA)"},
      {"name", OptionType::text, d.name,
       "of the adapter: another name goes beside those there are"},
      {"adapter", OptionType::text, std::string(),
       "start from this folder of PEFT, with its rank, alpha, layers and kind"}};
}

// Key and value of each part; what has no '=' goes on with the value before it.
std::vector<std::pair<std::string, std::string>> split_keys(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> keys;
  for (const std::string& part : split(text, ',')) {
    const std::size_t at = part.find('=');
    if (at != std::string::npos) {
      keys.emplace_back(trim(part.substr(0, at)), trim(part.substr(at + 1)));
      continue;
    }
    const bool list =
        !keys.empty() && (keys.back().first == "targets" || keys.back().first == "trained");
    if (!list)
      throw UsageError(fmt::format("lora: '{}' has no value", trim(part)),
                       "for example rank=8,alpha=16,targets=query+value");
    keys.back().second += "," + part;
  }
  return keys;
}

// Names joined by '+' as a list of patterns; where more than names is in it, '+' belongs to
// regular expressions.
std::string list_of(const std::string& text) {
  const bool names = std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-' ||
           c == '+' || c == ',' || c == ' ';
  });
  std::string list = text;
  if (names) std::replace(list.begin(), list.end(), '+', ',');
  return list;
}

std::vector<std::string> names_of(const std::string& list) {
  std::vector<std::string> names;
  if (!list.empty())
    for (const std::string& name : split(list, ',')) names.emplace_back(trim(name));
  return names;
}

// The classifier, where it was not read from files.
std::string fresh_classifier(const Model& model) {
  const std::string weight = head_weight(model);
  const std::vector<std::string>& fresh = model.report.initialized;
  const bool starts =
      model.directory.empty() || std::find(fresh.begin(), fresh.end(), weight) != fresh.end();
  return starts && !weight.empty() ? layer_name(weight) : "";
}

void check_trained(const Model& model, const std::vector<std::string>& names) {
  std::vector<std::string> known;
  for (std::size_t v = 0; v < model.graph.values.size(); ++v)
    if (is_weight(model.graph, static_cast<ValueId>(v)))
      known.push_back(layer_name(model.graph.values[v].name));
  for (const std::string& name : names)
    if (std::none_of(known.begin(), known.end(), [&](const std::string& layer) {
          return layer == name || layer.ends_with("." + name);
        }))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("lora: trained: the model has no layer '{}'", name),
                  did_you_mean(name, known));
}

}  // namespace

const std::vector<OptionSpec>& lora_keys() {
  static const std::vector<OptionSpec> keys = make_keys();
  return keys;
}

LoraChoice parse_lora(const std::string& text) {
  Options given;
  if (!trim(text).empty() && trim(text) != "default")
    for (const auto& [key, value] : split_keys(text)) {
      try {
        const OptionSpec& spec = find_option(lora_keys(), key, "lora");
        if (given.contains(key))
          throw UsageError(fmt::format("lora: {} is given twice", key), "give it once");
        given.set(key, parse_option(spec, value, fmt::format("lora: {}", key)));
      } catch (const UsageError&) {
        throw;
      } catch (const Error& error) {
        throw UsageError(error.message(), error.hint());
      }
    }
  LoraChoice choice;
  LoraSettings& settings = choice.settings;
  choice.adapter = given.text_or("adapter", "");
  if (!choice.adapter.empty())
    for (const char* key : {"rank", "alpha", "targets", "trained", "rslora", "dora"})
      if (given.contains(key))
        throw UsageError(fmt::format("lora: {} and adapter are both given", key),
                         "an adapter has its own: leave it out");
  settings.name = given.text_or("name", settings.name);
  // (Other adapters than the trained one go into folders of their names.)
  for (const char* taken : {"last", "best"})
    if (settings.name == taken)
      throw UsageError(fmt::format("lora: name '{}' is that of a checkpoint's folder", taken),
                       "choose another name for the adapter");
  settings.rank = given.integer_or("rank", settings.rank);
  settings.alpha = given.real_or("alpha", settings.alpha);
  // (Below zero: as the adapter's files say.)
  settings.dropout = given.real_or("dropout", choice.adapter.empty() ? 0.0 : -1.0);
  settings.targets = list_of(given.text_or("targets", ""));
  settings.rank_stabilized = given.boolean_or("rslora", false);
  settings.magnitude = given.boolean_or("dora", false);
  settings.trained = names_of(list_of(given.text_or("trained", "")));
  return choice;
}

void check_lora(const Graph& graph, const LoraChoice& choice) {
  if (choice.adapter.empty())
    check_adapter(graph, choice.settings);
  else
    read_adapter(choice.adapter);
}

std::string apply_lora(Model& model, const LoraChoice& choice, std::uint64_t seed) {
  LoraSettings settings = choice.settings;
  if (choice.adapter.empty()) {
    check_trained(model, settings.trained);
    const std::string head = fresh_classifier(model);
    const bool named = std::any_of(
        settings.trained.begin(), settings.trained.end(),
        [&](const std::string& name) { return head == name || head.ends_with("." + name); });
    if (!head.empty() && !named) settings.trained.push_back(head);
    add_adapter(model, settings, fresh_adapter(model, settings, seed));
  } else {
    const AdapterFiles files = read_adapter(choice.adapter);
    settings = files.settings;
    settings.name = choice.settings.name;
    if (choice.settings.dropout >= 0) settings.dropout = choice.settings.dropout;
    try {
      add_adapter(model, settings, files.tensors);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", choice.adapter, error.message()),
                  error.hint());
    }
  }
  std::string line = fmt::format("lora '{}': rank={} alpha={:g} dropout={:g}", settings.name,
                                 settings.rank, settings.alpha, settings.dropout);
  if (settings.rank_stabilized) line += " rslora";
  if (settings.magnitude) line += " dora";
  if (!choice.adapter.empty()) line += " from " + choice.adapter;
  return line;
}

std::string describe_trained(const Model& model) {
  std::vector<std::string> parts;
  for (const Adapter& adapter : adapters_of(model.graph)) {
    if (!adapter.is_trained) continue;
    std::vector<std::string> targets = split(adapter.settings.targets, ',');
    parts.push_back(fmt::format("adapter '{}' of rank {} on {} layers ({})", adapter.settings.name,
                                adapter.settings.rank, adapter.layers.size(), list_some(targets)));
    for (const std::string& layer : adapter.settings.trained) parts.push_back(layer);
  }
  std::int64_t trained = 0;
  for (const Value& value : model.graph.values)
    if (value.is_trained()) trained += element_count(evaluate(value.type, {}));
  const std::int64_t all = parameter_count(model);
  return fmt::format("{}: {} of {} parameters are trained ({:.2g} %)", fmt::join(parts, ", "),
                     trained, all, 100.0 * static_cast<double>(trained) / static_cast<double>(all));
}

}  // namespace hone
