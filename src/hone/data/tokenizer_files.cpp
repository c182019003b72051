// Tokenizer files: tokenizer.json, vocab.txt and the compiled form.
#include <cstring>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/data/tokenizer_state.hpp"

namespace hone {
namespace {

using OrderedJson = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::string_view definition_magic = "hone tokenizer 2\n";
constexpr std::uint32_t no_token = 0xffffffffu;
constexpr const char* file_names[] = {"tokenizer.json", "tokenizer_config.json", "vocab.txt",
                                      "special_tokens_map.json", "added_tokens.json"};

void put_u32(std::string& out, std::uint32_t value) {
  char bytes[4];
  std::memcpy(bytes, &value, 4);
  out.append(bytes, 4);
}

std::uint32_t take_u32(std::string_view& bytes) {
  if (bytes.size() < 4) throw Error(ErrorCode::bad_format, "compiled tokenizer: cut short");
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data(), 4);
  bytes.remove_prefix(4);
  return value;
}

std::string_view take(std::string_view& bytes, std::size_t size) {
  if (bytes.size() < size) throw Error(ErrorCode::bad_format, "compiled tokenizer: cut short");
  const std::string_view taken = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return taken;
}

TokenizerDefinition read_definition(const fs::path& path) {
  const std::string text = read_file(path);
  if (path.extension() == ".json") return parse_tokenizer_json(text, path);
  const fs::path config_path = path.parent_path() / "tokenizer_config.json";
  const std::string config = fs::exists(config_path) ? read_file(config_path) : std::string();
  return parse_vocabulary_text(text, config, path, config_path);
}

// The file a tokenizer is made from, given its directory or itself.
fs::path definition_file(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error))
    throw Error(ErrorCode::not_found, path.string() + ": no such file or directory",
                "give a directory with tokenizer.json or vocab.txt");
  if (!fs::is_directory(path, error)) {
    if (path.extension() != ".json" && path.extension() != ".txt")
      throw Error(ErrorCode::unsupported, path.string() + ": is neither a .json nor a .txt file",
                  "give tokenizer.json, vocab.txt, or their directory");
    return path;
  }
  for (const char* name : {"tokenizer.json", "vocab.txt"})
    if (fs::exists(path / name, error)) return path / name;
  throw Error(ErrorCode::not_found, path.string() + ": holds neither tokenizer.json nor vocab.txt",
              "give another directory with --tokenizer");
}

// The compiled form: the hash of the definition, then the definition.
fs::path compiled_path(const fs::path& path) {
  std::string key = sha256(read_file(path));
  const fs::path config = path.parent_path() / "tokenizer_config.json";
  std::error_code error;
  if (path.extension() == ".txt" && fs::exists(config, error))
    key = sha256(key + read_file(config));
  return cache_directory() / "tokenizers" /
         (path.extension().string().substr(1) + "-" + key + ".bin");
}

bool read_compiled(const fs::path& path, TokenizerDefinition& definition) {
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  try {
    const std::string content = read_file(path);
    const std::string_view bytes = content;
    if (bytes.size() < 64 || sha256(bytes.substr(64)) != bytes.substr(0, 64)) return false;
    definition = unpack_definition(bytes.substr(64));
    return true;
  } catch (const Error&) {
    return false;
  }
}

void write_compiled(const fs::path& path, const TokenizerDefinition& definition) {
  try {
    fs::create_directories(path.parent_path());
    const std::string bytes = pack_definition(definition);
    write_file_atomically(path, sha256(bytes) + bytes);
  } catch (const std::exception&) {
    // The compiled form only saves time.
  }
}

OrderedJson template_json(const Tokenizer& tokenizer, const Template& pieces) {
  OrderedJson list = OrderedJson::array();
  for (const TemplatePiece& piece : pieces) {
    if (piece.kind == TemplatePiece::Kind::token) {
      list.push_back(
          {{"SpecialToken", {{"id", tokenizer.token(piece.id)}, {"type_id", piece.type}}}});
      continue;
    }
    const char* name = piece.kind == TemplatePiece::Kind::first ? "A" : "B";
    list.push_back({{"Sequence", {{"id", name}, {"type_id", piece.type}}}});
  }
  return list;
}

OrderedJson post_processor(const Tokenizer& tokenizer) {
  const TokenizerDefinition& d = tokenizer.definition();
  OrderedJson tokens = OrderedJson::object();
  for (const Template* pieces : {&d.single, &d.pair})
    for (const TemplatePiece& piece : *pieces)
      if (piece.kind == TemplatePiece::Kind::token)
        tokens[tokenizer.token(piece.id)] = {
            {"id", tokenizer.token(piece.id)},
            {"ids", OrderedJson::array({piece.id})},
            {"tokens", OrderedJson::array({tokenizer.token(piece.id)})}};
  return {{"type", "TemplateProcessing"},
          {"single", template_json(tokenizer, d.single)},
          {"pair", template_json(tokenizer, d.pair)},
          {"special_tokens", tokens}};
}

