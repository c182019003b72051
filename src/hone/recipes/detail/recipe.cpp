#include "hone/recipes/recipe.hpp"

#include <cstdlib>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"

#define TOML_HEADER_ONLY 0
#include <toml++/toml.h>

namespace hone {
namespace {

struct Entry {
  std::string key, value, where;  // where: "file: line n"
};

std::string place_of(const std::string& file, const toml::node& node) {
  return fmt::format("{}: line {}", file, node.source().begin.line);
}

// Replaces every ${NAME} and ${NAME:-default}.
std::string expand(const std::string& text, const std::string& where) {
  std::string result;
  std::size_t at = 0;
  while (true) {
    const std::size_t begin = text.find("${", at);
    result += text.substr(at, begin - at);
    if (begin == std::string::npos) return result;
    const std::size_t end = text.find('}', begin);
    if (end == std::string::npos)
      throw Error(ErrorCode::bad_format, fmt::format("{}: '{}' lacks a closing }}", where, text));
    const std::string inside = text.substr(begin + 2, end - begin - 2);
    const std::size_t colon = inside.find(":-");
    const std::string name = inside.substr(0, colon);
    const char* set = std::getenv(name.c_str());
    if (set != nullptr && *set != '\0')
      result += set;
    else if (colon != std::string::npos)
      result += inside.substr(colon + 2);
    else
      throw Error(ErrorCode::not_found,
                  fmt::format("{}: the environment variable {} is not set", where, name),
                  fmt::format("set it, or write ${{{}:-default}}", name));
    at = end + 1;
  }
}

std::string text_of(const toml::node& node, const std::string& key, const std::string& file) {
  const std::string where = place_of(file, node);
  if (const auto text = node.value_exact<std::string>()) return expand(*text, where);
  if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  if (const auto whole = node.value_exact<std::int64_t>()) return std::to_string(*whole);
  if (const auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  if (const toml::array* list = node.as_array()) {
    std::vector<std::string> items;
    for (const toml::node& item : *list) {
      if (item.is_array() || item.is_table())
        throw Error(ErrorCode::bad_format,
                    fmt::format("{}: key '{}': a list of single values is expected", where, key));
      items.push_back(text_of(item, key, file));
    }
    return fmt::format("{}", fmt::join(items, ","));
  }
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: key '{}': a single value is expected", where, key),
              "text, a number, true, false or a list of them");
}

// Tables that stand for a prefix of keys.
std::string prefix_of(const std::string& table) { return table == "data_options" ? "data." : ""; }

std::vector<Entry> read_entries(const toml::table& root, const std::string& file) {
  std::vector<Entry> entries;
  for (const auto& [key, node] : root) {
    const std::string name(key.str());
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      entries.push_back({name, text_of(node, name, file), place_of(file, node)});
      continue;
    }
    const std::vector<std::string> tables{"model_options", "data_options"};
    if (std::find(tables.begin(), tables.end(), name) == tables.end())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: unknown table [{}]", place_of(file, node), name),
                  did_you_mean(name, tables));
    for (const auto& [inner, value] : *table)
      entries.push_back({prefix_of(name) + std::string(inner.str()),
                         text_of(value, std::string(inner.str()), file), place_of(file, value)});
  }
  return entries;
}

toml::table parse(const std::filesystem::path& file) {
  try {
    return toml::parse(read_file(file), file.string());
  } catch (const toml::parse_error& error) {
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: line {}, column {}: {}", file.string(), error.source().begin.line,
                            error.source().begin.column, printable(error.description(), 300)),
                "the file must be TOML: key = value, texts in quotes");
  }
}

void merge(Settings& into, Settings from) {
  for (const auto& [key, value] : from.values.values()) into.values.set(key, value);
  for (auto [target, source] :
       {std::pair{&into.model, &from.model}, std::pair{&into.data, &from.data}})
    for (auto& [key, value] : *source) {
      std::erase_if(*target, [&](const auto& old) { return old.first == key; });
      target->emplace_back(key, value);
    }
}

}  // namespace

const Recipe& find_recipe(const std::string& name, const std::string& where) {
  std::vector<std::string> names;
  for (const Recipe& recipe : recipe_table()) {
    if (recipe.name == name) return recipe;
    names.push_back(recipe.name);
  }
  throw Error(ErrorCode::invalid_argument, fmt::format("{}: unknown recipe '{}'", where, name),
              did_you_mean(name, names));
}

LoadedRecipe load_recipe(const std::filesystem::path& file, const TextSettings& changes) {
  const toml::table root = parse(file);
  std::vector<Entry> entries = read_entries(root, file.string());
  const auto kind = std::find_if(entries.begin(), entries.end(),
                                 [](const Entry& e) { return e.key == "recipe"; });
  if (kind == entries.end())
    throw Error(ErrorCode::bad_format, file.string() + ": key 'recipe' is missing",
                "it names what to do, for example recipe = \"train\"");
  const Recipe& recipe = find_recipe(kind->value, kind->where);
  entries.erase(kind);
  LoadedRecipe loaded{&recipe, {file.string(), "", {}}};
  for (const Entry& entry : entries)
    merge(loaded.call.settings, sort_settings({{entry.key, entry.value}}, recipe.options,
                                              recipe.model_sizes, entry.where));
  merge(loaded.call.settings, sort_settings(changes, recipe.options, recipe.model_sizes, "--set"));
  return loaded;
}

}  // namespace hone
