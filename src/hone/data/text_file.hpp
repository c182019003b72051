// Files of text as people have them: compressed or not, in UTF-8, UTF-16 or Latin-1. Every reader
// of texts (csv, tsv, json, jsonl, plain text) begins here.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hone/core/options.hpp"

namespace hone {

// The content of a file as UTF-8, without a byte order mark. Lives as long as its last owner.
struct TextFile {
  std::shared_ptr<const void> owner;
  std::string_view text;
};

// The option that says how bytes are characters: auto, utf-8, utf-16, latin-1.
OptionSpec encoding_option();

// Reads a file, or what comes through a pipe. What is compressed (gzip, zstd, bzip2, xz, lz4) is
// found by its content and unpacked. "auto" obeys a byte order mark and else expects UTF-8;
// "latin-1" is read as Windows-1252, its superset (as the WHATWG Encoding Standard does). Throws
// Error(bad_format) naming file and place for bytes that the encoding does not have, for a file
// that mixes encodings or is cut short, Error(unsupported) naming the format of a file that is no
// text (parquet, zip, ...), Error(invalid_argument) for an encoding that the file contradicts.
TextFile read_text_file(const std::filesystem::path& path, const std::string& encoding = "auto");

// The same for bytes that are already there; `path` names them in messages.
TextFile decode_text(TextFile bytes, const std::filesystem::path& path,
                     const std::string& encoding);

}  // namespace hone
