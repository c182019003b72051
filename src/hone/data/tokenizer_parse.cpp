// Reads the definition of a tokenizer out of tokenizer.json or vocab.txt.
#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/data/tokenizer_state.hpp"

namespace hone {
namespace {

using LibraryJson = nlohmann::json;

constexpr std::size_t deepest = 32;
constexpr std::int64_t longest_text = std::int64_t{1} << 24;

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view what) {
  throw Error(ErrorCode::bad_format, fmt::format("{}: {}", path.string(), what));
}

// Builds the document, except for the object at model.vocab: its tens of thousands of entries go
// straight into a Vocabulary.
class Reader : public nlohmann::json_sax<LibraryJson> {
public:
  explicit Reader(const std::filesystem::path& path) : path_(path) {}

  LibraryJson root;
  Vocabulary vocabulary;
  bool has_vocabulary = false;

  bool null() override { return value(nullptr); }
  bool boolean(bool flag) override { return value(flag); }
  bool number_integer(number_integer_t number) override { return value(number); }
  bool number_float(number_float_t number, const string_t&) override { return value(number); }
  bool string(string_t& text) override { return value(std::move(text)); }
  bool binary(binary_t&) override { return false; }
  bool number_unsigned(number_unsigned_t number) override {
    if (in_vocabulary_) {
      add(number > static_cast<std::uint64_t>(Vocabulary::maximum_size)
              ? Vocabulary::maximum_size
              : static_cast<std::int64_t>(number));
      return true;
    }
    return value(number);
  }
  bool key(string_t& name) override {
    key_ = std::move(name);
    return true;
  }
  bool start_object(std::size_t) override {
    if (in_vocabulary_) fail(path_, fmt::format("model.vocab: '{}' is not a number", key_));
    if (stack_.size() == 2 && keys_.back() == "model" && key_ == "vocab") {
      in_vocabulary_ = has_vocabulary = true;
      return true;
    }
    return open(LibraryJson::object());
  }
  bool end_object() override {
    if (in_vocabulary_) {
      in_vocabulary_ = false;
      return true;
    }
    return close();
  }
  bool start_array(std::size_t) override { return open(LibraryJson::array()); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail(path_, fmt::format("is not valid JSON at byte {}", position));
  }

private:
  void add(std::int64_t id) {
    try {
      vocabulary.add(key_, id);
    } catch (const Error& error) {
      fail(path_, "model.vocab: " + error.message());
    }
  }
  LibraryJson* place(LibraryJson&& item) {
    if (stack_.empty()) {
      root = std::move(item);
      return &root;
    }
    LibraryJson& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(item));
      return &parent.back();
    }
    return &(parent[key_] = std::move(item));
  }
  bool value(LibraryJson item) {
    if (in_vocabulary_)
      fail(path_, fmt::format("model.vocab: the id of '{}' is not a whole number", key_));
    place(std::move(item));
    return true;
  }
  bool open(LibraryJson item) {
    if (in_vocabulary_)
      fail(path_, fmt::format("model.vocab: the id of '{}' is not a whole number", key_));
    if (stack_.size() >= deepest) fail(path_, "is nested too deeply");
    stack_.push_back(place(std::move(item)));
    keys_.push_back(key_);
    return true;
  }
  bool close() {
    stack_.pop_back();
    keys_.pop_back();
    return true;
  }

  const std::filesystem::path& path_;
  std::vector<LibraryJson*> stack_;
  std::vector<std::string> keys_;
  std::string key_;
  bool in_vocabulary_ = false;
};

// Typed access to the members of an object, with messages that name the place.
class Section {
public:
  Section(const std::filesystem::path& path, std::string name, const LibraryJson& json)
      : path_(path), name_(std::move(name)), json_(json) {
    if (!json.is_object()) fail(path_, fmt::format("{} is not an object", name_));
  }