OrderedJson truncation(const TokenizerDefinition& d) {
  if (d.truncate_to == 0) return nullptr;
  return {{"direction", "Right"},
          {"max_length", d.truncate_to},
          {"strategy", "LongestFirst"},
          {"stride", 0}};
}

OrderedJson padding(const TokenizerDefinition& d) {
  if (d.pad_to == 0 && d.pad_multiple == 0) return nullptr;
  OrderedJson json{
      {"strategy", "BatchLongest"}, {"direction", "Right"}, {"pad_to_multiple_of", nullptr},
      {"pad_id", d.pad_id},         {"pad_type_id", 0},     {"pad_token", d.pad_token}};
  if (d.pad_to != 0) json["strategy"] = {{"Fixed", d.pad_to}};
  if (d.pad_multiple != 0) json["pad_to_multiple_of"] = d.pad_multiple;
  return json;
}

OrderedJson tokenizer_json(const Tokenizer& tokenizer) {
  const TokenizerDefinition& d = tokenizer.definition();
  OrderedJson added = OrderedJson::array();
  for (const AddedToken& token : d.added)
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", token.single_word},
                     {"lstrip", token.strip_left},
                     {"rstrip", token.strip_right},
                     {"normalized", false},
                     {"special", token.special}});
  // Tokens are unique but for the rare list that repeats one: there the last id is the one that
  // counts, so only that one is written.
  std::string vocabulary = "{";
  for (std::int64_t id = 0; id < d.vocabulary.size(); ++id) {
    if (!d.vocabulary.has(id) || d.vocabulary.find(d.vocabulary.token(id)) != id) continue;
    if (vocabulary.size() > 1) vocabulary += ',';
    vocabulary += OrderedJson(d.vocabulary.token(id)).dump() + ":" + std::to_string(id);
  }
  OrderedJson root{{"version", "1.0"},
                   {"truncation", truncation(d)},
                   {"padding", padding(d)},
                   {"added_tokens", added},
                   {"normalizer",
                    {{"type", "BertNormalizer"},
                     {"clean_text", d.clean_text},
                     {"handle_chinese_chars", d.split_chinese},
                     {"strip_accents", d.strip_accents},
                     {"lowercase", d.lowercase}}},
                   {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                   {"post_processor", post_processor(tokenizer)},
                   {"decoder", {{"type", "WordPiece"}, {"prefix", d.prefix}, {"cleanup", true}}},
                   {"model",
                    {{"type", "WordPiece"},
                     {"unk_token", d.unknown},
                     {"continuing_subword_prefix", d.prefix},
                     {"max_input_chars_per_word", d.longest_word}}}};
  root["model"]["vocab"] = OrderedJson::parse(vocabulary + "}");
  return root;
}

OrderedJson pack_template(const Template& pieces) {
  OrderedJson list = OrderedJson::array();
  for (const TemplatePiece& piece : pieces)
    list.push_back({static_cast<int>(piece.kind), piece.id, piece.type});
  return list;
}

Template unpack_template(const OrderedJson& list) {
  Template pieces;
  for (const OrderedJson& item : list) {
    const int kind = item.at(0).get<int>();
    if (kind < 0 || kind > static_cast<int>(TemplatePiece::Kind::token))
      throw Error(ErrorCode::bad_format, "compiled tokenizer: unknown kind of template piece");
    pieces.push_back({static_cast<TemplatePiece::Kind>(kind), item.at(1).get<std::int32_t>(),
                      item.at(2).get<std::uint8_t>()});
  }
  return pieces;
}

}  // namespace

std::string pack_definition(const TokenizerDefinition& d) {
  OrderedJson head{{"clean_text", d.clean_text},
                   {"split_chinese", d.split_chinese},
                   {"strip_accents", d.strip_accents},
                   {"lowercase", d.lowercase},
                   {"unknown", d.unknown},
                   {"prefix", d.prefix},
                   {"longest_word", d.longest_word},
                   {"single", pack_template(d.single)},
                   {"pair", pack_template(d.pair)},
                   {"truncate_left", d.truncate_left},
                   {"truncate_to", d.truncate_to},
                   {"pad_to", d.pad_to},
                   {"pad_multiple", d.pad_multiple},
                   {"pad_id", d.pad_id},
                   {"pad_token", d.pad_token},
                   {"added", OrderedJson::array()}};
  for (const AddedToken& token : d.added)
    head["added"].push_back({token.content, token.id, token.single_word, token.strip_left,
                             token.strip_right, token.special});
  const std::string text = head.dump();
  std::string out(definition_magic);
  put_u32(out, static_cast<std::uint32_t>(text.size()));
  out += text;
  put_u32(out, static_cast<std::uint32_t>(d.vocabulary.size()));
  for (std::int64_t id = 0; id < d.vocabulary.size(); ++id) {
    const std::string_view token = d.vocabulary.token(id);
    put_u32(out, d.vocabulary.has(id) ? static_cast<std::uint32_t>(token.size()) : no_token);
    out += token;
  }
  return out;
}

