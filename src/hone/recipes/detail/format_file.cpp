#include "hone/recipes/format_file.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/recipes/detail/toml_file.hpp"

namespace hone {

std::vector<QuantizeSelection> load_format_file(const std::filesystem::path& file) {
  const std::string name = file.string();
  const toml::table root = parse_toml(file);
  for (const auto& [key, node] : root)
    if (key.str() != "formats")
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: unknown key '{}'", toml_place(name, node), key.str()),
                  "the file is a list of tables [[formats]]");
  const toml::array* list = root["formats"].as_array();
  if (list == nullptr || list->empty() || !list->is_array_of_tables())
    throw Error(ErrorCode::bad_format, name + ": has no table [[formats]]",
                "each names nodes, a format and its options");
  std::vector<QuantizeSelection> selections;
  for (const toml::node& entry : *list) {
    QuantizeSelection selection;
    selection.where = toml_place(name, entry);
    for (const auto& [key, value] : *entry.as_table()) {
      const std::string option(key.str());
      const std::string text = toml_text(value, option, name);
      if (option == "nodes")
        selection.nodes = text;
      else if (option == "format")
        selection.format = text;
      else
        selection.keys.emplace_back(option, text);
    }
    selections.push_back(std::move(selection));
  }
  return selections;
}

}  // namespace hone
