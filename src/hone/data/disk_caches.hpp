// What hone keeps below cache_directory(), found by content: all of it is made again where it is
// missing.
#pragma once

#include <array>
#include <filesystem>
#include <string>

#include "hone/core/file.hpp"

namespace hone {

struct DiskCache {
  const char* folder;
  const char* extension;
  const char* holds;

  std::filesystem::path file(const std::string& key) const {
    return cache_directory() / folder / (key + extension);
  }
};

inline constexpr DiskCache token_cache{"tokens", ".tokens", "texts of data sets as tokens"};
inline constexpr DiskCache tokenizer_cache{"tokenizers", ".bin", "tokenizers, ready to use"};
inline constexpr std::array disk_caches{token_cache, tokenizer_cache};

}  // namespace hone
