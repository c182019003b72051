#include "hone/data/vocabulary.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

constexpr std::uint64_t hash_seed = 0x9E3779B97F4A7C15u;

// A running hash: the hash of every prefix of a word comes out on the way.
std::uint64_t extend(std::uint64_t hash, char byte) {
  return (hash ^ static_cast<unsigned char>(byte)) * 0x9FB21C651E98DF25u;
}

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = hash_seed;
  for (const char byte : text) hash = extend(hash, byte);
  return hash;
}

// Spreads the running hash over all bits: the top ones choose the slot, the low ones are the tag.
std::uint64_t finish(std::uint64_t hash) {
  hash ^= hash >> 29;
  hash *= 0xD6E8FEB86659FD93u;
  return hash ^ hash >> 32;
}

}  // namespace

void Vocabulary::add(std::string_view token, std::int64_t id, bool piece) {
  if (id < 0 || id >= maximum_size)
    throw Error(ErrorCode::bad_format,
                fmt::format("token '{}' has id {}; expected 0 to {}", token, id, maximum_size - 1));
  if (pool_.size() + token.size() >= absent)
    throw Error(ErrorCode::unsupported, "the vocabulary is larger than 4 GB");
  const auto index = static_cast<std::size_t>(id);
  if (index >= entries_.size()) entries_.resize(index + 1);
  Entry& entry = entries_[index];
  if (entry.length != absent) {
    if (this->token(id) == token) return;
    throw Error(ErrorCode::bad_format,
                fmt::format("id {} is given to both '{}' and '{}'", id, this->token(id), token));
  }
  entry = {static_cast<std::uint32_t>(pool_.size()), static_cast<std::uint32_t>(token.size()),
           piece};
  pool_ += token;
}

void Vocabulary::build(std::string_view prefix) {
  prefix_ = prefix;
  prefix_hash_ = hash_of(prefix);
  longest_ = 0;
  pieces_ = 0;
  const std::size_t capacity = std::bit_ceil(std::max<std::size_t>(16, entries_.size() * 2));
  shift_ = 64 - std::countr_zero(capacity);
  slots_.assign(capacity, {});
  for (std::size_t id = 0; id < entries_.size(); ++id) {
    if (entries_[id].length == absent) continue;
    const std::string_view text = token(static_cast<std::int64_t>(id));
    if (entries_[id].piece) longest_ = std::max(longest_, text.size());
    const std::uint64_t hash = finish(hash_of(text));
    std::size_t slot = hash >> shift_;
    while (slots_[slot].id >= 0 && token(slots_[slot].id) != text)
      slot = (slot + 1) & (capacity - 1);
    if (slots_[slot].id < 0 && entries_[id].piece) ++pieces_;
    slots_[slot] = {static_cast<std::uint32_t>(hash), static_cast<std::int32_t>(id)};
  }
}

bool Vocabulary::has(std::int64_t id) const {
  return id >= 0 && id < size() && entries_[static_cast<std::size_t>(id)].length != absent;
}

bool Vocabulary::is_piece(std::int64_t id) const {
  return has(id) && entries_[static_cast<std::size_t>(id)].piece;
}

std::string_view Vocabulary::token(std::int64_t id) const {
  if (!has(id)) return {};
  const Entry& entry = entries_[static_cast<std::size_t>(id)];
  return std::string_view(pool_).substr(entry.begin, entry.length);
}

std::int32_t Vocabulary::look_up(std::uint64_t hash, std::string_view head,
                                 std::string_view tail) const {
  const std::uint64_t mixed = finish(hash);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = mixed >> shift_;; slot = (slot + 1) & mask) {
    const Slot& candidate = slots_[slot];
    if (candidate.id < 0) return -1;
    if (candidate.tag != static_cast<std::uint32_t>(mixed)) continue;
    const Entry& entry = entries_[static_cast<std::size_t>(candidate.id)];
    if (entry.length != head.size() + tail.size()) continue;
    const std::string_view text = std::string_view(pool_).substr(entry.begin, entry.length);
    if (text.starts_with(head) && text.substr(head.size()) == tail) return candidate.id;
  }
}

std::int32_t Vocabulary::find(std::string_view token) const {
  return slots_.empty() ? -1 : look_up(hash_of(token), {}, token);
}

int Vocabulary::split_word(std::string_view word, std::vector<std::uint64_t>& hashes,
                           std::int32_t* out) const {
  if (slots_.empty()) return 0;
  const std::size_t reach = std::min(longest_, word.size());
  if (hashes.size() < reach) hashes.resize(reach);
  int count = 0;
  std::size_t begin = 0;
  while (begin < word.size()) {
    const std::string_view head = begin == 0 ? std::string_view() : std::string_view(prefix_);
    std::size_t length = 0;
    std::uint64_t hash = begin == 0 ? hash_seed : prefix_hash_;
    for (; length < reach && begin + length < word.size(); ++length)
      hashes[length] = hash = extend(hash, word[begin + length]);
    std::int32_t id = -1;
    for (; length > 0; --length) {
      const std::size_t end = begin + length;
      if (end < word.size() && (static_cast<unsigned char>(word[end]) & 0xc0u) == 0x80u) continue;
      id = look_up(hashes[length - 1], head, word.substr(begin, length));
      if (id >= 0 && entries_[static_cast<std::size_t>(id)].piece) break;
      id = -1;
    }
    if (id < 0) return 0;
    out[count++] = id;
    begin += length;
  }
  return count;
}

}  // namespace hone
