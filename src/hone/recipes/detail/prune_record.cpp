#include "hone/recipes/detail/prune_record.hpp"

#include <fmt/format.h>

#include "hone/record/record.hpp"
#include "hone/core/threads.hpp"
#include "hone/recipes/layers.hpp"

namespace hone {
namespace {

// MACs of layers are counted for samples of so many tokens, as hone inspect does.
constexpr std::int64_t tokens_per_sample = 256;

std::string describe(const PruneSelection& selection) {
  std::string text =
      fmt::format("{} {}", selection.nodes.empty() ? "linear" : selection.nodes, selection.method);
  if (selection.sparsity) text += fmt::format(" {:g}", *selection.sparsity);
  if (!(selection.granularity == MaskGranularity{}))
    text += fmt::format(" of {}", to_string(selection.granularity));
  return text;
}

Json to_json(const std::vector<Removal::Part>& parts) {
  Json list = Json::array();
  for (const Removal::Part& part : parts)
    list.push_back({{"node", part.node}, {"before", part.before}, {"after", part.after}});
  return list;
}

void add_removal(Json& json, const RemovalOutcome& removal) {
  json["removed"] = true;
  json["heads"] = to_json(removal.heads);
  json["neurons"] = to_json(removal.neurons);
  json["branches"] = removal.branches;
  json["parameters_after"] = removal.parameters_after;
  json["bytes_before"] = removal.bytes_before;
  json["bytes_after"] = removal.bytes_after;
}

Json configuration(const PruneRequest& request) {
  Json config{{"model", request.model},
              {"scope", request.scope == MaskScope::local ? "local" : "global"},
              {"rule", request.mase ? "mase" : "exact"}};
  for (std::size_t i = 0; i < request.selections.size(); ++i) {
    const PruneSelection& selection = request.selections[i];
    Json part{{"nodes", selection.nodes.empty() ? "linear" : selection.nodes},
              {"method", selection.method},
              {"granularity", to_string(selection.granularity)}};
    if (selection.sparsity) part["sparsity"] = *selection.sparsity;
    config[request.selections.size() == 1 ? std::string("weights")
                                          : fmt::format("weights.{}", i + 1)] = part;
  }
  if (request.activations) config["activations"] = request.activations->sparsity;
  if (request.remove) config["remove"] = true;
  if (reads_data(request)) {
    config["data"] = request.data;
    config["samples"] = request.samples;
  }
  if (request.gradual) config["gradual"] = describe(*request.gradual);
  if (request.training) {
    config["training"] = {{"data", request.training->data}};
    for (const auto& [key, value] : request.training->settings.values.values())
      config["training"][key] = to_string(value);
  }
  return config;
}

}  // namespace

std::string prune_history_line(const PruneRequest& request) {
  if (request.selections.empty() && !request.activations) return "";
  std::string line = request.gradual ? "prune, gradually:" : "prune:";
  for (const PruneSelection& selection : request.selections)
    line += " " + describe(selection) + ";";
  if (!request.selections.empty() && request.scope == MaskScope::global) line += " global;";
  if (request.activations)
    line += fmt::format(" activations {:g}{}{};", request.activations->sparsity,
                        request.activations->random ? " at random" : "",
                        request.activations->by_threshold ? " by threshold" : "");
  if (request.mase) line += " rule mase;";
  if (reads_data(request)) line += fmt::format(" by {} of {};", request.samples, request.data);
  if (request.training) line += fmt::format(" trained on {};", request.training->data);
  line.pop_back();
  return line;
}

std::string describe(const GradualRequest& gradual) {
  return fmt::format("{} from {:g} to {:g} of the steps, every {}",
                     gradual.cubic ? "cubic" : "linear", gradual.begin, gradual.end,
                     gradual.every > 0 ? std::to_string(gradual.every) : "hundredth");
}

void write_prune_record(const PruneRequest& request, const PruneOutcome& outcome,
                        const Model& model, const std::string& started, double seconds) {
  Record record(request.out / "record.jsonl");
  record.write({{"event", "run"},
                {"command", request.command},
                {"config", configuration(request)},
                {"machine", describe_machine()},
                {"versions", describe_versions()},
                {"started", started}});
  record.write({{"event", "model"},
                {"name", request.model},
                {"parameters", parameter_count(model)},
                {"layers", describe_layers(model, tokens_per_sample)}});
  Json line = to_json(outcome, request.out);
  line.erase("training");
  line.erase("out");
  line["event"] = "pruned";
  if (outcome.training)
    line["trained"] = {{"steps", outcome.training->total_steps},
                       {"samples", outcome.training->result.samples},
                       {"seconds", outcome.training->seconds}};
  record.write(line);
  if (outcome.training && outcome.training->result.kept()) {
    Json eval = to_json(*outcome.training->result.kept(), "validation");
    eval["event"] = "eval";
    eval["step"] = outcome.training->total_steps;
    record.write(eval);
  }
  record.write({{"event", "end"}, {"status", "finished"}, {"seconds", seconds}});
}

Json to_json(const PruneOutcome& outcome, const std::filesystem::path& out) {
  const auto share = [](std::int64_t part, std::int64_t all) {
    return all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(all);
  };
  Json json{{"out", out.string()},
            {"layers", Json::array()},
            {"numbers", outcome.numbers},
            {"dropped", outcome.dropped},
            {"sparsity", share(outcome.dropped, outcome.numbers)},
            {"parameters", outcome.parameters},
            {"sparsity_of_all", share(outcome.dropped, outcome.parameters)},
            {"activations", Json::array()},
            {"packed", outcome.packed}};
  for (const PrunedLayer& layer : outcome.layers)
    json["layers"].push_back({{"name", layer.weight},
                              {"numbers", layer.numbers},
                              {"dropped", layer.dropped},
                              {"sparsity", share(layer.dropped, layer.numbers)}});
  for (const auto& [node, how] : outcome.activations)
    json["activations"].push_back({{"node", node}, {"dropped", how}});
  if (outcome.removal) add_removal(json, *outcome.removal);
  if (outcome.disk_before > 0) json["disk_bytes_before"] = outcome.disk_before;
  json["disk_bytes"] = outcome.disk_after;
  if (outcome.verdict) add_verdict(json, *outcome.verdict);
  if (outcome.training) json["training"] = to_json(*outcome.training, out / "training");
  return json;
}

}  // namespace hone
