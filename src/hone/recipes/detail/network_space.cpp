#include "hone/recipes/network_space.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/selection.hpp"
#include "hone/numerics/format.hpp"
#include "hone/passes/batch_norm.hpp"
#include "hone/passes/bypass.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/recipes/detail/prune_plan.hpp"

namespace hone {
namespace {

constexpr std::size_t most_networks = 4096;
const char* const no_format = "none";
const char* const as_the_format_has_it = "default";
// Keys that say what happens to a node; the others are options of formats, and the method of masks.
constexpr std::array<const char*, 3> nodes_keys{"bypass", "format", "sparsity"};

[[noreturn]] void refuse_nodes(const NodeChoices& choices, const std::string& what,
                               const std::string& hint = "") {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: [[space.nodes]] of '{}': {}", choices.where, choices.nodes, what),
              hint);
}

// By their names, as the graph calls their first outputs.
std::vector<std::string> nodes_of(const Graph& graph, const NodeChoices& choices) {
  const bool bypassed = choices.find("bypass") != nullptr;
  std::vector<std::string> names;
  Selection selection(choices.nodes);
  for (const Node& node : graph.nodes)
    if ((bypassed ? can_bypass(graph, node) : find_op(node.op).slots.weight >= 0) &&
        selection.matches(graph, node))
      names.push_back(graph.value(node.outputs[0]).name);
  return names;
}

// What is said of a node there. Of several that say the same the first counts.
bool say_the_same(const NodeChoices& a, const NodeChoices& b) {
  return std::any_of(nodes_keys.begin(), nodes_keys.end(), [&](const char* key) {
    return a.find(key) != nullptr && b.find(key) != nullptr;
  });
}

std::vector<std::string> nodes_of(const Graph& graph, const std::vector<NodeChoices>& all,
                                  const NodeChoices& one) {
  std::vector<std::string> names = nodes_of(graph, one);
  for (const NodeChoices& earlier : all) {
    if (&earlier == &one) break;
    if (!say_the_same(earlier, one)) continue;
    const std::vector<std::string> taken = nodes_of(graph, earlier);
    std::erase_if(names, [&](const std::string& name) {
      return std::find(taken.begin(), taken.end(), name) != taken.end();
    });
  }
  return names;
}

std::string parameter_name(const NodeChoices& choices, const std::string& node,
                           const std::string& key) {
  return (choices.shared.empty() ? node : choices.shared) + "." + key;
}

bool has_option(const std::string& format, const std::string& key) {
  if (key == "rule") return true;
  const std::vector<OptionSpec>& options = find_format(format).options;
  return std::any_of(options.begin(), options.end(), [&](const OptionSpec& spec) {
    // (A key of one slot: "weight_width".)
    return key == spec.name || key.ends_with("_" + spec.name);
  });
}

// Values of `sizes` with which a network has a node, as conditions; none where all have it.
class NodePresence {
public:
  NodePresence(const std::vector<Dimension>& sizes,
               const std::function<Graph(const Assignment&)>& graph_of)
      : sizes_(sizes) {
    std::size_t count = 1;
    for (const Dimension& one : sizes) {
      const auto own = static_cast<std::size_t>(one.distribution().count());
      if (own == 0) {
        // A size from a range that cannot be counted is tried at its ends.
        count *= 2;
        continue;
      }
      count *= own;
    }
    if (count > most_networks)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("the sizes of the space make {} networks; [[space.nodes]] can look at "
                      "{}",
                      count, most_networks),
          "give fewer choices");
    Assignment values;
    enumerate(0, values, graph_of);
  }

  struct Network {
    Assignment values;
    Graph graph;
  };
  const std::vector<Network>& networks() const { return networks_; }

  std::vector<Condition> conditions(const std::set<std::size_t>& having, const NodeChoices& choices,
                                    const std::string& node) const {
    if (having.size() == networks_.size()) return {};
    std::vector<Condition> found;
    std::size_t covered = 1;
    for (const Dimension& size : sizes_) {
      std::set<double> all, own;
      for (std::size_t i = 0; i < networks_.size(); ++i) {
        all.insert(networks_[i].values.at(size.name()));
        if (having.contains(i)) own.insert(networks_[i].values.at(size.name()));
      }
      covered *= own.size();
      if (own.size() == all.size()) continue;
      Condition condition{size.name(), {}};
      for (const double value : own)
        condition.values.push_back(size.distribution().value_of(value));
      found.push_back(std::move(condition));
    }
    if (covered != having.size())
      refuse_nodes(
          choices,
          fmt::format("whether there is a node '{}' depends on several sizes together", node));
    return found;
  }

private:
  void enumerate(std::size_t i, Assignment& values,
                 const std::function<Graph(const Assignment&)>& graph_of) {
    if (i == sizes_.size()) {
      networks_.push_back({values, graph_of(values)});
      return;
    }
    const Distribution& of = sizes_[i].distribution();
    const std::int64_t count = of.count();
    for (std::int64_t k = 0; k < (count == 0 ? 2 : count); ++k) {
      const auto index = static_cast<double>(k);
      values[sizes_[i].name()] = of.kind == DistributionKind::categorical ? index
                                 : count == 0 ? (k == 0 ? of.low : of.high)
                                              : of.low + index * of.step;
      enumerate(i + 1, values, graph_of);
    }
    values.erase(sizes_[i].name());
  }

