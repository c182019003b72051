#include "hone/recipes/sensitivity_start.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/detail/network_points.hpp"
#include "hone/recipes/network_space.hpp"

namespace hone {
namespace {

const char* const measured_attribute = "hone:sensitivity";
const char* const start_attribute = "hone:start";
constexpr double float_bits = 32;

// Bits of a weight and of a number that is read, together.
double bits_of(const Model& model) {
  double most = 2 * float_bits;
  for (const NodeFormats& node : formats_of(model.graph)) {
    double bits = 0;
    for (const Slot slot : {Slot::data_in, Slot::weight}) {
      const auto format = node.slots.find(slot);
      bits += format == node.slots.end() ? float_bits
                                         : format->second.bind()->bits_per_value({768, 768});
    }
    most = std::min(most, bits);
  }
  return most;
}

struct Candidate {
  NodeFormatChoice choice;
  Model model;  // with this node alone changed
  double bits = 0;
  double loss = std::numeric_limits<double>::infinity();
};

// What a node may become, cheapest and most precise.
struct NodeEnds {
  Candidate cheapest, precise;
};

std::vector<Candidate> candidates_of(const Model& model,
                                     const std::vector<NodeFormatChoice>& choices) {
  std::vector<Candidate> all;
  for (const NodeFormatChoice& choice : choices) {
    Candidate candidate{choice, model};
    try {
      apply_node_choices(candidate.model, {choice.choices},
                         [](const std::string&) { return Json(); });
      candidate.bits = bits_of(candidate.model);
    } catch (const Error& error) {
      // Values that contradict each other: a fraction wider than the number, say.
      if (error.code() != ErrorCode::invalid_argument) throw;
      continue;
    }
    all.push_back(std::move(candidate));
  }
  return all;
}

class Measurement {
public:
  Measurement(const SearchSettings& settings, const RunWatcher& watcher)
      : settings_(settings), watcher_(watcher), configuration_(configuration_of(settings, {})) {}

  double loss_of(const Model& model) const {
    try {
      return evaluate_split(settings_, configuration_, model, settings_.selection, watcher_).loss;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::numeric) throw;
      return std::numeric_limits<double>::infinity();
    }
  }

  // Of those with the fewest bits, or the most, the one that harms least.
  Candidate best(std::vector<Candidate> all, bool fewest) const {
    const auto less = [](const Candidate& a, const Candidate& b) { return a.bits < b.bits; };
    const double bits = fewest ? std::min_element(all.begin(), all.end(), less)->bits
                               : std::max_element(all.begin(), all.end(), less)->bits;
    std::erase_if(all, [&](const Candidate& one) { return one.bits != bits; });
    for (Candidate& one : all)
      if (fewest || all.size() > 1) one.loss = loss_of(one.model);
    return *std::min_element(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
      return a.loss < b.loss;
    });
  }

private:
  const SearchSettings& settings_;
  const RunWatcher& watcher_;
  NetworkConfiguration configuration_;
};

Json format_of(const NodeFormatChoice& choice) {
  Json json = Json::object();
  for (const auto& [key, values] : choice.choices.keys) json[key] = values.front();
  return json;
}

void enqueue(Study& study, const std::string& label, const Attributes& values) {
  study.refresh();
  for (const Trial& trial : study.trials()) {
    const auto own = trial.user_attributes.find(start_attribute);
    if (own != trial.user_attributes.end() && own->second == Json(label)) return;
  }
  study.enqueue(values, {{start_attribute, label}});
}

}  // namespace

void check_sensitivity_start(const SearchSettings& settings) {
  const bool has_formats =
      std::any_of(settings.nodes.begin(), settings.nodes.end(), [](const NodeChoices& one) {
        return one.find("format") != nullptr &&
               std::any_of(one.keys.begin(), one.keys.end(),
                           [](const auto& key) { return key.second.size() > 1; });
      });
  if (!has_formats)
    throw Error(ErrorCode::invalid_argument,
                "start = \"sensitivity\": no node has a choice of formats",
                "[[space.nodes]] with format = [\"none\", \"integer\"]");
  if (!std::filesystem::is_directory(input_of(settings, "model")))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("start = \"sensitivity\": '{}' is not trained: nothing can be measured",
                            input_of(settings, "model")),
                "give the folder of a trained model");
}

void enqueue_by_sensitivity(const SearchSettings& settings, Study& study,
                            const RunWatcher& watcher) {
  if (study.data().user_attributes.contains(measured_attribute)) return;
  const Measurement measurement(settings, watcher);
  const Model model = load_model({.name = input_of(settings, "model")});
  if (watcher.say) watcher.say("measuring what each node's format costs alone");
  const double whole = measurement.loss_of(model);
  std::vector<NodeEnds> nodes;
  for (const std::vector<NodeFormatChoice>& choices :
       list_format_choices(settings.nodes, model.graph)) {
    const std::vector<Candidate> all = candidates_of(model, choices);
    if (all.empty()) continue;
    nodes.push_back({measurement.best(all, true), measurement.best(all, false)});
  }
  std::stable_sort(nodes.begin(), nodes.end(), [](const NodeEnds& a, const NodeEnds& b) {
    return a.cheapest.loss > b.cheapest.loss;
  });
  Json measured = Json::array({Json{{"node", ""}, {"loss", whole}}});
  for (const NodeEnds& node : nodes)
    measured.push_back({{"node", node.cheapest.choice.name},
                        {"format", format_of(node.cheapest.choice)},
                        {"bits", node.cheapest.bits},
                        {"loss", node.cheapest.loss}});
  std::set<std::size_t> counts;
  for (const double share : {0.0, 0.25, 0.5, 0.75})
    counts.insert(static_cast<std::size_t>(std::lround(share * static_cast<double>(nodes.size()))));
  for (const std::size_t left : counts) {
    Attributes values;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const NodeEnds& node = nodes[i];
      const NodeFormatChoice& choice = i < left ? node.precise.choice : node.cheapest.choice;
      for (const auto& [parameter, value] : choice.values) values[parameter] = value;
    }
    enqueue(study, fmt::format("the {} most sensitive of {} precise", left, nodes.size()), values);
  }
  study.storage().set_study_attributes(study.data().id, {{measured_attribute, measured}}, {});
  study.refresh_data();
}

}  // namespace hone
