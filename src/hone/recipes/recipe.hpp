// The contract of a recipe: a job that a TOML file names, with everything it takes. One file in
// recipes/ a member.
//
//   recipe = "train"
//   name = "demo"
//   model = "bert-tiny"
//   data = "reviews"
//   lr = 5e-4
//   [data_options]
//   samples = 4000
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/options.hpp"
#include "hone/recipes/loading.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/terminal_table.hpp"

namespace hone {

// A recipe file, read and checked.
struct RecipeCall {
  std::string file;
  std::string command;  // for the record
  Settings settings;    // values: of the recipe's options, as far as they are given
};

struct Recipe : Described {
  // Whether sizes of a built-in model are keys too.
  bool model_sizes = false;
  // Runs it; the results as result.json has them.
  Json (*run)(const RecipeCall& call, const RunWatcher& watcher) = nullptr;
  // The results as a table for the terminal; null: one row a run (result["runs"]).
  std::string (*render)(const Json& result, TextStyle style) = nullptr;
};

// Every recipe (generated from the folder).
const std::vector<Recipe>& recipe_table();
// Throws Error(invalid_argument) naming the nearest known recipe.
const Recipe& find_recipe(const std::string& name, const std::string& where);

struct LoadedRecipe {
  const Recipe* recipe;
  RecipeCall call;
};
// Reads a TOML file: every key is checked, errors name file, line and the nearest known key. In
// texts, ${NAME:-default} stands for an environment variable. `changes` are key=value settings that
// replace those of the file. Lists become text separated by commas.
LoadedRecipe load_recipe(const std::filesystem::path& file, const TextSettings& changes);

}  // namespace hone
