#include "hone/recipes/detail/prune_record.hpp"

#include <fmt/format.h>

#include "hone/core/threads.hpp"
#include "hone/recipes/detail/run_record.hpp"

namespace hone {
namespace {

std::string describe(const PruneSelection& selection) {
  std::string text = fmt::format(
      "{} {}", selection.nodes.empty() ? layers_selection : selection.nodes, selection.method);
  if (selection.sparsity) text += fmt::format(" {:g}", *selection.sparsity);
  if (!(selection.granularity == MaskGranularity{}))
    text += fmt::format(" of {}", to_string(selection.granularity));
  return text;
}

std::vector<RemovedEntry> entries_of(const std::vector<Removal::Part>& parts) {
  std::vector<RemovedEntry> entries;
  for (const Removal::Part& part : parts)
    entries.push_back(
        {part.node, static_cast<double>(part.before), static_cast<double>(part.after)});
  return entries;
}

void add_removal(PrunedEvent& event, const RemovalOutcome& removal) {
  event.removed = true;
  event.heads = entries_of(removal.heads);
  event.neurons = entries_of(removal.neurons);
  event.channels = entries_of(removal.channels);
  event.branches = removal.branches;
  event.parameters_after = static_cast<double>(removal.parameters_after);
  event.bytes_before = static_cast<double>(removal.bytes_before);
  event.bytes_after = static_cast<double>(removal.bytes_after);
}

// Without the training.
PrunedEvent pruned_event(const PruneOutcome& outcome) {
  const auto share = [](std::int64_t part, std::int64_t all) {
    return all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(all);
  };
  PrunedEvent event;
  for (const PrunedLayer& layer : outcome.layers)
    event.layers.push_back({layer.weight, static_cast<double>(layer.numbers),
                            static_cast<double>(layer.dropped),
                            share(layer.dropped, layer.numbers)});
  event.numbers = static_cast<double>(outcome.numbers);
  event.dropped = static_cast<double>(outcome.dropped);
  event.sparsity = share(outcome.dropped, outcome.numbers);
  event.parameters = static_cast<double>(outcome.parameters);
  event.sparsity_of_all = share(outcome.dropped, outcome.parameters);
  for (const auto& [node, how] : outcome.activations) event.activations.push_back({node, how});
  event.packed = outcome.packed;
  if (outcome.removal) add_removal(event, *outcome.removal);
  if (outcome.disk_before > 0) event.disk_bytes_before = static_cast<double>(outcome.disk_before);
  event.disk_bytes = static_cast<double>(outcome.disk_after);
  if (outcome.verdict) add_verdict(event, *outcome.verdict);
  return event;
}

Json configuration(const PruneRequest& request) {
  Json config{{"model", request.model},
              {"scope", request.scope == MaskScope::local ? "local" : "global"},
              {"rule", request.mase ? "mase" : "exact"}};
  for (std::size_t i = 0; i < request.selections.size(); ++i) {
    const PruneSelection& selection = request.selections[i];
    Json part{{"nodes", selection.nodes.empty() ? layers_selection : selection.nodes},
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

RunEvent begin_prune_record(const PruneRequest& request) {
  return begin_run(request.command, configuration(request));
}

void write_prune_record(const PruneRequest& request, const PruneOutcome& outcome,
                        const Model& model, const RunEvent& run, double seconds) {
  Record record(request.out / "record.jsonl");
  begin_record(record, run, model_event(request.model, model, inspected_tokens));
  PrunedEvent event = pruned_event(outcome);
  if (outcome.training) event.trained = trained_part(*outcome.training);
  record.write(event);
  end_record(record, outcome.training, seconds);
}

Json to_json(const PruneOutcome& outcome, const std::filesystem::path& out) {
  Json json = to_object(pruned_event(outcome));
  json["out"] = out.string();
  if (outcome.training) json["training"] = to_json(*outcome.training, out / "training");
  return json;
}

}  // namespace hone
