// Reads tokenizer_config.json, added_tokens.json and special_tokens_map.json, with the precedence
// that transformers 5 gives them.
#include <algorithm>
#include <charconv>

#include "hone/core/error.hpp"
#include "hone/data/tokenizer_parse.hpp"
#include "hone/data/tokenizer_state.hpp"

namespace hone {
namespace {

constexpr std::string_view token_suffix = "_token";

// Keys that change no id: how decoded text is tidied, chats, padding, where files were.
constexpr std::string_view harmless_keys[] = {
    "add_prefix_space",
    "backend",
    "chat_template",
    "clean_up_tokenization_spaces",
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
    "device_map",
    "errors",
    "extra_ids",
    "files_loaded",
    "fix_mistral_regex",
    "from_slow",
    "is_local",
    "legacy",
    "local_files_only",
    "max_length",
    "model_input_names",
    "model_type",
    "name_or_path",
    "pad_to_multiple_of",
    "pad_token_type_id",
    "padding",
    "padding_side",
    "processor_class",
    "response_schema",
    "response_template",
    "return_token_type_ids",
    "sp_model_kwargs",
    "stride",
    "tokenizer_type",
    "transformers_version",
    "truncation",
    "truncation_strategy",
    "trust_remote_code",
    "use_fast",
    "verbose",
    "wordpieces_prefix",
};
// Of these, where files were when they were saved: not saved again.
constexpr std::string_view place_keys[] = {"files_loaded", "is_local", "local_files_only",
                                           "name_or_path", "trust_remote_code"};
// Named files: they lie in the directory or count for nothing.
constexpr std::string_view file_keys[] = {"full_tokenizer_file", "special_tokens_map_file",
                                          "tokenizer_file", "vocab_file"};

// The roles that every tokenizer knows, in the order in which those that are new get their ids.
constexpr std::string_view common_roles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                             "pad_token", "cls_token", "mask_token"};

template <std::size_t N>
bool is_among(std::string_view key, const std::string_view (&keys)[N]) {
  return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
}

bool is_role(std::string_view key) {
  return key.size() > token_suffix.size() && key.ends_with(token_suffix) && key.find("add_") != 0;
}

class ConfigReader {
public:
  explicit ConfigReader(const TokenizerFiles& files)
      : files_(files), path_(files.directory / "tokenizer_config.json") {}

  ConfigTokenizer read() {
    config_ = files_.config ? read_document(*files_.config, path_) : LibraryJson::object();
    read_class();
    const Section section(path_, "tokenizer_config.json", config_);
    out_.lowercase = flag(section, "do_lower_case");
    out_.split_chinese = flag(section, "tokenize_chinese_chars");
    out_.strip_accents = flag(section, "strip_accents");
    out_.split_special = section.get<bool>("split_special_tokens", false);
    out_.truncate_left = is_left(section, "truncation_side");
    out_.pad_left = is_left(section, "padding_side").value_or(false);
    read_lengths();
    read_inputs();
    refuse_unknown();
    read_tokens();
    return std::move(out_);
  }

private:
  static std::optional<bool> flag(const Section& section, const char* key) {
    if (section.find(key) == nullptr) return {};
    return section.get<bool>(key);
  }

