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
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/options.hpp"
#include "hone/recipes/loading.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/terminal_table.hpp"

namespace hone {

// One table of a list such as [[curves]].
struct RecipeTable {
  std::string where;      // "file: line n", for messages
  Options values;         // of the options, as far as they are given
  std::string kind = {};  // of a list with kinds
};

// A recipe file, read and checked.
struct RecipeCall {
  std::string file;
  std::string command;  // for the record
  Settings settings;    // values: of the recipe's options, as far as they are given
  // The lists that the file has, in its order.
  std::map<std::string, std::vector<RecipeTable>> lists = {};
};

// A list of tables that a recipe takes: "curves" is [[curves]], whose keys are its options.
struct RecipeList : Described {
  // A key that names one of `kinds`, whose options are keys as well; "": none.
  std::string kind_key = {};
  std::vector<Described> kinds = {};
};

struct Recipe : Described {
  // Whether sizes of a built-in model are keys too.
  bool model_sizes = false;
  std::vector<RecipeList> lists = {};
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
  std::string description;  // what it does, in a sentence
  std::string needs;        // data and models that it reads; empty: nothing
};
// Reads a TOML file, or a recipe that hone brings (by its name): every key is checked, errors name
// file, line and the nearest known key. In texts, ${NAME:-default} stands for an environment
// variable. `changes` are key=value settings that replace those of the file; what is wrong with
// them is a UsageError. Lists become text separated by commas.
LoadedRecipe load_recipe(const std::string& file_or_name, const TextSettings& changes);
// What a recipe says of itself, whatever it does: a search file too (recipes/search_settings.hpp).
struct RecipeFacts {
  std::string description, needs;
  bool is_search = false;
};
RecipeFacts recipe_facts(const std::string& file_or_name);
// The TOML text of it.
std::string recipe_text(const std::string& file_or_name);

// A recipe that hone brings: recipes/NAME.toml, embedded at build time.
struct ShippedRecipe {
  std::string_view name, text;
};
// In the order of their names (generated from the folder recipes/ of the project).
const std::vector<ShippedRecipe>& shipped_recipes();

}  // namespace hone
