// [space] of a search file.
#pragma once

#include <string>

#include "hone/recipes/detail/toml_file.hpp"
#include "hone/recipes/network_space.hpp"
#include "hone/search/space.hpp"

namespace hone {

// Throws Error naming the file, the line and the parameter.
Space read_space(const toml::table& table, const std::string& file);
// [[space.nodes]]; empty where there is none.
std::vector<NodeChoices> read_node_choices(const toml::table& space, const std::string& file);
// A single value of TOML. Throws Error(bad_format).
Json toml_value(const toml::node& node, const std::string& key, const std::string& file);

}  // namespace hone
