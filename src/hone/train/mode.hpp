// How a model is run: by the reference functions of its ops, node by node, or as one plan.
#pragma once

#include <string>

namespace hone {

enum class Mode { reference, eager, compiled };
Mode parse_mode(const std::string& text);

}  // namespace hone
