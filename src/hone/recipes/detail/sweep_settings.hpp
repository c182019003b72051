// What a ptq_vs_qat recipe asks for, read and checked before anything is computed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/recipes/recipe.hpp"

namespace hone {

struct SweepSettings {
  std::string model;
  bool trains_model = false;  // a built-in model: trained first
  std::string data, tokenizer, split;
  std::string format;
  std::filesystem::path folder;
  std::vector<std::int64_t> widths, seeds;
  Options float_training, qat_training;  // without the seed
  Graph graph;                           // of the float model, whose nodes are selected

  QuantizeSelection selection(std::int64_t width) const;
  // The seeds that have a float model and PTQ of their own: a given folder has one.
  std::vector<std::int64_t> float_seeds() const {
    return trains_model ? seeds : std::vector<std::int64_t>{seeds.front()};
  }

  std::string nodes;
  double fraction = 0.5;
  bool has_fraction = false;  // the format counts bits after the point
  std::vector<std::pair<std::string, std::string>> format_keys;
};

std::vector<OptionSpec> sweep_options();
// Throws Error(invalid_argument) naming the file and the key.
SweepSettings read_sweep_settings(const RecipeCall& call);
// What decides the results: widths, seeds and places left out.
Json sweep_identity(const RecipeCall& call, const SweepSettings& settings);

}  // namespace hone
