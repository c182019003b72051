// Text to ids: the loop over bytes, the words met before, the slow path for non-ASCII characters.
#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/data/tokenizer_normalizer.hpp"
#include "hone/data/tokenizer_template.hpp"
#include "hone/data/unicode.hpp"

namespace hone {
namespace {

// A short word as two integers, and what became of it.
struct CachedWord {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::array<std::int32_t, 3> ids{};
  std::int32_t count = 0;
};
constexpr int cache_bits = 14;
constexpr std::size_t cached_bytes = 16;

}  // namespace

// The state of one encoder. `word` collects the lower-cased bytes of the word being read; ids go to
// `ids` until `limit` of them are there.
struct Tokenizer::Encoder::Work {
  explicit Work(const Tokenizer& tokenizer, bool keep_words)
      : owner(tokenizer.state_), state(*owner), normalizer(state.definition, state.raw) {
    word.resize(static_cast<std::size_t>(state.definition.longest_word) * 4 + 64);
    if (keep_words) cache.resize(std::size_t{1} << cache_bits);
  }

  std::shared_ptr<const State> owner;
  const State& state;
  std::vector<CachedWord> cache;
  std::vector<char> word;
  std::size_t word_bytes = 0;
  std::size_t word_characters = 0;
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> first_text;  // ids of the first of two texts
  std::size_t count = 0;
  std::size_t limit = 0;
  std::vector<std::int32_t> pieces;
  std::vector<std::uint64_t> hashes;
  Normalizer normalizer;
  std::string normalized;

  bool full() const { return count >= limit; }

  void emit(const std::int32_t* values, std::size_t number) {
    number = std::min(number, limit - count);
    if (count + number > ids.size()) ids.resize(std::max(count + number, ids.size() * 2));
    std::copy_n(values, number, ids.data() + count);
    count += number;
  }
  void emit(std::int32_t id) { emit(&id, 1); }

  void split_word(std::string_view text) {
    if (pieces.size() < text.size()) pieces.resize(text.size());
    const int number = state.definition.vocabulary.split_word(text, hashes, pieces.data());
    if (number == 0)
      emit(state.unknown);
    else
      emit(pieces.data(), static_cast<std::size_t>(number));
  }

  void finish_short_word(std::size_t bytes) {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    std::memcpy(&low, word.data(), 8);
    std::memcpy(&high, word.data() + 8, 8);
    if (bytes <= 8) {
      low = bytes == 8 ? low : low & ((std::uint64_t{1} << 8 * bytes) - 1);
      high = 0;
    } else if (bytes < 16) {
      high &= (std::uint64_t{1} << 8 * (bytes - 8)) - 1;
    }
    std::uint64_t hash = (low ^ std::rotl(high, 29)) * 0x9FB21C651E98DF25u;
    hash ^= hash >> 32;
    CachedWord& entry = cache[hash * 0x9E3779B97F4A7C15u >> (64 - cache_bits)];
    if (entry.count != 0 && entry.low == low && entry.high == high) {
      emit(entry.ids.data(), static_cast<std::size_t>(entry.count));
      return;
    }
    if (pieces.size() < cached_bytes) pieces.resize(cached_bytes);
    int number =
        state.definition.vocabulary.split_word({word.data(), bytes}, hashes, pieces.data());
    if (number == 0) {
      pieces[0] = state.unknown;
      number = 1;
    }
    if (number <= 3) {
      std::copy_n(pieces.data(), number, entry.ids.data());
      entry.low = low;
      entry.high = high;
      entry.count = number;
    }
    emit(pieces.data(), static_cast<std::size_t>(number));
  }

  void finish_word() {
    if (word_characters == 0) return;
    const std::size_t bytes = word_bytes;
    const bool too_long = word_characters > static_cast<std::size_t>(state.definition.longest_word);
    word_bytes = 0;
    word_characters = 0;
    if (too_long)
      emit(state.unknown);
    else if (bytes <= cached_bytes && !cache.empty() && word[bytes - 1] != 0)
      // A zero at the end (kept when clean_text is off) would make two words look the same.
      finish_short_word(bytes);
    else
      split_word({word.data(), bytes});
  }

  // Counts every character, but keeps bytes only while the word can still be short enough.
  void append(const char* bytes, std::size_t number) {
    ++word_characters;
    if (word_bytes + number > word.size()) return;
    std::memcpy(word.data() + word_bytes, bytes, number);
    word_bytes += number;
  }

  // One character of normalized text.
  void push(char32_t c) {
    // Controls were taken out before; what is left of them belongs to words.
    switch (kind_of(c, false)) {
      case CharacterKind::space: finish_word(); return;
      case CharacterKind::punctuation: {
        finish_word();
        char bytes[4];
        const int length = unicode::encode(c, bytes);
        split_word({bytes, static_cast<std::size_t>(length)});
        return;
      }
      default: break;
    }
    char bytes[4];
    const int length = unicode::encode(c, bytes);
    append(bytes, static_cast<std::size_t>(length));
  }

