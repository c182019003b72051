#include "hone/data/tokenizer.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/data/tokenizer_normalizer.hpp"

namespace hone {
namespace {

// Texts one task tokenizes.
constexpr std::int64_t chunk_size = 64;

void check_definition(const TokenizerDefinition& d) {
  if (d.longest_word < 1 || d.longest_word > 10000)
    throw Error(ErrorCode::bad_format,
                fmt::format("max_input_chars_per_word is {}; expected 1 to 10000", d.longest_word));
  if (!d.vocabulary.is_piece(d.vocabulary.find(d.unknown)))
    throw Error(ErrorCode::bad_format,
                fmt::format("the unknown token '{}' is not in the vocabulary", d.unknown));
  const auto check_id = [&](std::int32_t id) {
    if (!d.vocabulary.has(id))
      throw Error(ErrorCode::bad_format, fmt::format("special token id {} has no token", id));
  };
  for (const Template* places : {&d.single, &d.pair})
    for (const TemplatePiece& piece : *places)
      if (piece.kind == TemplatePiece::Kind::token) check_id(piece.id);
  std::map<std::int32_t, std::string> contents;
  for (const AddedToken& token : d.added) {
    check_id(token.id);
    const auto [other, is_new] = contents.emplace(token.id, token.content);
    if (!is_new && other->second != token.content)
      throw Error(ErrorCode::bad_format, fmt::format("id {} is given to both '{}' and '{}'",
                                                     token.id, other->second, token.content));
    if (token.content.empty()) throw Error(ErrorCode::bad_format, "an added token is empty");
    if (find_invalid_utf8(token.content) != std::string::npos)
      throw Error(ErrorCode::bad_format, "an added token is not UTF-8");
  }
}

}  // namespace

std::string TokenizerDefinition::role(std::string_view name) const {
  for (const auto& [known, content] : roles)
    if (known == name) return content;
  return "";
}

Tokenizer::State::State(TokenizerDefinition d)
    : definition(std::move(d)),
      raw(definition.clean_text, definition.lowercase),
      normalized(false, false) {
  unknown = definition.vocabulary.find(definition.unknown);
  for (std::size_t c = 0; c < punctuation.size(); ++c) {
    const char byte = static_cast<char>(c);
    const std::int32_t id = definition.vocabulary.find(std::string_view(&byte, 1));
    punctuation[c] = definition.vocabulary.is_piece(id) ? id : unknown;
  }
  Normalizer normalizer(definition, raw);
  std::map<std::string, std::string> forms;
  for (const AddedToken& token : definition.added) {
    const bool passed_over = definition.split_special && token.special;
    if (!token.normalized) {
      added.add(token, token.content, passed_over);
      continue;
    }
    std::string form;
    normalizer.append(token.content, form);
    if (form.empty())
      throw Error(
          ErrorCode::bad_format,
          fmt::format("normalization leaves nothing of the added token '{}'", token.content),
          "set its \"normalized\" to false");
    const auto [known, is_new] = forms.emplace(form, token.content);
    if (!is_new)
      throw Error(
          ErrorCode::bad_format,
          fmt::format("the added tokens '{}' and '{}' are the same in normalized text: '{}'",
                      known->second, token.content, form),
          "other libraries find one of the two, by chance: leave one of them out");
    added_normalized.add(token, std::move(form), passed_over);
  }
}

Tokenizer Tokenizer::from_definition(TokenizerDefinition definition) {
  const auto by_id = [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; };
  std::stable_sort(definition.added.begin(), definition.added.end(), by_id);
  std::sort(definition.roles.begin(), definition.roles.end());
  definition.vocabulary.build(definition.prefix);
  check_definition(definition);
  return Tokenizer(std::make_shared<const State>(std::move(definition)));
}

Tokenizer Tokenizer::from_words(std::span<const std::string> words) {
  TokenizerDefinition definition;
  for (std::size_t i = 0; i < words.size(); ++i)
    definition.vocabulary.add(words[i], static_cast<std::int64_t>(i));
  definition.vocabulary.build(definition.prefix);
  for (const auto& [role, name] : default_roles()) {
    const std::int32_t id = definition.vocabulary.find(name);
    if (id < 0)
      throw Error(ErrorCode::invalid_argument, fmt::format("the word list lacks '{}'", name));
    definition.added.push_back({name, id});
    definition.roles.emplace_back(role, name);
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

std::string Tokenizer::fingerprint() const {
  return sha256(pack_definition(state_->definition, Packed::identity));
}

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

std::int32_t Tokenizer::pad_id() const { return std::max(0, id(definition().role("pad_token"))); }

std::vector<std::string> Tokenizer::unheeded(std::int64_t max_length) const {
  const TokenizerDefinition& d = definition();
  std::vector<std::string> notes = d.notes;
  if (d.saved_padding > 0 || d.saved_padding_multiple > 1)
    notes.push_back(fmt::format(
        "the padding that tokenizer.json asks for (to {} tokens) is left out: it changes no result",
        d.saved_padding > 0 ? std::to_string(d.saved_padding)
                            : fmt::format("a multiple of {}", d.saved_padding_multiple)));
  if (d.saved_truncation > 0 && (max_length == 0 || d.saved_truncation < max_length))
    notes.push_back(fmt::format(
        "the truncation of tokenizer.json to {} tokens is not obeyed: texts "
        "are cut {}; --max-length {} cuts them there",
        d.saved_truncation, max_length == 0 ? "nowhere" : fmt::format("at {}", max_length),
        d.saved_truncation));
  return notes;
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
  result.targets = data.targets;
  result.skipped = data.skipped;
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
