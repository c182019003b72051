#include "hone/recipes/quantize_run.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/frontends/hugging_face.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// Whether rounding would change any number: activations are always counted as changed.
void refuse_no_change(const Model& model) {
  for (const NodeFormats& node : model.quantization)
    for (const auto& [slot, choice] : node.slots)
      if (slot == Slot::data_in || slot == Slot::data_out) return;
  for (const auto& [name, choice] :
       quantized_parameters(model.architecture->build(model.config, {}), model.quantization)) {
    const Tensor& before = model.parameters.at(name);
    const Tensor after = choice.bind()->quantize(before);
    if (std::memcmp(before.data(), after.data(), before.bytes()) != 0) return;
  }
  throw Error(ErrorCode::invalid_argument, "the formats change no number of the model",
              "choose fewer bits, or other nodes");
}

}  // namespace

void save_model(const Model& model, const fs::path& out) {
  std::vector<fs::path> copies;
  for (const char* name :
       {"tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"})
    if (fs::exists(model.directory / name)) copies.push_back(model.directory / name);
  save_model_directory(out, model.config, stored_tensors(model), copies);
}

QuantizeOutcome run_quantization(const QuantizeRequest& request, const RunWatcher& watcher) {
  QuantizeOutcome outcome;
  std::string source = request.model;
  if (request.training) {
    TrainRequest training = *request.training;
    training.model = request.model;
    training.out = request.out / "training";
    training.quantize = request.selections;
    outcome.training = run_training(training, watcher);
    if (!outcome.training->result.finished) return outcome;
    source = training.out.string();
  }
  Model model = load_model({.name = source});
  unpack_parameters(model);
  if (!request.training && !request.selections.empty())
    set_quantization(model, select_formats(model.architecture->build(model.config, {}),
                                           request.selections));
  outcome.parameters = parameter_count(model);
  outcome.bytes_before = parameter_bytes(model);
  outcome.quantization = model.quantization;
  if (!request.training) refuse_no_change(model);
  pack_parameters(model);
  outcome.bytes_after = parameter_bytes(model);
  save_model(model, request.out);
  return outcome;
}

nlohmann::json to_json(const QuantizeOutcome& outcome, const fs::path& out) {
  nlohmann::json json{{"out", out.string()},
                      {"nodes", to_json(outcome.quantization)},
                      {"parameters", outcome.parameters},
                      {"bytes_before", outcome.bytes_before},
                      {"bytes_after", outcome.bytes_after}};
  if (outcome.training) json["training"] = to_json(*outcome.training, out / "training");
  return json;
}

}  // namespace hone
