// Reading the JSON files of a tokenizer: values with messages that name file and place. Internal to
// the tokenizer's sources.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hone/data/vocabulary.hpp"

namespace hone {

// Members in the order of the file: special tokens that are new get their ids in it.
using LibraryJson = nlohmann::ordered_json;

// Throws Error(bad_format) with the file and what is wrong in it.
[[noreturn]] void fail(const std::filesystem::path& path, std::string_view what);

// A whole document, refused when it is no object or nested too deeply.
LibraryJson read_document(std::string_view text, const std::filesystem::path& path);
// The same of a tokenizer.json, but for the object at model.vocab: its tens of thousands of entries
// go straight into `vocabulary`. `found` says whether there was one.
LibraryJson read_document(std::string_view text, const std::filesystem::path& path,
                          Vocabulary& vocabulary, bool& found);

// A member of an object, null where there is none.
const LibraryJson& member(const LibraryJson& root, const char* key);

// Typed access to the members of an object.
class Section {
public:
  Section(const std::filesystem::path& path, std::string name, const LibraryJson& json);

  // Null where the member is missing or null itself.
  const LibraryJson* find(const std::string& key) const;
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
    if (!fits)
      fail(path_, fmt::format("{}: '{}' is {}, expected {}", name_, key, value->dump(),
                              std::is_same_v<T, bool>          ? "true or false"
                              : std::is_same_v<T, std::string> ? "a text"
                                                               : "a whole number"));
    return value->get<T>();
  }
  // The "type" of a component must be this one.
  void require_type(const std::string& wanted) const;
  // Throws Error(unsupported) for a member that is not among `keys`: it could change ids.
  void allow_only(std::initializer_list<std::string_view> keys) const;

private:
  const std::filesystem::path& path_;
  std::string name_;
  const LibraryJson& json_;
};

// An id, checked for its range. `what` starts the message.
std::int32_t checked_id(const std::filesystem::path& path, const std::string& what,
                        std::int64_t id);

}  // namespace hone
