#include "hone/train/checkpoint.hpp"

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/safetensors.hpp"

namespace hone {
namespace {

constexpr const char* position_file = "hone_state.json";
constexpr const char* state_file = "hone_state.safetensors";

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
                                         {"best_accuracy", position->best_accuracy},
                                         {"best_step", position->best_step},
                                         {"threads", position->threads},
                                         {"options", position->options}};
                         write_file_atomically(folder / position_file, json.dump(1) + "\n");
                       });
}

TrainPosition load_position(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / position_file;
  const Json json = parse_json(read_file(file), file.string());
  try {
    return {json.at("step").get<std::int64_t>(), json.at("best_accuracy").get<double>(),
            json.at("best_step").get<std::int64_t>(), json.value("threads", 0), json.at("options")};
  } catch (const Error& error) {
    throw Error(ErrorCode::bad_format, file.string() + ": " + error.message(),
                "the checkpoint is damaged; train again without --resume");
  }
}

ParameterStore load_state(const std::filesystem::path& directory) {
  return read_safetensors(directory / state_file);
}

}  // namespace hone