TokenizerDefinition unpack_definition(std::string_view bytes) {
  if (!bytes.starts_with(definition_magic))
    throw Error(ErrorCode::bad_format, "compiled tokenizer: unknown form");
  bytes.remove_prefix(definition_magic.size());
  const std::uint32_t head_size = take_u32(bytes);
  TokenizerDefinition d;
  try {
    const OrderedJson head = OrderedJson::parse(take(bytes, head_size));
    d.clean_text = head.at("clean_text").get<bool>();
    d.split_chinese = head.at("split_chinese").get<bool>();
    d.strip_accents = head.at("strip_accents").get<bool>();
    d.lowercase = head.at("lowercase").get<bool>();
    d.unknown = head.at("unknown").get<std::string>();
    d.prefix = head.at("prefix").get<std::string>();
    d.longest_word = head.at("longest_word").get<std::int64_t>();
    d.single = unpack_template(head.at("single"));
    d.pair = unpack_template(head.at("pair"));
    d.truncate_left = head.at("truncate_left").get<bool>();
    d.truncate_to = head.at("truncate_to").get<std::int64_t>();
    d.pad_to = head.at("pad_to").get<std::int64_t>();
    d.pad_multiple = head.at("pad_multiple").get<std::int64_t>();
    d.pad_id = head.at("pad_id").get<std::int32_t>();
    d.pad_token = head.at("pad_token").get<std::string>();
    for (const OrderedJson& token : head.at("added"))
      d.added.push_back({token.at(0).get<std::string>(), token.at(1).get<std::int32_t>(),
                         token.at(2).get<bool>(), token.at(3).get<bool>(), token.at(4).get<bool>(),
                         token.at(5).get<bool>()});
  } catch (const OrderedJson::exception& error) {
    throw Error(ErrorCode::bad_format, fmt::format("compiled tokenizer: {}", error.what()));
  }
  const std::uint32_t count = take_u32(bytes);
  for (std::uint32_t id = 0; id < count; ++id) {
    const std::uint32_t size = take_u32(bytes);
    if (size != no_token) d.vocabulary.add(take(bytes, size), id);
  }
  if (!bytes.empty()) throw Error(ErrorCode::bad_format, "compiled tokenizer: bytes left over");
  return d;
}

Tokenizer Tokenizer::load(const fs::path& path) {
  const fs::path file = definition_file(path);
  fs::path compiled;
  TokenizerDefinition definition;
  try {
    compiled = compiled_path(file);
  } catch (const Error& error) {
    // No cache directory; a file that cannot be read fails again below.
    compiled.clear();
  }
  const bool cached = !compiled.empty() && read_compiled(compiled, definition);
  if (!cached) definition = read_definition(file);
  try {
    Tokenizer tokenizer = from_definition(std::move(definition));
    if (!cached && !compiled.empty()) write_compiled(compiled, tokenizer.definition());
    return tokenizer;
  } catch (const Error& error) {
    throw Error(error.code(), file.string() + ": " + error.message(), error.hint());
  }
}

void Tokenizer::save(const fs::path& directory) const {
  const TokenizerDefinition& d = definition();
  write_file_atomically(directory / "tokenizer.json", tokenizer_json(*this).dump(1) + "\n");
  OrderedJson config{{"tokenizer_class", "BertTokenizer"},
                     {"do_lower_case", d.lowercase},
                     {"strip_accents", d.strip_accents},
                     {"tokenize_chinese_chars", d.split_chinese},
                     {"unk_token", d.unknown}};
  const std::pair<const char*, const char*> roles[] = {{"pad_token", "[PAD]"},
                                                       {"cls_token", "[CLS]"},
                                                       {"sep_token", "[SEP]"},
                                                       {"mask_token", "[MASK]"}};
  for (const auto& [role, token] : roles)
    if (id(token) >= 0) config[role] = token;
  write_file_atomically(directory / "tokenizer_config.json", config.dump(1) + "\n");
  std::string list;
  for (std::int64_t id = 0; id < d.vocabulary.size(); ++id) {
    const std::string_view token = d.vocabulary.token(id);
    if (!d.vocabulary.has(id) || token.find_first_of("\r\n") != std::string_view::npos) return;
    list += token;
    list += '\n';
  }
  write_file_atomically(directory / "vocab.txt", list);
}

std::vector<fs::path> tokenizer_files(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const char* name : file_names)
    if (fs::exists(directory / name, error)) found.push_back(directory / name);
  return found;
}

}  // namespace hone
