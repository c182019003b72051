// Checkpoints: a Hugging Face directory plus what hone needs to go on exactly where it was.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "hone/core/json.hpp"
#include "hone/core/tensor_store.hpp"
#include "hone/model/model.hpp"
#include "hone/train/evaluate.hpp"

namespace hone {

// Where a run stands.
struct TrainPosition {
  std::int64_t step = 0;  // steps done
  // The last and the best one, without logits and seconds.
  std::optional<Evaluation> validation, best;
  std::int64_t best_step = 0;
  std::int64_t since_best = 0;  // evaluations
  // {first step, steps of the whole run as it was planned from there}: one entry, and one more each
  // time the finished run went on.
  std::vector<std::pair<std::int64_t, std::int64_t>> lengths;
  int threads = 0;  // 0: not recorded
  Json options;     // describe(TrainOptions) and what identifies the data
};

// Writes what prepares a model's inputs (its tokenizer) beside it, into its folder; may be empty.
using SavePreparation = std::function<void(const std::filesystem::path& folder)>;

// Writes `directory` in one step (a crash leaves the old or the new one): the model for
// transformers, what prepares its inputs, and, when `position` is given, hone_state.json and
// hone_state.safetensors.
void save_checkpoint(const std::filesystem::path& directory, const Model& model,
                     const TensorStore& parameters, const SavePreparation& preparation,
                     const TrainPosition* position, const TensorStore* state);

// Reads hone's own part. Throws Error(not_found | bad_format) naming the file.
TrainPosition load_position(const std::filesystem::path& directory);
TensorStore load_state(const std::filesystem::path& directory);

}  // namespace hone