  void read_class() {
    static constexpr std::string_view berts[] = {"BertTokenizer", "DistilBertTokenizer",
                                                 "ElectraTokenizer", "ConvBertTokenizer",
                                                 "RetriBertTokenizer"};
    static constexpr std::string_view backends[] = {"TokenizersBackend", "PreTrainedTokenizer"};
    std::string name = Section(path_, "tokenizer_config.json", config_)
                           .get<std::string>("tokenizer_class", files_.model_class);
    if (name.empty()) return;
    const std::string given = name;
    if (name.ends_with("Fast")) name.resize(name.size() - 4);
    out_.is_bert = is_among(name, berts);
    if (!out_.is_bert && !is_among(name, backends))
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: tokenizer_class is '{}'; its ids are not those of a "
                              "BertTokenizer",
                              path_.string(), given),
                  "use the tokenizer of a BERT model (BertTokenizer or PreTrainedTokenizerFast)");
    if (!out_.is_bert && !files_.json)
      throw Error(ErrorCode::not_found,
                  fmt::format("{}: tokenizer_class '{}' needs a tokenizer.json, which is not there",
                              path_.string(), given),
                  "save it again with save_pretrained, or set tokenizer_class to BertTokenizer");
  }

  // Whether a side is the left one; nothing where it is not given.
  std::optional<bool> is_left(const Section& section, const char* key) {
    if (section.find(key) == nullptr) return std::nullopt;
    const std::string side = section.get<std::string>(key);
    if (side != "left" && side != "right")
      fail(path_, fmt::format("'{}' is '{}', expected 'left' or 'right'", key, side));
    return side == "left";
  }

  // Numbers that are no length of a text (1e30) stand for "no limit".
  void read_lengths() {
    for (const char* key : {"max_len", "model_max_length"}) {
      const LibraryJson& value = member(config_, key);
      if (value.is_null()) continue;
      if (!value.is_number() || value.get<double>() < 1)
        fail(path_, fmt::format("'{}' is {}, expected a length", key, value.dump()));
      out_.model_max_length = value.get<double>() < 1e9 ? value.get<std::int64_t>() : 0;
    }
  }

  void read_inputs() {
    const LibraryJson& names = member(config_, "model_input_names");
    if (names.is_null()) {
      out_.gives_types = out_.is_bert;
      return;
    }
    if (!names.is_array()) fail(path_, "'model_input_names' is not an array");
    out_.gives_types = std::find(names.begin(), names.end(), "token_type_ids") != names.end();
  }

  // Keys are known, harmless, or refused: one that changed ids unnoticed would change results.
  void refuse_unknown() {
    static constexpr std::string_view read_keys[] = {"added_tokens_decoder",
                                                     "additional_special_tokens",
                                                     "do_lower_case",
                                                     "extra_special_tokens",
                                                     "max_len",
                                                     "model_max_length",
                                                     "model_specific_special_tokens",
                                                     "split_special_tokens",
                                                     "strip_accents",
                                                     "tokenize_chinese_chars",
                                                     "tokenizer_class",
                                                     "truncation_side"};
    // Harmless with this value alone.
    const auto is_neutral = [](std::string_view key, const LibraryJson& value) {
      if (key == "do_basic_tokenize" || key == "clean_text") return value == true;
      if (key == "never_split" || key == "init_inputs") return value.is_array() && value.empty();
      return (key == "add_bos_token" || key == "add_eos_token") && value == false;
    };
    LibraryJson other = LibraryJson::object();
    for (const auto& [key, value] : config_.items()) {
      const bool harmless = is_among(key, harmless_keys);
      if (harmless && !is_among(key, place_keys)) other[key] = value;
      if (harmless || is_among(key, read_keys) || is_among(key, file_keys) || value.is_null() ||
          is_neutral(key, value) || is_role(key) || key.ends_with("_token_id"))
        continue;
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: '{}' is {}: hone does not know that setting, and it may change "
                              "ids",
                              path_.string(), key, value.dump().substr(0, 80)),
                  "remove it if it changes nothing");
    }
    out_.other_settings = other.dump();
  }

  void read_tokens() {
    LibraryJson settings = config_;
    const LibraryJson& decoder = member(config_, "added_tokens_decoder");
    out_.has_decoder = config_.contains("added_tokens_decoder");
    out_.added_place = (path_.string() + ": added_tokens_decoder");
    if (!decoder.is_null() && !decoder.is_object())
      fail(path_, "'added_tokens_decoder' is not an object");
    for (const auto& [key, value] : decoder.items()) read_decoder_entry(key, value);
    if (is_empty(member(settings, "extra_special_tokens"))) fold_additional(settings);
    gather_named(settings);
    if (files_.special_map) read_special_map(settings);
    if (!settings.contains("extra_special_tokens")) fold_additional(settings);
    read_roles(settings);
    read_extra(settings);
    if (files_.added) read_added_file(settings);
    // A role is the added token of the same text, with its flags.
    for (auto& [role, token] : out_.roles)
      for (const auto& [id, added] : out_.added)
        if (added.content == token.content) token = added;
  }

  void read_decoder_entry(const std::string& key, const LibraryJson& value) {
    std::int64_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size())
      fail(path_, fmt::format("added_tokens_decoder: '{}' is not an id", key));
    const std::string where = fmt::format("added_tokens_decoder['{}']", key);
    if (!value.is_object()) fail(path_, where + " is not an object");
    add(read_added_token(value, path_, where, false), checked_id(path_, where, id), path_);
  }

  void add(AddedToken token, std::int32_t id, const std::filesystem::path& path) {
    token.id = id;
    for (const auto& [other_id, other] : out_.added)
      if (other.content == token.content && other_id != id)
        throw Error(ErrorCode::bad_format,
                    fmt::format("{}: the added token '{}' has two ids, {} and {}", path.string(),
                                token.content, other_id, id),
                    "leave the one the model was trained with");
    const auto [other, is_new] = out_.added.emplace(id, token);
    if (!is_new && other->second.content != token.content)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: id {} is given to both '{}' and '{}'", path.string(), id,
                              other->second.content, token.content),
                  "give each token an id of its own");
  }

  static bool is_empty(const LibraryJson& json) { return json.is_null() || json.empty(); }

  // The older name of extra_special_tokens.
  static void fold_additional(LibraryJson& settings) {
    if (member(settings, "additional_special_tokens").is_null()) return;
    settings["extra_special_tokens"] = LibraryJson(settings["additional_special_tokens"]);
    settings.erase("additional_special_tokens");
  }

  // Tokens by names that are no role of every tokenizer, as one object: {"z_token": ...} and an
  // object extra_special_tokens. It takes the place of one that the settings hold.
  static void gather_named(LibraryJson& settings) {
    LibraryJson named = LibraryJson::object();
    for (const auto& [key, value] : settings.items())
      if (is_role(key) && !is_among(key, common_roles) && value.is_string()) named[key] = value;
    for (const auto& [key, value] : named.items()) settings.erase(key);
    move_named(settings, named);
    if (!named.empty()) settings["model_specific_special_tokens"] = named;
  }

  // An object extra_special_tokens becomes members of `named`.
  static void move_named(LibraryJson& settings, LibraryJson& named) {
    if (!member(settings, "extra_special_tokens").is_object()) return;
    for (const auto& [key, value] : settings["extra_special_tokens"].items()) named[key] = value;
    settings.erase("extra_special_tokens");
  }

  void read_special_map(LibraryJson& settings) {
    const std::filesystem::path path = files_.directory / "special_tokens_map.json";
    const LibraryJson map = read_document(*files_.special_map, path);
    for (const auto& [key, value] : map.items()) {
      const bool is_list = key == "additional_special_tokens" || key == "extra_special_tokens";
      if (!is_list && !is_role(key))
        throw Error(ErrorCode::unsupported,
                    fmt::format("{}: '{}' is not the name of a token", path.string(), key),
                    "remove it if it changes nothing");
      if (out_.has_decoder) {
        note_unread_role(key, value, path);
        continue;
      }
      if (value.is_array() && !is_list) fail(path, fmt::format("'{}' is an array", key));
      if (value.is_array()) {
        // The newer name adds to the list of the settings.
        LibraryJson list = LibraryJson::array();
        if (key == "extra_special_tokens") list = member(settings, "extra_special_tokens");
        if (!list.is_array()) list = LibraryJson::array();
        for (const LibraryJson& item : value) {
          LibraryJson special = item;
          if (item.is_object()) special["special"] = true;
          if (std::find(list.begin(), list.end(), special) == list.end()) list.push_back(special);
        }
        settings[key] = list;
        continue;
      }
      settings[key] = value;
      if (value.is_object() && !is_list) settings[key]["special"] = true;
    }
    if (out_.has_decoder) return;
    LibraryJson named = member(settings, "model_specific_special_tokens");
    if (named.is_null()) named = LibraryJson::object();
    move_named(settings, named);
    settings["model_specific_special_tokens"] = named;
  }

  void note_unread_role(const std::string& key, const LibraryJson& value,
                        const std::filesystem::path& path) {
    if (!is_role(key) || value.is_null()) return;
    const AddedToken there = read_added_token(value, path, "'" + key + "'", true);
    std::string here;
    for (const auto& [role, token] : default_roles())
      if (role == key) here = token;
    if (const LibraryJson& given = member(config_, key.c_str()); !given.is_null())
      here = read_added_token(given, path_, "'" + key + "'", true).content;
    if (here != there.content)
      out_.notes.push_back(
          fmt::format("special_tokens_map.json names '{}' as {}; tokenizer_config.json has "
                      "added_tokens_decoder, so that file is not read: it is '{}'",
                      there.content, key, here));
  }

  // In the order in which tokens that are new get their ids: the roles of every tokenizer, those
  // of other names, and those gathered. A name given again keeps its place.
  void read_roles(const LibraryJson& settings) {
    const auto take = [&](const std::string& key, const LibraryJson& value) {
      if (value.is_null()) return;
      AddedToken token = read_added_token(value, path_, "'" + key + "'", false);
      token.special = true;
      const auto known = std::find_if(out_.roles.begin(), out_.roles.end(),
                                      [&](const auto& role) { return role.first == key; });
      if (known == out_.roles.end())
        out_.roles.emplace_back(key, std::move(token));
      else
        known->second = std::move(token);
    };
    for (const std::string_view name : common_roles) {
      const std::string key(name);
      if (settings.contains(key)) {
        take(key, settings[key]);
        continue;
      }
      for (const auto& [role, token] : default_roles())
        if (role == key && out_.is_bert) out_.roles.emplace_back(role, AddedToken{token});
    }
    for (const auto& [key, value] : settings.items())
      if (is_role(key) && !is_among(key, common_roles)) take(key, value);
    const LibraryJson& named = member(settings, "model_specific_special_tokens");
    if (named.is_null()) return;
    if (!named.is_object()) fail(path_, "'model_specific_special_tokens' is not an object");
    for (const auto& [key, value] : named.items()) take(key, value);
  }

  void read_extra(const LibraryJson& settings) {
    const LibraryJson& list = member(settings, "extra_special_tokens");
    if (list.is_null()) return;
    if (!list.is_array()) fail(path_, "'extra_special_tokens' is not an array");
    for (const LibraryJson& item : list)
      out_.extra.push_back(read_added_token(item, path_, "extra_special_tokens", false));
  }

  // {"token": id, ...}: special where the settings give it a role; the roles of BertTokenizer
  // itself and those of other names do not count.
  void read_added_file(const LibraryJson& settings) {
    const std::filesystem::path path = files_.directory / "added_tokens.json";
    const LibraryJson list = read_document(*files_.added, path);
    for (const auto& [content, id] : list.items()) {
      if (!id.is_number_integer())
        fail(path, fmt::format("the id of '{}' is not a number", content));
      if (content.empty()) fail(path, "an added token is empty");
      AddedToken token{content};
      token.special =
          std::any_of(std::begin(common_roles), std::end(common_roles),
                      [&, &text = content](std::string_view role) {
                        const LibraryJson& given = member(settings, std::string(role).c_str());
                        return !given.is_null() &&
                               read_added_token(given, path_, std::string(role), false).content ==
                                   text;
                      }) ||
          std::any_of(
              out_.extra.begin(), out_.extra.end(),
              [&, &text = content](const AddedToken& extra) { return extra.content == text; });
      token.normalized = !token.special;
      const std::int32_t number = checked_id(path, "'" + content + "'", id.get<std::int64_t>());
      if (!out_.has_decoder) {
        add(std::move(token), number, path);
        continue;
      }
      const auto found = out_.added.find(number);
      if (found != out_.added.end() && found->second.content == content) continue;
      if (found != out_.added.end())
        throw Error(ErrorCode::bad_format,
                    fmt::format("{}: id {} is '{}', but '{}' in tokenizer_config.json",
                                path.string(), number, content, found->second.content),
                    "leave the one the model was trained with");
      out_.notes.push_back(
          fmt::format("the token '{}' of added_tokens.json is not read: added_tokens_decoder of "
                      "tokenizer_config.json lacks it",
                      content));
    }
    if (!out_.has_decoder) out_.added_place = path.string();
  }

  const TokenizerFiles& files_;
  std::filesystem::path path_;
  LibraryJson config_;
  ConfigTokenizer out_;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> default_roles() {
  return {{"cls_token", "[CLS]"},
          {"mask_token", "[MASK]"},
          {"pad_token", "[PAD]"},
          {"sep_token", "[SEP]"},
          {"unk_token", "[UNK]"}};
}

ConfigTokenizer parse_config(const TokenizerFiles& files) { return ConfigReader(files).read(); }

}  // namespace hone
