#include "hone/train/checkpoint.hpp"

#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/safetensors.hpp"

namespace hone {
namespace {

constexpr const char* position_file = "hone_state.json";
constexpr const char* state_file = "hone_state.safetensors";

// Without the time it took: two equal runs have equal checkpoints.
Json to_json(const std::optional<Evaluation>& evaluation) {
  if (!evaluation) return nullptr;
  return {{"samples", evaluation->samples},
          {"correct", evaluation->correct},
          {"tokens", evaluation->tokens},
          {"loss", evaluation->loss}};
}

std::optional<Evaluation> read_evaluation(const Json& json) {
  if (json.is_null()) return std::nullopt;
  const Json& loss = json.at("loss");  // null: it was not finite
  Evaluation evaluation{.samples = json.at("samples").get<std::int64_t>(),
                        .correct = json.at("correct").get<std::int64_t>(),
                        .loss = loss.is_null() ? NAN : loss.get<double>(),
                        .tokens = json.at("tokens").get<std::int64_t>(),
                        .logits = {}};
  if (evaluation.samples < 1 || evaluation.correct < 0 || evaluation.correct > evaluation.samples)
    throw Error(ErrorCode::bad_format,
                fmt::format("{} of {} samples correct", evaluation.correct, evaluation.samples));
  evaluation.accuracy =
      static_cast<double>(evaluation.correct) / static_cast<double>(evaluation.samples);
  evaluation.interval = wilson_interval(evaluation.correct, evaluation.samples);
  return evaluation;
}

}  // namespace

void save_checkpoint(const std::filesystem::path& directory, const Model& model,
                     const ParameterStore& parameters, const Tokenizer* tokenizer,
                     const TrainPosition* position, const ParameterStore* state) {
  save_model_directory(directory, model.config, parameters, {},
                       [&](const std::filesystem::path& folder) {
                         if (tokenizer != nullptr) tokenizer->save(folder);
                         if (position == nullptr) return;
                         write_safetensors(folder / state_file, *state);
                         const Json json{{"step", position->step},
                                         {"validation", to_json(position->validation)},
                                         {"best", to_json(position->best)},
                                         {"threads", position->threads},
                                         {"options", position->options}};
                         write_file_atomically(folder / position_file, json.dump(1) + "\n");
                       });
}

TrainPosition load_position(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / position_file;
  const std::string content = read_file(file);
  try {
    const Json json = parse_json(content);
    return {json.at("step").get<std::int64_t>(), read_evaluation(json.at("validation")),
            read_evaluation(json.at("best")), json.value("threads", 0), json.at("options")};
  } catch (const Error& error) {
    throw Error(ErrorCode::bad_format, file.string() + ": " + error.message(),
                "the checkpoint is damaged: start anew with --overwrite");
  }
}

ParameterStore load_state(const std::filesystem::path& directory) {
  return read_safetensors(directory / state_file);
}

}  // namespace hone
