#include "hone/recipes/detail/recipe_keys.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {

const std::string& required_key(const RecipeCall& call, const char* key) {
  if (!call.settings.values.contains(key))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: key '{}' is missing", call.file, key));
  return call.settings.values.text(key);
}

std::filesystem::path result_folder(const RecipeCall& call) {
  const std::string& name = required_key(call, "name");
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: key 'name': '{}' is not the name of a folder", call.file, name),
                "where that folder is made is said by the key 'out'");
  return std::filesystem::path(call.settings.values.text_or("out", "runs")) / name;
}

std::vector<std::int64_t> number_list(const RecipeCall& call, const char* key,
                                      const std::string& fallback, std::int64_t minimum) {
  std::vector<std::int64_t> numbers;
  for (const std::string& part : split(call.settings.values.text_or(key, fallback), ',')) {
    const std::string_view digits = trim(part);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || number < minimum)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: key '{}': '{}' is not a whole number from {} on", call.file, key,
                              part, minimum),
                  fmt::format("for example [{}]", fallback));
    if (std::find(numbers.begin(), numbers.end(), number) != numbers.end())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: key '{}': {} is named twice", call.file, key, number));
    numbers.push_back(number);
  }
  return numbers;
}

std::string folder_name(const std::string& name) {
  std::string folder;
  for (const char c : name) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (kept)
      folder += c;
    else if (c >= 'A' && c <= 'Z')
      folder += static_cast<char>(c - 'A' + 'a');
    else if (!folder.empty() && folder.back() != '-')
      folder += '-';
  }
  while (!folder.empty() && folder.back() == '-') folder.pop_back();
  return folder;
}

}  // namespace hone