  const LibraryJson* find(const std::string& key) const {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  template <typename T>
  T get(const std::string& key, std::optional<T> fallback = {}) const {
    const LibraryJson* value = find(key);
    if (value == nullptr) {
      if (fallback) return *fallback;
      fail(path_, fmt::format("{}: '{}' is missing", name_, key));
    }
    const bool fits = std::is_same_v<T, bool>          ? value->is_boolean()
                      : std::is_same_v<T, std::string> ? value->is_string()
                                                       : value->is_number_integer();
    if (!fits) fail(path_, fmt::format("{}: '{}' has the wrong type", name_, key));
    return value->get<T>();
  }
  // The "type" of a component must be this one.
  void require_type(const std::string& wanted) const {
    const std::string type = get<std::string>("type");
    if (type != wanted)
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: {} is a '{}'; only '{}' is supported", path_.string(), name_,
                              type, wanted),
                  "use the tokenizer of a BERT model");
  }

private:
  const std::filesystem::path& path_;
  std::string name_;
  const LibraryJson& json_;
};

const LibraryJson& member(const LibraryJson& root, const char* key) {
  static const LibraryJson none;
  const auto found = root.find(key);
  return found == root.end() ? none : *found;
}

void read_normalizer(const LibraryJson& root, const std::filesystem::path& path,
                     TokenizerDefinition& d) {
  const LibraryJson& json = member(root, "normalizer");
  if (json.is_null()) {
    d.clean_text = d.split_chinese = d.strip_accents = d.lowercase = false;
    return;
  }
  const Section section(path, "normalizer", json);
  section.require_type("BertNormalizer");
  d.clean_text = section.get<bool>("clean_text", true);
  d.split_chinese = section.get<bool>("handle_chinese_chars", true);
  d.lowercase = section.get<bool>("lowercase", true);
  d.strip_accents = section.get<bool>("strip_accents", d.lowercase);
}

std::int32_t checked_id(const std::filesystem::path& path, const std::string& what,
                        std::int64_t id) {
  if (id < 0 || id >= Vocabulary::maximum_size)
    fail(path, fmt::format("{}: id {} is out of range", what, id));
  return static_cast<std::int32_t>(id);
}

void read_added(const LibraryJson& root, const std::filesystem::path& path,
                TokenizerDefinition& d) {
  const LibraryJson& list = member(root, "added_tokens");
  if (list.is_null()) return;
  if (!list.is_array()) fail(path, "added_tokens is not an array");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string name = fmt::format("added_tokens[{}]", i);
    const Section section(path, name, list[i]);
    AddedToken token;
    token.content = section.get<std::string>("content");
    token.id = checked_id(path, name, section.get<std::int64_t>("id"));
    token.single_word = section.get<bool>("single_word", false);
    token.strip_left = section.get<bool>("lstrip", false);
    token.strip_right = section.get<bool>("rstrip", false);
    token.special = section.get<bool>("special", false);
    if (token.content.empty()) fail(path, name + ": 'content' is empty");
    if (section.get<bool>("normalized", false))
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: {} ('{}') is to be found in normalized text", path.string(),
                              name, token.content),
                  "set its \"normalized\" to false");
    try {
      d.vocabulary.add(token.content, token.id);
    } catch (const Error& error) {
      fail(path, fmt::format("{}: {}", name, error.message()));
    }
    d.added.push_back(std::move(token));
  }
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

void require_right(const Section& section, const std::filesystem::path& path, const char* name) {
  if (section.get<std::string>("direction", "Right") != "Right")
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: {}.direction is not 'Right'", path.string(), name));
}

std::int64_t read_length(const LibraryJson& json, const std::filesystem::path& path,
                         const char* name) {
  const std::int64_t length = json.is_number_integer() ? json.get<std::int64_t>() : -1;
  if (length < 0 || length > longest_text)
    fail(path, fmt::format("{} is not a number from 0 to {}", name, longest_text));
  return length;
}