  const std::vector<Dimension>& sizes_;
  std::vector<Network> networks_;
};

// The formats among the choices that have this key, as a condition; none where it always exists.
std::vector<Condition> format_conditions(const NodeChoices& choices, const std::string& node,
                                         const std::string& key) {
  static const std::set<std::string> own{"bypass", "format", "sparsity", "method"};
  if (own.contains(key)) return {};
  const std::vector<Json>* formats = choices.find("format");
  if (formats == nullptr)
    refuse_nodes(choices,
                 fmt::format("key '{}' is an option of formats, and there is no 'format'", key));
  std::vector<Json> having;
  for (const Json& format : *formats)
    if (text_of(format) != no_format && has_option(text_of(format), key)) having.push_back(format);
  if (having.empty())
    refuse_nodes(choices, fmt::format("key '{}': none of the formats has it", key));
  if (having.size() == formats->size()) return {};
  return {{parameter_name(choices, node, "format"), having}};
}

}  // namespace

std::string text_of(const Json& value) { return value.is_string() ? value.text() : value.dump(); }

const std::vector<Json>* NodeChoices::find(const std::string& key) const {
  for (const auto& [name, values] : keys)
    if (name == key) return &values;
  return nullptr;
}

Json to_json(const std::vector<NodeChoices>& choices) {
  Json all = Json::array();
  for (const NodeChoices& one : choices) {
    Json keys = Json::array();
    for (const auto& [name, values] : one.keys) keys.push_back({{"key", name}, {"values", values}});
    all.push_back(
        {{"nodes", one.nodes}, {"shared", one.shared}, {"keys", keys}, {"where", one.where}});
  }
  return all;
}

std::vector<NodeChoices> node_choices_from_json(const Json& json) {
  std::vector<NodeChoices> all;
  for (const Json& one : json) {
    NodeChoices choices{.nodes = one.at("nodes").text(),
                        .shared = one.at("shared").text(),
                        .where = one.at("where").text()};
    for (const Json& key : one.at("keys"))
      choices.keys.emplace_back(key.at("key").text(), key.at("values").get<std::vector<Json>>());
    all.push_back(std::move(choices));
  }
  return all;
}

Json identity_of(const std::vector<NodeChoices>& choices) {
  Json all = to_json(choices);
  for (Json& one : all.elements()) one.erase("where");
  return all;
}

std::vector<Dimension> expand_node_choices(
    const std::vector<NodeChoices>& choices, const std::vector<Dimension>& sizes,
    const std::function<Graph(const Assignment& values)>& graph_of) {
  if (choices.empty()) return {};
  const NodePresence presence(sizes, graph_of);
  std::vector<Dimension> made;
  std::set<std::string> bypassed;  // names of parameters
  for (const NodeChoices& one : choices) {
    std::vector<std::string> order;
    std::map<std::string, std::set<std::size_t>> having;
    for (std::size_t i = 0; i < presence.networks().size(); ++i)
      for (const std::string& node : nodes_of(presence.networks()[i].graph, choices, one)) {
        if (!having.contains(node)) order.push_back(node);
        having[node].insert(i);
      }
    if (order.empty())
      refuse_nodes(one, "it matches no node that takes such a choice and has none above",
                   "hone explain MODEL names nodes");
    if (!one.shared.empty()) order.resize(1);
    for (const std::string& node : order)
      for (const auto& [key, values] : one.keys) {
        if (values.size() < 2) continue;
        const std::string name = parameter_name(one, node, key);
        Dimension dimension{
            std::make_shared<SearchParameter>(SearchParameter{name, categorical(values, name)})};
        if (one.shared.empty()) dimension.when = presence.conditions(having.at(node), one, node);
        for (Condition& condition : format_conditions(one, node, key))
          dimension.when.push_back(std::move(condition));
        // What is left out takes nothing.
        const std::string out = node + ".bypass";
        if (key == "bypass" && one.shared.empty())
          bypassed.insert(out);
        else if (bypassed.contains(out) && one.shared.empty())
          dimension.when.push_back({out, {false}});
        made.push_back(std::move(dimension));
      }
  }
  return made;
}

