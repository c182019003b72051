// What a training run begins with: tokenizer, data and model, made to fit each other.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "hone/data/load.hpp"
#include "hone/data/tokenizer.hpp"
#include "hone/recipes/lora_choice.hpp"
#include "hone/recipes/train_run.hpp"

namespace hone {

// Share of the train split that is validated on, where nothing is said.
inline constexpr double default_validation = 0.1;

struct TrainInputs {
  Tokenizer tokenizer;
  std::string tokenizer_source;
  DataRequest request;  // of the split that is trained on
  TokenizedData data, validation;
  Model model;

  bool has_validation() const { return validation.size() > 0; }
  // Tokens of a text, on average.
  std::int64_t mean_length() const {
    return static_cast<std::int64_t>(data.ids.size()) / std::max<std::int64_t>(data.size(), 1);
  }
};

// Loads all of it; `options` says the seed and the order. Throws Error: what the parts throw.
TrainInputs load_train_inputs(const TrainRequest& request, const std::optional<LoraChoice>& lora,
                              const TrainOptions& options, const RunWatcher& watcher);
// One split as a run reads it.
TokenizedData load_split(const DataRequest& request, const Tokenizer& tokenizer,
                         const RunWatcher& watcher);
// What nobody said: learning rate, epochs, class weights.
void choose_defaults(TrainOptions& options, const TrainRequest& request, const TrainInputs& inputs,
                     const RunWatcher& watcher);

}  // namespace hone
