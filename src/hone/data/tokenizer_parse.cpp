// Reads what tokenizer.json and vocab.txt say.
#include "hone/data/tokenizer_parse.hpp"

#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/data/unicode.hpp"

namespace hone {
namespace {

constexpr std::int64_t longest_text = std::int64_t{1} << 24;

void read_normalizer(const LibraryJson& root, const std::filesystem::path& path,
                     TokenizerDefinition& d) {
  const LibraryJson& json = member(root, "normalizer");
  if (json.is_null()) {
    d.clean_text = d.split_chinese = d.strip_accents = d.lowercase = false;
    return;
  }
  const Section section(path, "normalizer", json);
  section.require_type("BertNormalizer");
  section.allow_only({"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
  d.clean_text = section.get<bool>("clean_text", true);
  d.split_chinese = section.get<bool>("handle_chinese_chars", true);
  d.lowercase = section.get<bool>("lowercase", true);
  d.strip_accents = section.get<bool>("strip_accents", d.lowercase);
}

void read_pre_tokenizer(const LibraryJson& root, const std::filesystem::path& path,
                        TokenizerDefinition&) {
  const LibraryJson& json = member(root, "pre_tokenizer");
  if (json.is_null())
    throw Error(ErrorCode::unsupported,
                path.string() + ": has no pre_tokenizer; only 'BertPreTokenizer' is supported",
                "use the tokenizer of a BERT model");
  const Section splitter(path, "pre_tokenizer", json);
  splitter.require_type("BertPreTokenizer");
  splitter.allow_only({"type"});
}

std::vector<AddedToken> read_added(const LibraryJson& root, const std::filesystem::path& path) {
  std::vector<AddedToken> added;
  const LibraryJson& list = member(root, "added_tokens");
  if (list.is_null()) return added;
  if (!list.is_array()) fail(path, "added_tokens is not an array");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string where = fmt::format("added_tokens[{}]", i);
    if (!list[i].is_object()) fail(path, where + " is not an object");
    added.push_back(read_added_token(list[i], path, where, false));
    added.back().id =
        checked_id(path, where, Section(path, where, list[i]).get<std::int64_t>("id"));
  }
  return added;
}

std::uint8_t read_type(const Section& section, const std::filesystem::path& path,
                       const std::string& where) {
  const auto type = section.get<std::int64_t>("type_id", 0);
  if (type < 0 || type > 255)
    fail(path, fmt::format("{}: type_id is {}; expected 0 to 255", where, type));
  return static_cast<std::uint8_t>(type);
}

// One special token of a template: its ids are listed in special_tokens.
void read_template_token(const LibraryJson& item, const LibraryJson& specials,
                         const std::string& where, const std::filesystem::path& path,
                         Template& pieces) {
  const Section token(path, where, item);
  const std::string name = token.get<std::string>("id");
  if (!specials.is_object() || !specials.contains(name))
    fail(path, fmt::format("post_processor.special_tokens lacks '{}'", name));
  const LibraryJson& list = member(specials[name], "ids");
  if (!list.is_array())
    fail(path, fmt::format("post_processor.special_tokens: '{}' has no ids", name));
  for (const LibraryJson& id : list) {
    if (!id.is_number_integer())
      fail(path, fmt::format("post_processor.special_tokens: an id of '{}' is not a number", name));
    pieces.push_back({TemplatePiece::Kind::token,
                      checked_id(path, "post_processor.special_tokens", id.get<std::int64_t>()),
                      read_type(token, path, where)});
  }
}

// "single" or "pair": each of its texts once.
Template read_template(const LibraryJson& json, const char* key,
                       const std::filesystem::path& path) {
  using Kind = TemplatePiece::Kind;
  const bool two = std::string_view(key) == "pair";
  const std::string where = fmt::format("post_processor.{}", key);
  const LibraryJson& list = member(json, key);
  if (!list.is_array()) fail(path, where + " is not an array");
  Template pieces;
  for (const LibraryJson& item : list) {
    if (!item.is_object()) fail(path, where + " holds something that is not an object");
    if (item.contains("SpecialToken")) {
      read_template_token(item["SpecialToken"], member(json, "special_tokens"), where, path,
                          pieces);
      continue;
    }
    if (!item.contains("Sequence"))
      fail(path, where + " holds neither a Sequence nor a SpecialToken");
    const Section sequence(path, where, item["Sequence"]);
    const std::string id = sequence.get<std::string>("id");
    if (id != "A" && (id != "B" || !two))
      fail(path, fmt::format("{}: unknown Sequence '{}'", where, id));
    pieces.push_back({id == "A" ? Kind::first : Kind::second, 0, read_type(sequence, path, where)});
  }
  const auto count = [&](Kind kind) {
    return std::count_if(pieces.begin(), pieces.end(),
                         [&](const TemplatePiece& piece) { return piece.kind == kind; });
  };
  if (count(Kind::first) > 1 || count(Kind::second) > 1)
    throw Error(ErrorCode::unsupported, fmt::format("{}: {} repeats a text", path.string(), where));
  if (count(Kind::first) == 0 || (two && count(Kind::second) == 0))
    fail(path, where + " leaves out a text");
  return pieces;
}

void read_post_processor(const LibraryJson& root, const std::filesystem::path& path,
                         TokenizerDefinition& d) {
  const LibraryJson& json = member(root, "post_processor");
  if (json.is_null()) {
    d.single = {{TemplatePiece::Kind::first, 0, 0}};
    d.pair = {{TemplatePiece::Kind::first, 0, 0}, {TemplatePiece::Kind::second, 0, 1}};
    return;
  }
  const Section section(path, "post_processor", json);
  if (section.get<std::string>("type") != "BertProcessing") {
    section.require_type("TemplateProcessing");
    d.single = read_template(json, "single", path);
    for (const TemplatePiece& piece : d.single)
      if (piece.type != 0)
        throw Error(ErrorCode::unsupported,
                    path.string() + ": post_processor.single gives a token another type than 0",
                    "set its type_ids to 0");
    if (!member(json, "pair").is_null()) d.pair = read_template(json, "pair", path);
    return;
  }
  const auto read_token = [&](const char* key) {
    const LibraryJson& pair = member(json, key);
    if (!pair.is_array() || pair.size() != 2 || !pair[1].is_number_integer())
      fail(path, fmt::format("post_processor.{} is not [token, id]", key));
    return checked_id(path, fmt::format("post_processor.{}", key), pair[1].get<std::int64_t>());
  };
  const std::int32_t classify = read_token("cls");
  const std::int32_t separate = read_token("sep");
  d.single = single_template(classify, separate);
  d.pair = pair_template(classify, separate);
}

std::int64_t read_length(const LibraryJson& json, const std::filesystem::path& path,
                         const char* name) {
  const std::int64_t length = json.is_number_integer() ? json.get<std::int64_t>() : -1;
  if (length < 0 || length > longest_text)
    fail(path, fmt::format("{} is not a number from 0 to {}", name, longest_text));
  return length;
}

void read_truncation_and_padding(const LibraryJson& root, const std::filesystem::path& path,
                                 JsonTokenizer& out) {
  TokenizerDefinition& d = out.definition;
  if (const LibraryJson& json = member(root, "truncation"); !json.is_null()) {
    const Section section(path, "truncation", json);
    const std::string direction = section.get<std::string>("direction", "Right");
    if (direction != "Right" && direction != "Left")
      fail(path, fmt::format("truncation.direction is '{}', not 'Right' or 'Left'", direction));
    out.truncates_left = direction == "Left";
    d.saved_truncation = read_length(member(json, "max_length"), path, "truncation.max_length");
  }
  const LibraryJson& json = member(root, "padding");
  if (json.is_null()) return;
  const Section section(path, "padding", json);
  const LibraryJson& strategy = member(json, "strategy");
  if (strategy.is_object())
    d.saved_padding = read_length(member(strategy, "Fixed"), path, "padding.strategy.Fixed");
  else if (strategy != "BatchLongest")
    fail(path, "padding.strategy is neither 'BatchLongest' nor {\"Fixed\": length}");
  if (const LibraryJson* multiple = section.find("pad_to_multiple_of"); multiple != nullptr)
    d.saved_padding_multiple = read_length(*multiple, path, "padding.pad_to_multiple_of");
}

}  // namespace

AddedToken read_added_token(const LibraryJson& json, const std::filesystem::path& path,
                            const std::string& where, bool special) {
  AddedToken token;
  if (json.is_string()) {
    token.content = json.get<std::string>();
  } else {
    if (!json.is_object()) fail(path, where + " is neither a text nor an object with 'content'");
    const Section section(path, where, json);
    section.allow_only(
        {"__type", "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    token.content = section.get<std::string>("content");
    token.special = section.get<bool>("special", special);
    token.single_word = section.get<bool>("single_word", false);
    token.strip_left = section.get<bool>("lstrip", false);
    token.strip_right = section.get<bool>("rstrip", false);
    token.normalized = section.get<bool>("normalized", !token.special);
  }
  if (token.content.empty()) fail(path, where + ": the token is empty");
  return token;
}

JsonTokenizer parse_tokenizer_json(std::string_view text, const std::filesystem::path& path,
                                   bool for_bert) {
  JsonTokenizer out;
  TokenizerDefinition& d = out.definition;
  bool has_vocabulary = false;
  const LibraryJson root = read_document(text, path, d.vocabulary, has_vocabulary);
  Section(path, "tokenizer.json", root)
      .allow_only({"version", "truncation", "padding", "added_tokens", "normalizer",
                   "pre_tokenizer", "post_processor", "decoder", "model"});
  const Section model(path, "model", member(root, "model"));
  model.require_type("WordPiece");
  model.allow_only(
      {"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"});
  if (!has_vocabulary) fail(path, "model.vocab is missing or not an object");
  d.unknown = model.get<std::string>("unk_token");
  d.prefix = model.get<std::string>("continuing_subword_prefix", "##");
  d.longest_word = model.get<std::int64_t>("max_input_chars_per_word", 100);
  out.added = read_added(root, path);
  const auto read_step = [&](const char* name, const auto& read) {
    try {
      read(root, path, d);
    } catch (const Error& error) {
      if (!for_bert || error.code() != ErrorCode::unsupported) throw;
      out.unread.emplace_back(name);
    }
  };
  read_step("normalizer", read_normalizer);
  read_step("pre_tokenizer", read_pre_tokenizer);
  read_step("post_processor", read_post_processor);
  read_truncation_and_padding(root, path, out);
  return out;
}

Vocabulary parse_vocabulary_text(std::string_view text, const std::filesystem::path& path) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    fail(path, fmt::format("is not UTF-8 at byte {}", bad));
  Vocabulary vocabulary;
  std::int64_t id = 0;
  for (std::size_t begin = 0; begin < text.size(); ++id) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    std::size_t length = 0;
    for (std::size_t at = 0; at < line.size();)
      if (!unicode::is_space(unicode::decode(line, at))) length = at;
    try {
      vocabulary.add(line.substr(0, length), id);
    } catch (const Error& error) {
      fail(path, fmt::format("line {}: {}", id + 1, error.message()));
    }
    begin = end + 1;
  }
  return vocabulary;
}

}  // namespace hone
