// Keys that several recipes take.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/recipes/recipe.hpp"

namespace hone {

// The text of a key that must be there. Throws Error(invalid_argument) naming the file.
const std::string& required_key(const RecipeCall& call, const char* key);
// The key 'name' as a folder of the folder 'out'.
std::filesystem::path result_folder(const RecipeCall& call);
// A name as that of a folder: "L1, weights only" becomes l1-weights-only.
std::string folder_name(const std::string& name);
// A list of different whole numbers from `minimum` on; `fallback` when the key is not there.
std::vector<std::int64_t> number_list(const RecipeCall& call, const char* key,
                                      const std::string& fallback, std::int64_t minimum);

}  // namespace hone
