#include "hone/data/tokenizer_json.hpp"

#include <algorithm>

#include "hone/core/error.hpp"

namespace hone {
namespace {

constexpr std::size_t deepest = 32;

// Builds the document; the object at model.vocab goes into the vocabulary where there is one.
class Reader : public nlohmann::json_sax<LibraryJson> {
public:
  Reader(const std::filesystem::path& path, Vocabulary* vocabulary)
      : path_(path), vocabulary_(vocabulary) {}

  LibraryJson root;
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
    if (vocabulary_ != nullptr && stack_.size() == 2 && keys_.back() == "model" &&
        key_ == "vocab") {
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
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: is not valid JSON at byte {}", path_.string(), position),
                "take the whole file from where it came from");
  }

private:
  void add(std::int64_t id) {
    try {
      vocabulary_->add(key_, id);
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
  Vocabulary* vocabulary_;
  std::vector<LibraryJson*> stack_;
  std::vector<std::string> keys_;
  std::string key_;
  bool in_vocabulary_ = false;
};

LibraryJson read(std::string_view text, const std::filesystem::path& path, Vocabulary* vocabulary,
                 bool& found) {
  Reader reader(path, vocabulary);
  LibraryJson::sax_parse(text.begin(), text.end(), &reader);
  if (!reader.root.is_object()) fail(path, "is not a JSON object");
  found = reader.has_vocabulary;
  return std::move(reader.root);
}

}  // namespace

void fail(const std::filesystem::path& path, std::string_view what) {
  throw Error(ErrorCode::bad_format, fmt::format("{}: {}", path.string(), what));
}

LibraryJson read_document(std::string_view text, const std::filesystem::path& path) {
  bool found = false;
  return read(text, path, nullptr, found);
}

LibraryJson read_document(std::string_view text, const std::filesystem::path& path,
                          Vocabulary& vocabulary, bool& found) {
  return read(text, path, &vocabulary, found);
}

const LibraryJson& member(const LibraryJson& root, const char* key) {
  static const LibraryJson none;
  const auto found = root.find(key);
  return found == root.end() ? none : *found;
}

Section::Section(const std::filesystem::path& path, std::string name, const LibraryJson& json)
    : path_(path), name_(std::move(name)), json_(json) {
  if (!json.is_object()) fail(path_, fmt::format("{} is not an object", name_));
}

const LibraryJson* Section::find(const std::string& key) const {
  const auto found = json_.find(key);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

void Section::require_type(const std::string& wanted) const {
  const std::string type = get<std::string>("type");
  if (type != wanted)
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: {} is a '{}'; only '{}' is supported", path_.string(), name_, type,
                            wanted),
                "use the tokenizer of a BERT model");
}

void Section::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, value] : json_.items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      throw Error(
          ErrorCode::unsupported,
          fmt::format("{}: {}: unknown key '{}', which may change ids", path_.string(), name_, key),
          "remove it if it changes nothing");
}

std::int32_t checked_id(const std::filesystem::path& path, const std::string& what,
                        std::int64_t id) {
  if (id < 0 || id >= Vocabulary::maximum_size)
    fail(path, fmt::format("{}: id {} is out of range", what, id));
  return static_cast<std::int32_t>(id);
}

}  // namespace hone
