// Tokenizer files: where they lie, and their compiled form.
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/data/disk_caches.hpp"
#include "hone/data/tokenizer_state.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr const char* file_names[] = {"tokenizer.json", "tokenizer_config.json", "vocab.txt",
                                      "special_tokens_map.json", "added_tokens.json"};

// The file with the vocabulary, given its directory or itself.
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

std::optional<std::string> read_if_there(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return {};
  return read_file(path);
}

// The tokenizer class that a model's own configuration names; "" where it names none.
std::string class_of_model(const fs::path& path) {
  const std::optional<std::string> text = read_if_there(path);
  if (!text) return "";
  const auto config = nlohmann::json::parse(*text, nullptr, false);
  if (!config.is_object() || !config.contains("tokenizer_class")) return "";
  const auto& name = config["tokenizer_class"];
  return name.is_string() ? name.get<std::string>() : "";
}

TokenizerFiles read_files(const fs::path& file) {
  TokenizerFiles files;
  files.directory = file.parent_path();
  if (file.extension() == ".json") {
    files.json_path = file;
    files.json = read_file(file);
  } else {
    files.vocabulary_path = file;
    files.vocabulary = read_file(file);
  }
  files.config = read_if_there(files.directory / "tokenizer_config.json");
  files.added = read_if_there(files.directory / "added_tokens.json");
  files.special_map = read_if_there(files.directory / "special_tokens_map.json");
  files.model_class = class_of_model(files.directory / "config.json");
  return files;
}

// The compiled form: the hash of the definition, then the definition. It is found by the contents
// of all files.
fs::path compiled_path(const TokenizerFiles& files) {
  std::string key;
  for (const std::optional<std::string>* content :
       {&files.json, &files.vocabulary, &files.config, &files.added, &files.special_map})
    key += *content ? sha256(**content) : "-";
  return tokenizer_cache.file(sha256(key + files.model_class));
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

}  // namespace

Tokenizer Tokenizer::load(const fs::path& path) {
  const fs::path file = definition_file(path);
  const TokenizerFiles files = read_files(file);
  fs::path compiled;
  try {
    compiled = compiled_path(files);
  } catch (const Error&) {
    compiled.clear();  // there is no cache directory
  }
  TokenizerDefinition definition;
  const bool cached = !compiled.empty() && read_compiled(compiled, definition);
  if (!cached) definition = read_definition(files);
  try {
    Tokenizer tokenizer = from_definition(std::move(definition));
    if (!cached && !compiled.empty()) write_compiled(compiled, tokenizer.definition());
    return tokenizer;
  } catch (const Error& error) {
    throw Error(error.code(), file.string() + ": " + error.message(), error.hint());
  }
}

void Tokenizer::save(const fs::path& directory) const {
  std::call_once(state_->texts_made, [&] { state_->texts = saved_texts(*this); });
  for (const auto& [name, text] : state_->texts) write_file_atomically(directory / name, text);
  // What would be read beside them but does not belong to them.
  for (const char* name : file_names)
    if (!state_->texts.contains(name)) {
      std::error_code ignored;
      fs::remove(directory / name, ignored);
    }
}

std::vector<fs::path> tokenizer_files(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const char* name : file_names)
    if (fs::exists(directory / name, error)) found.push_back(directory / name);
  return found;
}

}  // namespace hone
