#include "hone/data/tokenizer.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/data/tokenizer_state.hpp"
#include "hone/data/unicode.hpp"

namespace hone {
namespace {

// A run of non-ASCII characters is normalized in stretches of about this many, so that a long text
// can be cut early.
constexpr std::size_t stretch = 256;
// Texts one task tokenizes.
constexpr std::int64_t chunk_size = 64;

// A short word as two integers, and what became of it.
struct CachedWord {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::array<std::int32_t, 3> ids{};
  std::int32_t count = 0;
};
constexpr int cache_bits = 14;
constexpr std::size_t cached_bytes = 16;

CharacterKind kind_of(char32_t c, bool clean_text) {
  if (clean_text && (c == 0 || unicode::is_removed(c))) return CharacterKind::removed;
  if (unicode::is_space(c)) return CharacterKind::space;
  if (unicode::is_punctuation(c)) return CharacterKind::punctuation;
  return CharacterKind::word;
}

void check_definition(const TokenizerDefinition& d) {
  if (d.longest_word < 1 || d.longest_word > 10000)
    throw Error(ErrorCode::bad_format,
                fmt::format("max_input_chars_per_word is {}; expected 1 to 10000", d.longest_word));
  if (d.vocabulary.find(d.unknown) < 0)
    throw Error(ErrorCode::bad_format,
                fmt::format("the unknown token '{}' is not in the vocabulary", d.unknown));
  const auto check_id = [&](std::int32_t id) {
    if (!d.vocabulary.has(id))
      throw Error(ErrorCode::bad_format, fmt::format("special token id {} has no token", id));
  };
  for (const std::int32_t id : d.before) check_id(id);
  for (const std::int32_t id : d.after) check_id(id);
  for (const AddedToken& token : d.added) {
    check_id(token.id);
    if (token.content.empty()) throw Error(ErrorCode::bad_format, "an added token is empty");
    if (find_invalid_utf8(token.content) != std::string::npos)
      throw Error(ErrorCode::bad_format, "an added token is not UTF-8");
  }
}

}  // namespace

Tokenizer Tokenizer::from_definition(TokenizerDefinition definition) {
  auto state = std::make_shared<State>();
  definition.vocabulary.build(definition.prefix);
  check_definition(definition);
  state->definition = std::move(definition);
  const TokenizerDefinition& d = state->definition;
  state->unknown = d.vocabulary.find(d.unknown);
  state->kinds.fill(CharacterKind::other);
  for (int c = 0; c < 128; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const char byte = static_cast<char>(c);
    state->kinds[i] = kind_of(static_cast<char32_t>(c), d.clean_text);
    state->lower[i] = d.lowercase && byte >= 'A' && byte <= 'Z' ? static_cast<char>(c + 32) : byte;
    const std::int32_t id = d.vocabulary.find(std::string_view(&byte, 1));
    state->punctuation[i] = id >= 0 ? id : state->unknown;
  }
  for (const AddedToken& token : d.added) {
    const int first = static_cast<unsigned char>(token.content[0]);
    state->added_first = !state->has_added || state->added_first == first ? first : -1;
    state->has_added = true;
    state->added[static_cast<std::size_t>(first)].push_back(token);
  }
  for (std::vector<AddedToken>& tokens : state->added)
    std::stable_sort(tokens.begin(), tokens.end(), [](const AddedToken& a, const AddedToken& b) {
      return a.content.size() > b.content.size();
    });
  return Tokenizer(std::move(state));
}

Tokenizer Tokenizer::from_words(std::span<const std::string> words) {
  TokenizerDefinition definition;
  for (std::size_t i = 0; i < words.size(); ++i)
    definition.vocabulary.add(words[i], static_cast<std::int64_t>(i));
  definition.vocabulary.build(definition.prefix);
  for (const char* name : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
    const std::int32_t id = definition.vocabulary.find(name);
    if (id < 0)
      throw Error(ErrorCode::invalid_argument, fmt::format("the word list lacks '{}'", name));
    definition.added.push_back({name, id});
  }
  definition.before = {definition.vocabulary.find("[CLS]")};
  definition.after = {definition.vocabulary.find("[SEP]")};
  return from_definition(std::move(definition));
}

std::int64_t Tokenizer::vocab_size() const { return state_->definition.vocabulary.size(); }

std::int32_t Tokenizer::id(std::string_view token) const {
  return state_->definition.vocabulary.find(token);
}

std::string Tokenizer::token(std::int64_t id) const {
  return std::string(state_->definition.vocabulary.token(id));
}

const TokenizerDefinition& Tokenizer::definition() const { return state_->definition; }

std::string Tokenizer::fingerprint() const { return sha256(pack_definition(state_->definition)); }

void Tokenizer::encode(std::string_view text, std::int64_t max_length,
                       std::vector<std::int32_t>& out) const {
  Encoder(*this, false).encode(text, max_length, out);
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, std::int64_t max_length) const {
  std::vector<std::int32_t> ids;
  encode(text, max_length, ids);
  return ids;
}

void Tokenizer::encode_as_saved(std::string_view text, std::vector<std::int32_t>& out) const {
  const TokenizerDefinition& d = definition();
  const std::size_t begin = out.size();
  encode(text, d.truncate_to, out);
  auto length = static_cast<std::int64_t>(out.size() - begin);
  length = std::max(length, d.pad_to);
  if (d.pad_multiple > 0) length = (length + d.pad_multiple - 1) / d.pad_multiple * d.pad_multiple;
  out.resize(begin + static_cast<std::size_t>(length), d.pad_id);
}

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
    int number = state.definition.vocabulary.split_word({word.data(), bytes}, hashes, pieces.data());
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

