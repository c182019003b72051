#include "hone/recipes/recipe.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/recipes/detail/recipe_lists.hpp"
#include "hone/recipes/detail/toml_file.hpp"

namespace hone {
namespace {

struct Entry {
  std::string key, value, where;  // where: "file: line n"
};

// Tables that stand for a prefix of keys.
std::string prefix_of(const std::string& table) { return table == "data_options" ? "data." : ""; }

// All but the lists of tables.
std::vector<Entry> read_entries(const toml::table& root, const std::string& file) {
  std::vector<Entry> entries;
  for (const auto& [key, node] : root) {
    const std::string name(key.str());
    if (name == "description" || name == "needs") continue;  // for readers
    if (node.is_array_of_tables()) continue;
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      entries.push_back({name, toml_text(node, name, file), toml_place(file, node)});
      continue;
    }
    const std::vector<std::string> tables{"model_options", "data_options"};
    if (std::find(tables.begin(), tables.end(), name) == tables.end())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: unknown table [{}]", toml_place(file, node), name),
                  did_you_mean(name, tables));
    for (const auto& [inner, value] : *table)
      entries.push_back({prefix_of(name) + std::string(inner.str()),
                         toml_text(value, std::string(inner.str()), file),
                         toml_place(file, value)});
  }
  return entries;
}

std::map<std::string, std::vector<RecipeTable>> read_lists(const toml::table& root,
                                                           const Recipe& recipe,
                                                           const std::string& file) {
  std::map<std::string, std::vector<RecipeTable>> lists;
  for (const auto& [key, node] : root) {
    if (!node.is_array_of_tables()) continue;
    const std::string name(key.str());
    std::vector<std::string> known;
    for (const Described& list : recipe.lists) known.push_back(list.name);
    const auto list = std::find(known.begin(), known.end(), name);
    if (list == known.end())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: unknown list [[{}]]", toml_place(file, node), name),
                  known.empty() ? fmt::format("the recipe {} takes none", recipe.name)
                                : did_you_mean(name, known));
    const RecipeList& found = recipe.lists[static_cast<std::size_t>(list - known.begin())];
    lists[name] = read_recipe_list(node, found, file);
  }
  return lists;
}

void merge(Settings& into, Settings from) {
  for (const auto& [key, value] : from.values.values()) into.values.set(key, value);
  for (auto [target, source] :
       {std::pair{&into.model, &from.model}, std::pair{&into.data, &from.data}})
    for (auto& [key, value] : *source) {
      std::erase_if(*target, [&, &name = key](const auto& old) { return old.first == name; });
      target->emplace_back(key, value);
    }
}

// What was typed, not what the file says.
Settings sort_changes(const TextSettings& given, const Recipe& recipe) {
  try {
    return sort_settings(given, recipe.options, recipe.model_sizes, "--set");
  } catch (const Error& error) {
    throw UsageError(error.message(), error.hint());
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

std::string recipe_text(const std::string& file_or_name) {
  if (std::filesystem::is_regular_file(file_or_name)) return read_file(file_or_name);
  std::vector<std::string> names;
  for (const ShippedRecipe& recipe : shipped_recipes()) {
    if (recipe.name == file_or_name) return std::string(recipe.text);
    names.emplace_back(recipe.name);
  }
  const std::filesystem::path path = file_or_name;
  if (path.has_parent_path() || path.has_extension()) return read_file(path);
  throw Error(
      ErrorCode::not_found,
      fmt::format("there is no recipe '{}', and no such file", printable(file_or_name, 100)),
      did_you_mean(file_or_name, names));
}

RecipeFacts recipe_facts(const std::string& file) {
  const toml::table root = parse_toml_text(recipe_text(file), file);
  const auto text = [&](const char* key) {
    const toml::node* node = root.get(key);
    return node == nullptr ? std::string() : toml_text(*node, key, file);
  };
  return {text("description"), text("needs"), text("recipe") == "search"};
}

LoadedRecipe load_recipe(const std::string& file, const TextSettings& changes) {
  const toml::table root = parse_toml_text(recipe_text(file), file);
  // (A search file has tables that no other recipe has.)
  if (const toml::node* kind = root.get("recipe");
      kind != nullptr && toml_text(*kind, "recipe", file) == "search")
    throw Error(ErrorCode::invalid_argument, toml_place(file, *kind) + ": is a search file",
                fmt::format("hone search {} runs it", file));
  std::vector<Entry> entries = read_entries(root, file);
  const auto kind = std::find_if(entries.begin(), entries.end(),
                                 [](const Entry& e) { return e.key == "recipe"; });
  if (kind == entries.end())
    throw Error(ErrorCode::bad_format, file + ": key 'recipe' is missing",
                "it names what to do, for example recipe = \"train\"");
  const Recipe& recipe = find_recipe(kind->value, kind->where);
  entries.erase(kind);
  LoadedRecipe loaded{&recipe, {file, "", {}, read_lists(root, recipe, file)}, "", ""};
  for (const auto& [key, text] :
       {std::pair{"description", &loaded.description}, {"needs", &loaded.needs}})
    if (const toml::node* node = root.get(key)) *text = toml_text(*node, key, file);
  for (const Entry& entry : entries)
    merge(loaded.call.settings, sort_settings({{entry.key, entry.value}}, recipe.options,
                                              recipe.model_sizes, entry.where));
  Settings changed = sort_changes(changes, recipe);
  // Steps stand for epochs: a given length takes the place of the file's, in whichever unit.
  for (const auto& [given, other] : {std::pair{"steps", "epochs"}, {"epochs", "steps"}})
    if (changed.values.contains(given) && !changed.values.contains(other))
      loaded.call.settings.values.erase(other);
  merge(loaded.call.settings, std::move(changed));
  return loaded;
}

}  // namespace hone
