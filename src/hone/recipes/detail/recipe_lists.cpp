#include "hone/recipes/detail/recipe_lists.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

const Described& kind_of(const RecipeList& list, const toml::table& table, const std::string& file,
                         const std::string& where) {
  const toml::node* node = table.get(list.kind_key);
  std::vector<std::string> names;
  for (const Described& kind : list.kinds) names.push_back(kind.name);
  if (node == nullptr)
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: key '{}' is missing in [[{}]]", where, list.kind_key, list.name),
                fmt::format("one of {}", fmt::join(names, ", ")));
  const std::string name = toml_text(*node, list.kind_key, file);
  for (const Described& kind : list.kinds)
    if (kind.name == name) return kind;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: key '{}': there is no '{}'", toml_place(file, *node), list.kind_key,
                          printable(name, 100)),
              did_you_mean(name, names));
}

}  // namespace

std::vector<RecipeTable> read_recipe_list(const toml::node& array, const RecipeList& list,
                                          const std::string& file) {
  std::vector<RecipeTable> tables;
  for (const toml::node& entry : *array.as_array()) {
    RecipeTable table{toml_place(file, entry), {}};
    std::vector<OptionSpec> options = list.options;
    if (!list.kind_key.empty()) {
      const Described& kind = kind_of(list, *entry.as_table(), file, table.where);
      table.kind = kind.name;
      options.insert(options.end(), kind.options.begin(), kind.options.end());
    }
    for (const auto& [inner, value] : *entry.as_table()) {
      const std::string option(inner.str());
      if (option == list.kind_key) continue;
      const std::string where = toml_place(file, value);
      table.values.set(
          option, parse_option(find_option(options, option, where), toml_text(value, option, file),
                               fmt::format("{}: key '{}'", where, option)));
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace hone