  // Normalizes from a non-ASCII character up to the next ASCII character that stays; that one cannot
  // change what comes before it. Returns where it stopped.
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

void Tokenizer::Encoder::encode(std::string_view text, std::int64_t max_length,
                                std::vector<std::int32_t>& out) {
  Work& work = *work_;
  const TokenizerDefinition& d = work.state.definition;
  const std::size_t around = d.before.size() + d.after.size();
  if (max_length < 0 || (max_length > 0 && static_cast<std::size_t>(max_length) < around))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("max length {} leaves no room for the {} special tokens", max_length, around),
                "give a larger max length, or 0 for no limit");
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    throw Error(ErrorCode::bad_format, fmt::format("the text is not UTF-8 at byte {}", bad),
                "convert it to UTF-8, for example with iconv");
  work.count = 0;
  work.limit = max_length == 0 ? std::string_view::npos : static_cast<std::size_t>(max_length) - around;
  work.encode_text(text);
  out.insert(out.end(), d.before.begin(), d.before.end());
  out.insert(out.end(), work.ids.begin(), work.ids.begin() + static_cast<std::ptrdiff_t>(work.count));
  out.insert(out.end(), d.after.begin(), d.after.end());
}

TokenizedData tokenize(const TextData& data, const Tokenizer& tokenizer, std::int64_t max_length,
                       const Progress& progress) {
  const auto total = static_cast<std::int64_t>(data.texts.size());
  const std::int64_t chunks = (total + chunk_size - 1) / chunk_size;
  TokenizedData result;
  result.labels = data.labels;
  result.label_names = data.label_names;
  result.offsets.assign(static_cast<std::size_t>(total) + 1, 0);
  std::vector<std::vector<std::int32_t>> parts(static_cast<std::size_t>(chunks));
  std::vector<std::unique_ptr<Tokenizer::Encoder>> encoders(static_cast<std::size_t>(thread_count()));
  std::mutex mutex;
  std::int64_t done = 0;
  std::atomic<bool> stop = false;

  parallel_items(chunks, [&](std::int64_t chunk, int thread) {
    if (stop) return;
    auto& encoder = encoders[static_cast<std::size_t>(thread)];
    if (!encoder) encoder = std::make_unique<Tokenizer::Encoder>(tokenizer);
    std::vector<std::int32_t>& ids = parts[static_cast<std::size_t>(chunk)];
    const std::int64_t end = std::min(total, (chunk + 1) * chunk_size);
    for (std::int64_t i = chunk * chunk_size; i < end; ++i) {
      const auto sample = static_cast<std::size_t>(i);
      const std::size_t before = ids.size();
      try {
        encoder->encode(data.texts[sample], max_length, ids);
      } catch (const Error& error) {
        stop = true;
        throw Error(error.code(), fmt::format("{}: sample {}: {}", data.source, i, error.message()),
                    error.hint());
      }
      result.offsets[sample + 1] = static_cast<std::int64_t>(ids.size() - before);
    }
    if (!progress) return;
    const std::lock_guard lock(mutex);
    if (stop) return;
    done += end - chunk * chunk_size;
    try {
      progress(done, total);
    } catch (...) {
      stop = true;
      throw;
    }
  });

  for (std::size_t i = 0; i < static_cast<std::size_t>(total); ++i)
    result.offsets[i + 1] += result.offsets[i];
  result.ids.resize(static_cast<std::size_t>(result.offsets.back()));
  parallel_items(chunks, [&](std::int64_t chunk, int) {
    const auto& part = parts[static_cast<std::size_t>(chunk)];
    std::copy(part.begin(), part.end(),
              result.ids.begin() + result.offsets[static_cast<std::size_t>(chunk * chunk_size)]);
  });
  return result;
}

}  // namespace hone
