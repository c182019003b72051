// Lists of tables in TOML files, such as [[curves]] and [[stages]].
#pragma once

#include <string>
#include <vector>

#include "hone/recipes/detail/toml_file.hpp"
#include "hone/recipes/recipe.hpp"

namespace hone {

// The tables of an array, every key checked. Throws Error naming file, line and the nearest key.
std::vector<RecipeTable> read_recipe_list(const toml::node& array, const RecipeList& list,
                                          const std::string& file);

}  // namespace hone
