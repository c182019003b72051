// Tokenized splits on disk. A cache only saves time: what cannot be written is not, what is damaged
// is as good as absent.
#pragma once

#include <filesystem>
#include <string>

#include "hone/data/dataset.hpp"

namespace hone {

// Where the entry of a key (hexadecimal) lies.
std::filesystem::path token_cache_path(const std::string& key);
// False when there is no sound entry: every size, id (below vocab_size), label and the checksum of
// the whole file are checked.
bool read_token_cache(const std::string& key, std::int64_t vocab_size, TokenizedData& data);
// Ids take 2 bytes where the vocabulary allows, else 4. Written atomically.
void write_token_cache(const std::string& key, std::int64_t vocab_size, const TokenizedData& data);

}  // namespace hone
