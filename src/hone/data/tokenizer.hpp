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
#include <vector>

#include "hone/data/dataset.hpp"
#include "hone/data/progress.hpp"
#include "hone/data/vocabulary.hpp"

namespace hone {

// A token found in the raw text before anything else is done to it, such as "[MASK]".
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  // only where no word character touches it
  bool strip_left = false;   // takes the white space before it with it
  bool strip_right = false;  // and after it
  bool special = true;
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
  // What tokenizer.json asks of its users beyond the ids; encode() pays no attention to it.
  std::int64_t truncate_to = 0;   // ids in all; 0: no limit
  std::int64_t pad_to = 0;        // shorter texts are padded to this length; 0: they are not
  std::int64_t pad_multiple = 0;  // lengths are padded to a multiple of this; 0: they are not
  std::int32_t pad_id = 0;
  std::string pad_token = "[PAD]";
};

class Tokenizer {
public:
  class Encoder;

  // From a directory that holds tokenizer.json (preferred) or vocab.txt (with tokenizer_config.json
  // if there), or from one such file. Throws Error(not_found | bad_format | unsupported) naming it.
  // A compiled form of the file is kept under cache_directory()/tokenizers, found by content; it is
  // optional: nothing fails when it cannot be read or written.
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

  // Encodes with the truncation and the padding that tokenizer.json itself names (hone never pads
  // batches; other libraries do, and this gives what they give). Appends to `out`.
  void encode_as_saved(std::string_view text, std::vector<std::int32_t>& out) const;

  // The same tokenizer that never pads.
  Tokenizer without_padding() const;

  // One more than the largest id: the rows an embedding table needs.
  std::int64_t vocab_size() const;
  // The id of a token, or -1; the text of an id, or "".
  std::int32_t id(std::string_view token) const;
  std::string token(std::int64_t id) const;
  const TokenizerDefinition& definition() const;
  // SHA-256 of all that defines the tokenizer.
  std::string fingerprint() const;

  // Writes tokenizer.json, tokenizer_config.json and vocab.txt (when the ids have no gap), each
  // atomically, such that other libraries load the same tokenizer.
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

// Appends what tokenizer.json's padding asks for to the ids that begin at `begin`.
void pad_as_saved(const TokenizerDefinition& definition, std::size_t begin,
                  std::vector<std::int32_t>& out);

// Tokenizes a whole split in parallel, padded as tokenizer.json asks; the result does not depend on
// the number of threads. Data with `pairs` are encoded as pairs. Errors name data.source and the
// sample.
TokenizedData tokenize(const TextData& data, const Tokenizer& tokenizer, std::int64_t max_length,
                       const Progress& progress = {});

// The files of `directory` that belong to its tokenizer, for copying them into a checkpoint.
std::vector<std::filesystem::path> tokenizer_files(const std::filesystem::path& directory);

}  // namespace hone
