// The BERT WordPiece tokenizer: text in, token ids out, id for id what the Hugging Face tokenizers
// library gives for the same files. The steps: split off added tokens, clean and normalize, split
// at spaces and punctuation, longest-match each word into pieces, put the special tokens around.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/data/dataset.hpp"
#include "hone/data/progress.hpp"
#include "hone/data/vocabulary.hpp"

namespace hone {

// A token that is found as a whole, such as "[MASK]".
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  // only where no word character touches it
  bool strip_left = false;   // takes the white space before it with it
  bool strip_right = false;  // and after it
  bool special = true;
  bool normalized = false;  // its normalized form is found in normalized text, not it in the text

  bool operator==(const AddedToken&) const = default;
};

// A place in the template around texts: one of the texts, or a special token.
struct TemplatePiece {
  enum class Kind : std::uint8_t { first, second, token };
  Kind kind = Kind::token;
  std::int32_t id = 0;    // of a token
  std::uint8_t type = 0;  // the token type of all ids it stands for

  bool operator==(const TemplatePiece&) const = default;
};
using Template = std::vector<TemplatePiece>;
// [CLS] A [SEP], types 0, and [CLS] A [SEP] B [SEP], of type 1 after the first [SEP].
Template single_template(std::int32_t classify, std::int32_t separate);
Template pair_template(std::int32_t classify, std::int32_t separate);

// Everything that defines a tokenizer.
struct TokenizerDefinition {
  bool clean_text = true;     // drop controls, make every white space a space
  bool split_chinese = true;  // each ideograph is a word
  bool strip_accents = true;  // canonical decomposition without non-spacing marks
  bool lowercase = true;
  std::string unknown = "[UNK]";
  std::string prefix = "##";        // starts a piece that continues a word
  std::int64_t longest_word = 100;  // in characters; a longer word is unknown
  Vocabulary vocabulary;
  std::vector<AddedToken> added;
  Template single;             // what stands around one text; all of type 0
  Template pair;               // and around two; empty: pairs are refused
  bool truncate_left = false;  // texts that are too long lose their beginning, not their end
  bool pad_left = false;       // where padding is asked for, it stands before the text
  bool split_special = false;  // special tokens in a text are text like any other
  // What the tokens are for: {"cls_token", "[CLS]"}; and special tokens without such a name.
  std::vector<std::pair<std::string, std::string>> roles;
  std::vector<std::string> extra_special;

  // What the files say beyond the ids.
  std::int64_t model_max_length = 0;  // the most ids a text should have; 0: nothing is said
  // Truncation and padding that tokenizer.json carries; they are not obeyed. 0: none.
  std::int64_t saved_truncation = 0;
  std::int64_t saved_padding = 0;
  std::int64_t saved_padding_multiple = 0;
  // What in the files is overruled by another of them, a sentence each.
  std::vector<std::string> notes;
  std::string other_settings = "{}";  // of tokenizer_config.json; JSON
  bool has_special_map = false;       // special_tokens_map.json was there
  bool has_added_file = false;        // and added_tokens.json

  // The token of a role, or "".
  std::string role(std::string_view name) const;
};

class Tokenizer {
public:
  class Encoder;

  // None: of models that read no texts. Nothing but the test for it may be called.
  Tokenizer() = default;
  explicit operator bool() const { return state_ != nullptr; }

  // From a directory that holds tokenizer.json (preferred) or vocab.txt, or from one such file;
  // with tokenizer_config.json, added_tokens.json and special_tokens_map.json beside it, each of
  // which counts where transformers lets it count: the ids are those of its AutoTokenizer for a
  // BERT model. Throws Error(not_found | bad_format | unsupported) naming the file. A compiled form
  // is kept under cache_directory()/tokenizers, found by content; it is optional: nothing fails
  // when it cannot be read or written.
  static Tokenizer load(const std::filesystem::path& path);
  // From a list of tokens, ids in the order of the list, which must hold [PAD], [UNK], [CLS], [SEP]
  // and [MASK]; lower-casing as bert-base-uncased.
  static Tokenizer from_words(std::span<const std::string> words);
  // From a complete definition; throws Error(bad_format) when it contradicts itself.
  static Tokenizer from_definition(TokenizerDefinition definition);

  // Appends the ids of `text`, special tokens included, at most `max_length` of them (0: no limit)
  // by cutting the end of the text (its beginning with truncate_left). Throws Error(bad_format)
  // with the byte offset when the text is not UTF-8, Error(invalid_argument) when max_length leaves
  // no room for the special tokens.
  void encode(std::string_view text, std::int64_t max_length, std::vector<std::int32_t>& out) const;
  std::vector<std::int32_t> encode(std::string_view text, std::int64_t max_length = 0) const;

  // Appends the ids of two texts and the token type of each id, usually [CLS] text [SEP] of type 0,
  // pair [SEP] of type 1. What is longer than `max_length` is taken from the longer text, then from
  // both alike (longest first). Throws as encode, and Error(unsupported) when the tokenizer has no
  // template for two texts.
  void encode_pair(std::string_view text, std::string_view pair, std::int64_t max_length,
                   std::vector<std::int32_t>& ids, std::vector<std::uint8_t>& type_ids) const;

  // One more than the largest id: the rows an embedding table needs.
  std::int64_t vocab_size() const;
  // The id of a token, or -1; the text of an id, or "".
  std::int32_t id(std::string_view token) const;
  std::string token(std::int64_t id) const;
  const TokenizerDefinition& definition() const;
  // The id that stands for padding: that of the role pad_token, 0 without one.
  std::int32_t pad_id() const;
  // SHA-256 of all that decides ids.
  std::string fingerprint() const;
  // What the files ask for that is not done: settings one file overrules in another, and the
  // padding and truncation of tokenizer.json where texts are cut at `max_length`. A sentence each.
  std::vector<std::string> unheeded(std::int64_t max_length) const;

  // Writes tokenizer.json, tokenizer_config.json, vocab.txt (when the ids have no gap), and
  // special_tokens_map.json and added_tokens.json where they were, each atomically, such that
  // transformers loads the same tokenizer. The texts are made once for all copies of a tokenizer.
  void save(const std::filesystem::path& directory) const;

private:
  struct State;
  explicit Tokenizer(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// Encodes many texts: keeps the ids of the words it met. One for each thread.
class Tokenizer::Encoder {
public:
  explicit Encoder(const Tokenizer& tokenizer, bool keep_words = true);
  ~Encoder();
  Encoder(Encoder&&) noexcept;
  // As Tokenizer::encode and Tokenizer::encode_pair.
  void encode(std::string_view text, std::int64_t max_length, std::vector<std::int32_t>& out);
  void encode_pair(std::string_view text, std::string_view pair, std::int64_t max_length,
                   std::vector<std::int32_t>& ids, std::vector<std::uint8_t>& type_ids);

private:
  struct Work;
  std::unique_ptr<Work> work_;
};

// Tokenizes a whole split in parallel; the result does not depend on the number of threads. Data
// with `pairs` are encoded as pairs. Errors name data.source and the sample.
TokenizedData tokenize(const TextData& data, const Tokenizer& tokenizer, std::int64_t max_length,
                       const Progress& progress = {});

// The files of `directory` that belong to its tokenizer, for copying them into a checkpoint.
std::vector<std::filesystem::path> tokenizer_files(const std::filesystem::path& directory);

}  // namespace hone
