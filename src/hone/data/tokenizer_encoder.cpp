// Text to ids: the loop over bytes, the words met before, the slow path for non-ASCII characters.
#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/data/tokenizer_state.hpp"
#include "hone/data/unicode.hpp"

namespace hone {
namespace {

// A run of non-ASCII characters is normalized in stretches of about this many, so that a long text
// can be cut early.
constexpr std::size_t stretch = 256;

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
      : owner(tokenizer.state_), state(*owner) {
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
  std::u32string run;
  std::u32string normalized;

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
    // A zero byte in a word (kept when clean_text is off) would make two words look the same.
    const bool has_zero = std::memchr(word.data(), 0, bytes) != nullptr;
    if (number <= 3 && !has_zero) {
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
    else if (bytes <= cached_bytes && !cache.empty())
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

  void flush_run() {
    if (state.definition.strip_accents) unicode::order_marks(run);
    normalized.clear();
    for (const char32_t c : run) {
      if (state.definition.strip_accents && unicode::is_mark(c)) continue;
      if (state.definition.lowercase)
        unicode::append_lowercase(c, normalized);
      else
        normalized.push_back(c);
    }
    run.clear();
    for (const char32_t c : normalized) {
      if (full()) return;
      push(c);
    }
  }

  // Normalizes from a non-ASCII character up to the next ASCII character that stays; that one
  // cannot change what comes before it. Returns where it stopped.
  std::size_t encode_run(std::string_view text, std::size_t position) {
    const TokenizerDefinition& d = state.definition;
    run.clear();
    while (position < text.size() && !full()) {
      const auto lead = static_cast<unsigned char>(text[position]);
      if (lead < 0x80 && state.kinds[lead] != CharacterKind::removed) break;
      char32_t c = unicode::decode(text, position);
      if (d.clean_text) {
        if (unicode::is_removed(c)) continue;
        if (unicode::is_space(c)) c = ' ';
      }
      const bool alone = d.split_chinese && unicode::is_chinese(c);
      if (alone) run.push_back(' ');
      const std::size_t begin = run.size();
      if (d.strip_accents)
        unicode::append_decomposition(c, run);
      else
        run.push_back(c);
      if (begin >= stretch && unicode::combining_class(run[begin]) == 0) {
        const std::u32string rest = run.substr(begin);
        run.resize(begin);
        flush_run();
        run = rest;
      }
      if (alone) run.push_back(' ');
    }
    flush_run();
    return position;
  }

  // Text without added tokens.
  void encode_segment(std::string_view text) {
    std::size_t position = 0;
    const char* const data = text.data();
    while (position < text.size() && !full()) {
      const auto byte = static_cast<unsigned char>(data[position]);
      switch (state.kinds[byte]) {
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
            *out++ = state.lower[next];
            if (++position == end) break;
            next = static_cast<unsigned char>(data[position]);
          } while (state.kinds[next] == CharacterKind::word);
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
        case CharacterKind::other: position = encode_run(text, position); break;
      }
    }
    if (!full()) finish_word();
    word_bytes = 0;
    word_characters = 0;
  }

  // The next added token at or after `from`: its first byte, or npos. Sets what matched.
  std::size_t next_added(std::string_view text, std::size_t from, const AddedToken*& found) const {
    found = nullptr;
    while (from < text.size()) {
      if (state.added_first >= 0) {
        from = text.find(static_cast<char>(state.added_first), from);
        if (from == std::string_view::npos) break;
      }
      for (const AddedToken& token : state.added[static_cast<unsigned char>(text[from])]) {
        if (text.substr(from).starts_with(token.content)) {
          found = &token;
          return from;
        }
      }
      ++from;
    }
    return std::string_view::npos;
  }

  void encode_text(std::string_view text);

  // The ids of a text without the special tokens around it, the first `most` of them. They stay
  // until the next call.
  std::span<const std::int32_t> encode_ids(std::string_view text, std::size_t most) {
    count = 0;
    limit = most;
    encode_text(text);
    return {ids.data(), count};
  }
};

namespace {

bool word_character_before(std::string_view text, std::size_t position) {
  if (position == 0) return false;
  do --position;
  while ((static_cast<unsigned char>(text[position]) & 0xc0u) == 0x80u);
  return unicode::is_word_character(unicode::decode(text, position));
}

bool word_character_at(std::string_view text, std::size_t position) {
  return position < text.size() && unicode::is_word_character(unicode::decode(text, position));
}

std::size_t skip_space_left(std::string_view text, std::size_t position, std::size_t stop) {
  while (position > stop) {
    std::size_t begin = position;
    do --begin;
    while (begin > stop && (static_cast<unsigned char>(text[begin]) & 0xc0u) == 0x80u);
    std::size_t cursor = begin;
    if (!unicode::is_space(unicode::decode(text, cursor))) break;
    position = begin;
  }
  return position;
}

std::size_t skip_space_right(std::string_view text, std::size_t position) {
  while (position < text.size()) {
    std::size_t cursor = position;
    if (!unicode::is_space(unicode::decode(text, cursor))) break;
    position = cursor;
  }
  return position;
}

}  // namespace

void Tokenizer::Encoder::Work::encode_text(std::string_view text) {
  std::size_t done = 0;
  std::size_t search = 0;
  while (state.has_added && !full()) {
    const AddedToken* token = nullptr;
    std::size_t begin = next_added(text, search, token);
    if (token == nullptr) break;
    std::size_t end = begin + token->content.size();
    search = end;
    if (token->single_word && (word_character_before(text, begin) || word_character_at(text, end)))
      continue;
    if (token->strip_left) begin = skip_space_left(text, begin, done);
    // White space that an earlier token took is not there to be taken again.
    begin = std::max(begin, done);
    if (token->strip_right) end = skip_space_right(text, end);
    encode_segment(text.substr(done, begin - done));
    if (full()) return;
    emit(token->id);
    done = end;
  }
  if (!full()) encode_segment(text.substr(std::min(done, text.size())));
}

Tokenizer::Encoder::Encoder(const Tokenizer& tokenizer, bool keep_words)
    : work_(std::make_unique<Work>(tokenizer, keep_words)) {}
Tokenizer::Encoder::~Encoder() = default;
Tokenizer::Encoder::Encoder(Encoder&&) noexcept = default;

namespace {

std::size_t special_tokens(const Template& pieces) {
  return static_cast<std::size_t>(std::count_if(
      pieces.begin(), pieces.end(),
      [](const TemplatePiece& piece) { return piece.kind == TemplatePiece::Kind::token; }));
}

// What max_length leaves for the texts.
std::size_t room_for_texts(const Template& pieces, std::int64_t max_length) {
  const std::size_t around = special_tokens(pieces);
  if (max_length < 0 || (max_length > 0 && static_cast<std::size_t>(max_length) < around))
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("max length {} leaves no room for the {} special tokens", max_length, around),
        fmt::format("give a max length of at least {}", around));
  return max_length == 0 ? std::string_view::npos : static_cast<std::size_t>(max_length) - around;
}

void require_utf8(std::string_view text, const char* name) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    throw Error(ErrorCode::bad_format, fmt::format("the {} is not UTF-8 at byte {}", name, bad),
                "convert it to UTF-8, for example with iconv");
}

// Longest first: how many ids of texts of a and b ids stay where there is room for `room`. The
// shorter keeps all while the longer can give; else both share the room, and the odd id goes to the
// longer (to the second of two alike).
std::pair<std::size_t, std::size_t> share_room(std::size_t a, std::size_t b, std::size_t room) {
  if (b <= room && a <= room - b) return {a, b};
  const std::size_t shorter = std::min(a, b);
  if (shorter <= room / 2) return a <= b ? std::pair{a, room - a} : std::pair{room - b, b};
  const std::size_t half = room / 2;
  return a <= b ? std::pair{half, room - half} : std::pair{room - half, half};
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
  const auto kept = kept_ids(ids, std::min(room, ids.size()), d.truncate_left);
  for (const TemplatePiece& piece : d.single) {
    if (piece.kind == TemplatePiece::Kind::token)
      out.push_back(piece.id);
    else
      out.insert(out.end(), kept.begin(), kept.end());
  }
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
  for (const TemplatePiece& piece : d.pair) {
    switch (piece.kind) {
      case TemplatePiece::Kind::token: ids.push_back(piece.id); break;
      case TemplatePiece::Kind::first: {
        const auto kept = kept_ids(first, of_first, d.truncate_left);
        ids.insert(ids.end(), kept.begin(), kept.end());
        break;
      }
      case TemplatePiece::Kind::second: {
        const auto kept = kept_ids(second, of_second, d.truncate_left);
        ids.insert(ids.end(), kept.begin(), kept.end());
        break;
      }
    }
    type_ids.resize(ids.size(), piece.type);
  }
}

}  // namespace hone
