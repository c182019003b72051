// Search files of MASE: [search.search_space] and [search.strategy].
#pragma once

#include <string>
#include <vector>

#include "hone/recipes/detail/toml_file.hpp"

namespace hone {

bool is_reference_search(const toml::table& root);

struct TranslatedSearch {
  std::string text;                // the same search as a search file of hone
  std::vector<std::string> notes;  // what of it does not count, and why
};
// Spaces over number formats (graph/quantize/mixed_precision_ptq) and the strategy optuna. Throws
// Error(unsupported) naming what hone has not, Error(bad_format) for a file that says too little.
TranslatedSearch translate_reference_search(const toml::table& root, const std::string& file);

}  // namespace hone
