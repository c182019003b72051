#include "hone/search/python_json.hpp"

#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace hone {
namespace {

// Stands for a word that JSON has not, while the text is parsed: an object of one member whose name
// begins so. (A text cannot be taken for it.)
const char* const stand_in = "\x01not finite";

struct Word {
  std::string_view text;
  double value;
};
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::array<Word, 3> words{Word{"-Infinity", -infinity}, Word{"Infinity", infinity},
                                    Word{"NaN", std::numeric_limits<double>::quiet_NaN()}};

bool replace_words(std::string_view text, std::string& out) {
  bool quoted = false, replaced = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\' && i + 1 < text.size()) {
      out += c;
      out += text[++i];
      continue;
    }
    if (!quoted && (c == 'N' || c == 'I' || c == '-')) {
      std::size_t word = 0;
      while (word < words.size() && !text.substr(i).starts_with(words[word].text)) ++word;
      if (word < words.size()) {
        out += fmt::format("{{\"\\u0001not finite\": {}}}", word);
        i += words[word].text.size() - 1;
        replaced = true;
        continue;
      }
    }
    out += c;
  }
  return replaced;
}

void put_back(Json& json) {
  if (json.is_array()) {
    for (Json& element : json.elements()) put_back(element);
  } else if (json.is_object()) {
    if (const Json* word = json.find_member(stand_in)) {
      json = Json(words.at(word->get<std::size_t>()).value);
      return;
    }
    std::vector<std::string> names;
    for (const auto& [name, value] : json.items()) names.push_back(name);
    for (const std::string& name : names) put_back(json.at(name));
  }
}

void print(const Json& json, std::string& out) {
  if (json.is_array()) {
    out += '[';
    bool first = true;
    for (const Json& element : json.elements()) {
      if (!first) out += ", ";
      first = false;
      print(element, out);
    }
    out += ']';
  } else if (json.is_object()) {
    out += '{';
    bool first = true;
    for (const auto& [name, value] : json.items()) {
      if (!first) out += ", ";
      first = false;
      out += Json(name).dump(-1, true) + ": ";
      print(value, out);
    }
    out += '}';
  } else if (json.is_number_float() && !std::isfinite(json.get<double>())) {
    const auto value = json.get<double>();
    out += std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  } else {
    out += json.dump(-1, true);
  }
}

}  // namespace

std::string to_python_json(const Json& json) {
  std::string out;
  print(json, out);
  return out;
}

Json parse_python_json(std::string_view text, const std::string& where) {
  if (text.find_first_of("NI") == std::string_view::npos) return parse_json(text, where);
  std::string replaced;
  replaced.reserve(text.size());
  const bool found = replace_words(text, replaced);
  Json json = parse_json(replaced, where);
  if (found) put_back(json);
  return json;
}

}  // namespace hone