  // Characters from a non-ASCII one on; returns where it stopped.
  std::size_t encode_run(std::string_view text, std::size_t position, bool is_normalized) {
    if (!is_normalized)
      return normalizer.run(
          text, position, [&](char32_t c) { push(c); }, [&] { return full(); });
    while (position < text.size() && static_cast<unsigned char>(text[position]) >= 0x80 && !full())
      push(unicode::decode(text, position));
    return position;
  }

  // Text without added tokens, as it was given or normalized before.
  void encode_segment(std::string_view text, bool is_normalized) {
    const CharacterTable& table = is_normalized ? state.normalized : state.raw;
    std::size_t position = 0;
    const char* const data = text.data();
    while (position < text.size() && !full()) {
      const auto byte = static_cast<unsigned char>(data[position]);
      switch (table.kinds[byte]) {
        case CharacterKind::word: {
          const std::size_t room = word.size() - word_bytes;
          const std::size_t end = std::min(text.size(), position + room);
          if (room == 0) {
            ++word_characters;
            ++position;
            break;
          }
          const std::size_t begin = position;
          char* out = word.data() + word_bytes;
          std::size_t next = byte;
          do {
            *out++ = table.lower[next];
            if (++position == end) break;
            next = static_cast<unsigned char>(data[position]);
          } while (table.kinds[next] == CharacterKind::word);
          word_bytes += position - begin;
          word_characters += position - begin;
          break;
        }
        case CharacterKind::space:
          finish_word();
          ++position;
          break;
        case CharacterKind::punctuation:
          finish_word();
          if (!full()) emit(state.punctuation[byte]);
          ++position;
          break;
        case CharacterKind::removed: ++position; break;
        case CharacterKind::other: position = encode_run(text, position, is_normalized); break;
      }
    }
    if (!full()) finish_word();
    word_bytes = 0;
    word_characters = 0;
  }

  // Text without the added tokens that are found before normalization.
  void encode_part(std::string_view text) {
    if (state.added_normalized.empty()) return encode_segment(text, false);
    normalized.clear();
    normalizer.append(text, normalized);
    state.added_normalized.split(
        normalized, [&](std::string_view part) { encode_segment(part, true); },
        [&](std::int32_t id) { emit(id); }, [&] { return full(); });
  }

  // The ids of a text without the special tokens around it, the first `most` of them. They stay
  // until the next call.
  std::span<const std::int32_t> encode_ids(std::string_view text, std::size_t most) {
    count = 0;
    limit = most;
    state.added.split(
        text, [&](std::string_view part) { encode_part(part); }, [&](std::int32_t id) { emit(id); },
        [&] { return full(); });
    return {ids.data(), count};
  }
};

Tokenizer::Encoder::Encoder(const Tokenizer& tokenizer, bool keep_words)
    : work_(std::make_unique<Work>(tokenizer, keep_words)) {}
Tokenizer::Encoder::~Encoder() = default;
Tokenizer::Encoder::Encoder(Encoder&&) noexcept = default;

namespace {

void require_utf8(std::string_view text, const char* name) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    throw Error(ErrorCode::bad_format, fmt::format("the {} is not UTF-8 at byte {}", name, bad),
                "convert it to UTF-8, for example with iconv");
}

// Of `ids` the first `number`, or the last.
std::span<const std::int32_t> kept_ids(std::span<const std::int32_t> ids, std::size_t number,
                                       bool truncate_left) {
  return truncate_left ? ids.last(number) : ids.first(number);
}

}  // namespace

void Tokenizer::Encoder::encode(std::string_view text, std::int64_t max_length,
                                std::vector<std::int32_t>& out) {
  Work& work = *work_;
  const TokenizerDefinition& d = work.state.definition;
  const std::size_t room = room_for_texts(d.single, max_length);
  require_utf8(text, "text");
  const auto ids = work.encode_ids(text, d.truncate_left ? std::string_view::npos : room);
  append_filled(d.single, kept_ids(ids, std::min(room, ids.size()), d.truncate_left), {}, out,
                nullptr);
}

void Tokenizer::Encoder::encode_pair(std::string_view text, std::string_view pair,
                                     std::int64_t max_length, std::vector<std::int32_t>& ids,
                                     std::vector<std::uint8_t>& type_ids) {
  Work& work = *work_;
  const TokenizerDefinition& d = work.state.definition;
  if (d.pair.empty())
    throw Error(ErrorCode::unsupported, "the tokenizer says nothing about pairs of texts",
                "add post_processor.pair to its tokenizer.json, or join the two texts yourself");
  const std::size_t room = room_for_texts(d.pair, max_length);
  require_utf8(text, "text");
  require_utf8(pair, "second text");
  const auto whole = work.encode_ids(text, std::string_view::npos);
  work.first_text.assign(whole.begin(), whole.end());
  const std::span<const std::int32_t> first = work.first_text;
  const auto second = work.encode_ids(pair, std::string_view::npos);
  const auto [of_first, of_second] = share_room(first.size(), second.size(), room);
  append_filled(d.pair, kept_ids(first, of_first, d.truncate_left),
                kept_ids(second, of_second, d.truncate_left), ids, &type_ids);
}

}  // namespace hone
