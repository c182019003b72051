#include "hone/train/checkpoint.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/frontends/saved_model.hpp"

namespace hone {
namespace {

constexpr const char* position_file = "hone_state.json";
constexpr const char* state_file = "hone_state.safetensors";

// Without the time it took: two equal runs have equal checkpoints.
Json to_json(const std::optional<Evaluation>& evaluation) {
  if (!evaluation) return nullptr;
  Json json = to_json(*evaluation, evaluation->labels);
  json["tokens"] = evaluation->tokens;
  return json;
}

std::optional<Evaluation> read_evaluation(const Json& json) {
  if (json.is_null()) return std::nullopt;
  Evaluation evaluation;
  static_cast<Metrics&>(evaluation) = read_metrics(json);
  evaluation.tokens = json.at("tokens").get<std::int64_t>();
  if (const Json* labels = json.find_member("labels"))
    evaluation.labels = labels->get<std::vector<std::string>>();
  if (evaluation.labels.size() != evaluation.classes.size())
    throw Error(ErrorCode::bad_format,
                fmt::format("{} labels of {} classes", evaluation.labels.size(),
                            evaluation.classes.size()));
  return evaluation;
}

Json to_json(const std::vector<std::pair<std::int64_t, std::int64_t>>& lengths) {
  Json json = Json::array();
  for (const auto& [first, total] : lengths) json.push_back(Json::array({first, total}));
  return json;
}

std::vector<std::pair<std::int64_t, std::int64_t>> read_lengths(const Json& json,
                                                                std::int64_t step) {
  std::vector<std::pair<std::int64_t, std::int64_t>> lengths;
  for (const Json& entry : json.elements()) {
    lengths.emplace_back(entry.at(0).get<std::int64_t>(), entry.at(1).get<std::int64_t>());
    const auto [first, total] = lengths.back();
    const std::int64_t before = lengths.size() == 1 ? 0 : lengths[lengths.size() - 2].second;
    if (first != before || total <= first || first > step)
      throw Error(ErrorCode::bad_format,
                  fmt::format("\"lengths\": {} steps from step {} on", total, first));
  }
  if (lengths.empty()) throw Error(ErrorCode::bad_format, "\"lengths\" is empty");
  return lengths;
}

}  // namespace

void save_checkpoint(const std::filesystem::path& directory, const Model& model,
                     const TensorStore& parameters, const SavePreparation& preparation,
                     const TrainPosition* position, const TensorStore* state) {
  save_model(directory, model, parameters, {}, [&](const std::filesystem::path& folder) {
    if (preparation) preparation(folder);
    if (position == nullptr) return;
    write_safetensors(folder / state_file, *state);
    const Json json{{"step", position->step},
                    {"validation", to_json(position->validation)},
                    {"best", to_json(position->best)},
                    {"best_step", position->best_step},
                    {"since_best", position->since_best},
                    {"lengths", to_json(position->lengths)},
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
    TrainPosition position;
    position.step = json.at("step").get<std::int64_t>();
    position.validation = read_evaluation(json.at("validation"));
    position.best = read_evaluation(json.at("best"));
    position.best_step = json.at("best_step").get<std::int64_t>();
    position.since_best = json.at("since_best").get<std::int64_t>();
    position.lengths = read_lengths(json.at("lengths"), position.step);
    position.threads = json.value("threads", 0);
    position.options = json.at("options");
    return position;
  } catch (const Error& error) {
    throw Error(ErrorCode::bad_format, file.string() + ": " + error.message(),
                "the checkpoint is damaged, or of another version: start anew with --overwrite");
  }
}

TensorStore load_state(const std::filesystem::path& directory) {
  return read_safetensors(directory / state_file);
}

}  // namespace hone
