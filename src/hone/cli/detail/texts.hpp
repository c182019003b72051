// Texts that a command works on: words of the command line, a JSONL file, or lines of stdin.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hone/cli/command.hpp"

namespace hone {

// The TEXT arguments; else the "text" of every line of --input; else the lines of stdin.
std::vector<std::string> read_texts(const CommandInput& input);
// What an error about one of them calls it: "texts.jsonl: line 4", "text 2".
std::string place_of_text(const CommandInput& input, std::size_t index);
// One JSON object with a "text", or one JSON text, a line; empty lines are skipped. Read in
// parallel. Throws Error(bad_format) naming the line.
std::vector<std::string> read_jsonl_texts(const std::filesystem::path& path);

}  // namespace hone
