#include "hone/data/tokenizer.hpp"

#include <algorithm>
#include <atomic>
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

// Texts one task tokenizes.
constexpr std::int64_t chunk_size = 64;

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
  for (const Template* places : {&d.single, &d.pair})
    for (const TemplatePiece& piece : *places)
      if (piece.kind == TemplatePiece::Kind::token) check_id(piece.id);
  for (const AddedToken& token : d.added) {
    check_id(token.id);
    if (token.content.empty()) throw Error(ErrorCode::bad_format, "an added token is empty");
    if (find_invalid_utf8(token.content) != std::string::npos)
      throw Error(ErrorCode::bad_format, "an added token is not UTF-8");
  }
}

}  // namespace

CharacterKind kind_of(char32_t c, bool clean_text) {
  if (clean_text && (c == 0 || unicode::is_removed(c))) return CharacterKind::removed;
  if (unicode::is_space(c)) return CharacterKind::space;
  if (unicode::is_punctuation(c)) return CharacterKind::punctuation;
  return CharacterKind::word;
}

Template single_template(std::int32_t classify, std::int32_t separate) {
  using Kind = TemplatePiece::Kind;
  return {{Kind::token, classify, 0}, {Kind::first, 0, 0}, {Kind::token, separate, 0}};
}

Template pair_template(std::int32_t classify, std::int32_t separate) {
  Template pieces = single_template(classify, separate);
  pieces.push_back({TemplatePiece::Kind::second, 0, 1});
  pieces.push_back({TemplatePiece::Kind::token, separate, 1});
  return pieces;
}

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
  const std::int32_t classify = definition.vocabulary.find("[CLS]");
  const std::int32_t separate = definition.vocabulary.find("[SEP]");
  definition.single = single_template(classify, separate);
  definition.pair = pair_template(classify, separate);
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

void Tokenizer::encode_pair(std::string_view text, std::string_view pair, std::int64_t max_length,
                            std::vector<std::int32_t>& ids,
                            std::vector<std::uint8_t>& type_ids) const {
  Encoder(*this, false).encode_pair(text, pair, max_length, ids, type_ids);
}

void pad_as_saved(const TokenizerDefinition& definition, std::size_t begin,
                  std::vector<std::int32_t>& out) {
  const TokenizerDefinition& d = definition;
  auto length = static_cast<std::int64_t>(out.size() - begin);
  length = std::max(length, d.pad_to);
  if (d.pad_multiple > 0) length = (length + d.pad_multiple - 1) / d.pad_multiple * d.pad_multiple;
  out.resize(begin + static_cast<std::size_t>(length), d.pad_id);
}

void Tokenizer::encode_as_saved(std::string_view text, std::vector<std::int32_t>& out) const {
  const std::size_t begin = out.size();
  encode(text, definition().truncate_to, out);
  pad_as_saved(definition(), begin, out);
}

Tokenizer Tokenizer::without_padding() const {
  TokenizerDefinition plain = definition();
  plain.pad_to = 0;
  plain.pad_multiple = 0;
  return from_definition(std::move(plain));
}

TokenizedData tokenize(const TextData& data, const Tokenizer& tokenizer, std::int64_t max_length,
                       const Progress& progress) {
  const auto total = static_cast<std::int64_t>(data.texts.size());
  const std::int64_t chunks = (total + chunk_size - 1) / chunk_size;
  const bool pairs = !data.pairs.empty();
  if (pairs && data.pairs.size() != data.texts.size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: {} texts, but {} second texts", data.source, data.texts.size(),
                            data.pairs.size()));
  TokenizedData result;
  result.labels = data.labels;
  result.label_names = data.label_names;
  result.offsets.assign(static_cast<std::size_t>(total) + 1, 0);
  std::vector<std::vector<std::int32_t>> parts(static_cast<std::size_t>(chunks));
  std::vector<std::vector<std::uint8_t>> type_parts(static_cast<std::size_t>(pairs ? chunks : 0));
  std::vector<std::unique_ptr<Tokenizer::Encoder>> encoders(
      static_cast<std::size_t>(thread_count()));
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
        if (pairs) {
          encoder->encode_pair(data.texts[sample], data.pairs[sample], max_length, ids,
                               type_parts[static_cast<std::size_t>(chunk)]);
        } else {
          encoder->encode(data.texts[sample], max_length, ids);
          pad_as_saved(tokenizer.definition(), before, ids);
        }
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
  if (pairs) result.type_ids.resize(result.ids.size());
  parallel_items(chunks, [&](std::int64_t chunk, int) {
    const auto number = static_cast<std::size_t>(chunk);
    const std::int64_t begin = result.offsets[static_cast<std::size_t>(chunk * chunk_size)];
    std::copy(parts[number].begin(), parts[number].end(), result.ids.begin() + begin);
    if (pairs)
      std::copy(type_parts[number].begin(), type_parts[number].end(),
                result.type_ids.begin() + begin);
  });
  return result;
}

}  // namespace hone
