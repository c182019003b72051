#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/recipes/detail/toml_file.hpp"
#include "hone/recipes/prune_run.hpp"
#include "hone/sparsity/pruner.hpp"

namespace hone {
namespace {

double parse_share(const std::string& text, const std::string& where) {
  return std::get<double>(parse_option({"sparsity", OptionType::real, {}, "", 0.0, 1.0}, text,
                                       where + ": key 'sparsity'"));
}

}  // namespace

std::vector<PruneSelection> load_budget_file(const std::filesystem::path& file,
                                             const PruneSelection& defaults) {
  const std::string name = file.string();
  const toml::table root = parse_toml(file);
  for (const auto& [key, node] : root)
    if (key.str() != "prune")
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: unknown key '{}'", toml_place(name, node), key.str()),
                  "the file is a list of tables [[prune]]");
  const toml::array* list = root["prune"].as_array();
  if (list == nullptr || list->empty() || !list->is_array_of_tables())
    throw Error(ErrorCode::bad_format, name + ": has no table [[prune]]",
                "each names nodes and a sparsity");
  std::vector<PruneSelection> selections;
  for (const toml::node& entry : *list) {
    PruneSelection selection = defaults;
    selection.where = toml_place(name, entry);
    for (const auto& [key, value] : *entry.as_table()) {
      const std::string option(key.str());
      const std::string text = toml_text(value, option, name);
      const std::string where = toml_place(name, value);
      try {
        if (option == "nodes")
          selection.nodes = text;
        else if (option == "method")
          selection.method = find_pruner(text).name;
        else if (option == "granularity")
          selection.granularity = parse_mask_granularity(text);
        else if (option == "sparsity")
          selection.sparsity = parse_share(text, where);
        else
          throw Error(ErrorCode::bad_format, fmt::format("unknown key '{}'", option),
                      did_you_mean(option, std::vector<std::string>{"nodes", "method",
                                                                    "granularity", "sparsity"}));
      } catch (const Error& error) {
        throw Error(
            ErrorCode::bad_format,
            error.message().rfind(where, 0) == 0 ? error.message() : where + ": " + error.message(),
            error.hint());
      }
    }
    selections.push_back(std::move(selection));
  }
  return selections;
}

}  // namespace hone
