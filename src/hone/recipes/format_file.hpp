// Formats for the nodes of a model, from a file: which nodes take which format, the first match
// wins.
//
//   [[formats]]
//   nodes = "embedding"
//   format = "mxint"
//
//   [[formats]]
//   nodes = "layer0\\..*"        # a regular expression
//   format = "integer"
//   width = 8
//   weight_width = 6
//
//   [[formats]]                  # all other linear nodes
//   format = "integer"
//   width = 4
#pragma once

#include <filesystem>
#include <vector>

#include "hone/passes/select_formats.hpp"

namespace hone {

// Throws Error(bad_format) naming file, line and what was expected.
std::vector<QuantizeSelection> load_format_file(const std::filesystem::path& file);

}  // namespace hone