std::vector<std::vector<NodeFormatChoice>> list_format_choices(
    const std::vector<NodeChoices>& choices, const Graph& graph) {
  std::vector<std::vector<NodeFormatChoice>> all;
  for (const NodeChoices& one : choices) {
    if (one.find("format") == nullptr) continue;
    std::vector<std::string> nodes = nodes_of(graph, choices, one);
    if (!one.shared.empty()) nodes = {one.nodes};
    for (const std::string& node : nodes) {
      const std::string name = one.shared.empty() ? node : one.shared;
      std::vector<NodeFormatChoice> found{{name, {.nodes = node, .where = one.where}, {}}};
      for (const auto& [key, values] : one.keys) {
        if (key == "sparsity" || key == "method" || key == "bypass") continue;
        std::vector<NodeFormatChoice> longer;
        for (const NodeFormatChoice& before : found)
          for (const Json& value : values) {
            NodeFormatChoice next = before;
            const std::vector<Json>* format = next.choices.find("format");
            // (Formats stand before their options, whatever the order of the file.)
            if (key != "format" && format != nullptr &&
                (text_of(format->front()) == no_format ||
                 !has_option(text_of(format->front()), key))) {
              if (&value == &values.front()) longer.push_back(next);
              continue;
            }
            next.choices.keys.emplace_back(key, std::vector<Json>{value});
            if (values.size() > 1) next.values[parameter_name(one, node, key)] = value;
            longer.push_back(std::move(next));
          }
        found = std::move(longer);
      }
      all.push_back(std::move(found));
    }
  }
  return all;
}

void apply_node_choices(Model& model, const std::vector<NodeChoices>& choices,
                        const std::function<Json(const std::string& parameter)>& value_of) {
  // One value is fixed; else the trial has it, where the parameter exists.
  const auto chosen = [&](const NodeChoices& one, const std::string& node, const std::string& key) {
    const std::vector<Json>* values = one.find(key);
    if (values == nullptr) return Json();
    return values->size() == 1 ? values->front() : value_of(parameter_name(one, node, key));
  };
  std::vector<std::string> left_out;
  for (const NodeChoices& one : choices)
    if (one.find("bypass") != nullptr)
      for (const std::string& node : nodes_of(model.graph, choices, one))
        if (chosen(one, node, "bypass") == Json(true)) left_out.push_back(node);
  if (!left_out.empty()) model.history.push_back(bypass(model, left_out));

  PruneRequest pruning;
  std::vector<QuantizeSelection> formats;
  for (const NodeChoices& one : choices) {
    if (one.find("bypass") != nullptr) continue;
    for (const std::string& node : nodes_of(model.graph, choices, one)) {
      const Json sparsity = chosen(one, node, "sparsity");
      if (sparsity.is_number() && sparsity.get<double>() > 0) {
        PruneSelection selection{
            .nodes = node, .sparsity = sparsity.get<double>(), .where = one.where};
        if (const Json method = chosen(one, node, "method"); method.is_string())
          selection.method = method.text();
        pruning.selections.push_back(std::move(selection));
      }
      const Json format = chosen(one, node, "format");
      if (!format.is_string() || format.text() == no_format) continue;
      QuantizeSelection selection{node, format.text(), {}, one.where};
      for (const auto& [key, values] : one.keys) {
        if (key == "format" || key == "sparsity" || key == "method") continue;
        const Json value = chosen(one, node, key);
        if (!value.is_null() && value != Json(as_the_format_has_it) &&
            has_option(format.text(), key))
          selection.keys.emplace_back(key, text_of(value));
      }
      formats.push_back(std::move(selection));
    }
  }
  if (!pruning.selections.empty()) {
    const PrunePlan plan(pruning, model);
    set_masks(model, plan.masks(model, nullptr, 1));
    model.history.push_back(fmt::format("prune {} nodes", pruning.selections.size()));
  }
  if (formats.empty()) return;
  const Quantization taken = select_formats(model.graph, formats);
  // (A network that starts afresh is trained with its norms.)
  if (!model.directory.empty()) fold_batch_norm(model, taken);
  set_formats(model, taken);
}

}  // namespace hone
