// What a ptq_vs_qat recipe asks for, read and checked before anything is computed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/recipes/detail/sweep_base.hpp"

namespace hone {

struct WidthSettings {
  BaseSettings base;
  std::string format;
  std::vector<std::int64_t> widths;
  std::string nodes;
  double fraction = 0.5;
  bool has_fraction = false;  // the format counts bits after the point
  std::vector<std::pair<std::string, std::string>> format_keys;

  QuantizeSelection selection(std::int64_t width) const;
};

std::vector<OptionSpec> width_options();
// Throws Error(invalid_argument) naming the file and the key.
WidthSettings read_width_settings(const RecipeCall& call);
// What decides the results: widths, seeds and places left out.
Json width_identity(const RecipeCall& call, const WidthSettings& settings);

}  // namespace hone
