// Texts that a command works on: words of the command line, a file, or lines of stdin.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/cli/command.hpp"

namespace hone {

struct InputTexts {
  std::vector<std::string> texts;
  std::vector<std::string> pairs;        // second texts, one a text; empty: single texts
  std::string source;                    // a file, "text" or "standard input"
  std::vector<std::int64_t> lines = {};  // of the source

  // What an error about one of them calls it: "texts.jsonl: line 4", "text 2".
  std::string place(std::size_t index) const;
};

// --input and --pair, as the commands that read texts have them.
std::vector<OptionSpec> text_flags();
// What the settings data.KEY are, for the help.
const char* text_settings_note();

// The TEXT arguments, each with --pair; else the rows of --input; else the lines of stdin. A file
// is read by what its name ends with (csv, tsv, json, jsonl, txt; then .gz and such), a pipe or
// another name as JSON where it begins like it, else a text a line; KIND:FILE says it. `data` are
// the options of that kind. Throws UsageError for texts given twice and for options that change
// nothing, Error(bad_format) naming the line.
InputTexts read_texts(const CommandInput& input, const TextSettings& data);

}  // namespace hone
