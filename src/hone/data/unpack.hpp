// Compressed files, found by their first bytes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace hone {

// "gzip", "zstd", "bzip2", "xz" or "lz4"; "" for bytes that none of them begins with.
std::string_view compression_of(std::string_view bytes);
// What a file of one of these holds. Throws Error(bad_format) naming `path` when it is damaged, cut
// short or followed by something else, Error(unsupported) above 16 GB.
std::string unpack(std::string_view bytes, const std::filesystem::path& path);

// What a file is that begins like this and is no text, such as "a parquet file"; "" for none known.
std::string_view foreign_format(std::string_view bytes);

}  // namespace hone
