// TOML files: values as text, places for messages.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#define TOML_HEADER_ONLY 0
#include <toml++/toml.h>

namespace hone {

// Throws Error(bad_format) naming file, line and column.
toml::table parse_toml(const std::filesystem::path& file);
// The same of a text that messages call `name`.
toml::table parse_toml_text(std::string_view text, const std::string& name);
// "file: line n".
std::string toml_place(const std::string& file, const toml::node& node);
// A single value, or a list of them separated by commas; ${NAME} and ${NAME:-default} become the
// environment variable. Throws Error(bad_format) naming the place and the key.
std::string toml_text(const toml::node& node, const std::string& key, const std::string& file);

}  // namespace hone