void read_truncation_and_padding(const LibraryJson& root, const std::filesystem::path& path,
                                 TokenizerDefinition& d) {
  if (const LibraryJson& json = member(root, "truncation"); !json.is_null()) {
    const Section section(path, "truncation", json);
    require_right(section, path, "truncation");
    d.truncate_to = read_length(member(json, "max_length"), path, "truncation.max_length");
  }
  const LibraryJson& json = member(root, "padding");
  if (json.is_null()) return;
  const Section section(path, "padding", json);
  require_right(section, path, "padding");
  const LibraryJson& strategy = member(json, "strategy");
  if (strategy.is_object())
    d.pad_to = read_length(member(strategy, "Fixed"), path, "padding.strategy.Fixed");
  else if (strategy != "BatchLongest")
    fail(path, "padding.strategy is neither 'BatchLongest' nor {\"Fixed\": length}");
  if (const LibraryJson* multiple = section.find("pad_to_multiple_of"); multiple != nullptr)
    d.pad_multiple = read_length(*multiple, path, "padding.pad_to_multiple_of");
  d.pad_id = checked_id(path, "padding.pad_id", section.get<std::int64_t>("pad_id", 0));
  d.pad_token = section.get<std::string>("pad_token", "[PAD]");
}

// A token in tokenizer_config.json: its text, or an object with it.
std::string config_token(const Section& config, const std::filesystem::path& path,
                         const std::string& key, const std::string& fallback) {
  const LibraryJson* value = config.find(key);
  if (value == nullptr) return fallback;
  if (value->is_object() && value->contains("content")) value = &(*value)["content"];
  if (!value->is_string()) fail(path, fmt::format("'{}' is not text", key));
  return value->get<std::string>();
}

}  // namespace

TokenizerDefinition parse_tokenizer_json(std::string_view text, const std::filesystem::path& path) {
  Reader reader(path);
  LibraryJson::sax_parse(text.begin(), text.end(), &reader);
  const LibraryJson& root = reader.root;
  if (!root.is_object()) fail(path, "is not a JSON object");
  TokenizerDefinition d;
  const Section model(path, "model", member(root, "model"));
  model.require_type("WordPiece");
  if (!reader.has_vocabulary) fail(path, "model.vocab is missing or not an object");
  d.vocabulary = std::move(reader.vocabulary);
  d.unknown = model.get<std::string>("unk_token");
  d.prefix = model.get<std::string>("continuing_subword_prefix", "##");
  d.longest_word = model.get<std::int64_t>("max_input_chars_per_word", 100);
  Section(path, "pre_tokenizer", member(root, "pre_tokenizer")).require_type("BertPreTokenizer");
  read_normalizer(root, path, d);
  read_added(root, path, d);
  read_post_processor(root, path, d);
  read_truncation_and_padding(root, path, d);
  return d;
}

TokenizerDefinition parse_vocabulary_text(std::string_view text, std::string_view config_text,
                                          const std::filesystem::path& path,
                                          const std::filesystem::path& config_path) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    fail(path, fmt::format("is not UTF-8 at byte {}", bad));
  TokenizerDefinition d;
  std::int64_t id = 0;
  for (std::size_t begin = 0; begin < text.size(); ++id) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    try {
      d.vocabulary.add(line, id);
    } catch (const Error& error) {
      fail(path, fmt::format("line {}: {}", id + 1, error.message()));
    }
    begin = end + 1;
  }
  LibraryJson json = LibraryJson::object();
  if (!config_text.empty()) {
    json = LibraryJson::parse(config_text, nullptr, false);
    if (json.is_discarded()) fail(config_path, "is not valid JSON");
  }
  const Section config(config_path, "the configuration", json);
  d.lowercase = config.get<bool>("do_lower_case", true);
  d.strip_accents = config.get<bool>("strip_accents", d.lowercase);
  d.split_chinese = config.get<bool>("tokenize_chinese_chars", true);
  d.vocabulary.build(d.prefix);
  const auto special = [&](const char* key, const char* fallback) {
    const std::string content = config_token(config, config_path, key, fallback);
    const std::int32_t found = d.vocabulary.find(content);
    if (found < 0)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: lacks the token '{}'", path.string(), content),
                  fmt::format("name the right one as '{}' in tokenizer_config.json", key));
    d.added.push_back({content, found});
    return found;
  };
  special("pad_token", "[PAD]");
  special("unk_token", "[UNK]");
  d.unknown = d.added.back().content;
  const std::int32_t classify = special("cls_token", "[CLS]");
  const std::int32_t separate = special("sep_token", "[SEP]");
  d.single = single_template(classify, separate);
  d.pair = pair_template(classify, separate);
  special("mask_token", "[MASK]");
  return d;
}

}  // namespace hone
