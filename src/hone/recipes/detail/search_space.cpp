#include "hone/recipes/detail/search_space.hpp"
#include "hone/graph/selection.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

class ParameterReader {
public:
  ParameterReader(std::string name, const toml::node& node, const std::string& file)
      : name_(std::move(name)), node_(node), file_(file), where_(toml_place(file, node)) {}

  Dimension read() {
    try {
      if (const toml::array* list = node_.as_array()) return made(choices(*list));
      const toml::table* table = node_.as_table();
      if (table == nullptr)
        refuse("a list of choices, or a range such as { low = 1, high = 8 }, is expected");
      Dimension dimension = made(table->contains("choices") ? choices_of(*table) : range(*table));
      if (const toml::node* when = table->get("when")) read_when(*when, dimension);
      return dimension;
    } catch (const Error& error) {
      if (error.message().starts_with(file_)) throw;
      throw Error(error.code(), fmt::format("{}: {}", where_, error.message()), error.hint());
    }
  }

private:
  [[noreturn]] void refuse(const std::string& what, const std::string& hint = "") const {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: parameter '{}': {}", where_, name_, what), hint);
  }

  Dimension made(Distribution distribution) const {
    return {std::make_shared<SearchParameter>(SearchParameter{name_, std::move(distribution)})};
  }

  void check_keys(const toml::table& table, const std::vector<std::string>& known) const {
    for (const auto& [key, value] : table)
      if (std::find(known.begin(), known.end(), key.str()) == known.end())
        refuse(fmt::format("unknown key '{}'", key.str()),
               did_you_mean(std::string(key.str()), known));
  }

  Distribution choices(const toml::array& list) const {
    std::vector<Json> values;
    for (const toml::node& value : list) values.push_back(toml_value(value, name_, file_));
    return categorical(std::move(values), name_);
  }

  Distribution choices_of(const toml::table& table) const {
    check_keys(table, {"choices", "when"});
    const toml::array* list = table.get_as<toml::array>("choices");
    if (list == nullptr) refuse("choices = a list is expected");
    return choices(*list);
  }

  Distribution range(const toml::table& table) const {
    check_keys(table, {"low", "high", "step", "log", "when"});
    bool is_real = false;
    const auto number = [&](const char* key, double otherwise) {
      const toml::node* node = table.get(key);
      if (node == nullptr) return otherwise;
      const auto value = node->value<double>();
      if (!node->is_number() || !value) refuse(fmt::format("{} = a number is expected", key));
      is_real = is_real || node->is_floating_point();
      return *value;
    };
    for (const char* key : {"low", "high"})
      if (!table.contains(key)) refuse(fmt::format("a range needs '{}'", key));
    const double low = number("low", 0);
    const double high = number("high", 0);
    const double step = number("step", 0);
    const toml::node* log = table.get("log");
    if (log != nullptr && !log->is_boolean()) refuse("log = true or false is expected");
    const bool by_log = log != nullptr && log->value_or(false);
    if (is_real) return reals(low, high, step, by_log, name_);
    return integers(static_cast<std::int64_t>(low), static_cast<std::int64_t>(high),
                    table.contains("step") ? static_cast<std::int64_t>(step) : 1, by_log, name_);
  }

  void read_when(const toml::node& node, Dimension& dimension) const {
    const toml::table* when = node.as_table();
    if (when == nullptr) refuse("when = { other = [values] } is expected");
    for (const auto& [key, values] : *when) {
      Condition condition{std::string(key.str()), {}};
      if (const toml::array* list = values.as_array())
        for (const toml::node& value : *list)
          condition.values.push_back(toml_value(value, condition.parameter, file_));
      else
        condition.values.push_back(toml_value(values, condition.parameter, file_));
      dimension.when.push_back(std::move(condition));
    }
  }

  std::string name_;
  const toml::node& node_;
  const std::string& file_;
  std::string where_;
};

}  // namespace

Json toml_value(const toml::node& node, const std::string& key, const std::string& file) {
  if (const auto flag = node.value_exact<bool>()) return *flag;
  if (const auto whole = node.value_exact<std::int64_t>()) return *whole;
  if (const auto number = node.value_exact<double>()) return *number;
  return toml_text(node, key, file);
}

std::vector<NodeChoices> read_node_choices(const toml::table& space, const std::string& file) {
  std::vector<NodeChoices> all;
  const toml::node* list = space.get("nodes");
  if (list == nullptr || !list->is_array_of_tables()) return all;
  for (const toml::node& entry : *list->as_array()) {
    NodeChoices choices{.nodes = layers_selection, .where = toml_place(file, entry)};
    for (const auto& [key, node] : *entry.as_table()) {
      const std::string name(key.str());
      if (name == "nodes" || name == "shared") {
        (name == "nodes" ? choices.nodes : choices.shared) = toml_text(node, name, file);
        continue;
      }
      std::vector<Json> values;
      if (const toml::array* several = node.as_array())
        for (const toml::node& value : *several) values.push_back(toml_value(value, name, file));
      else
        values.push_back(toml_value(node, name, file));
      if (values.empty())
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: key '{}' of [[space.nodes]]: there is no choice",
                                toml_place(file, node), name));
      choices.keys.emplace_back(name, std::move(values));
    }
    if (choices.keys.empty())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: [[space.nodes]] says nothing of its nodes", choices.where),
                  "bypass = [false, true], or format = [\"none\", \"integer\"]");
    // A format before its options.
    std::stable_partition(choices.keys.begin(), choices.keys.end(),
                          [](const auto& key) { return key.first == "format"; });
    all.push_back(std::move(choices));
  }
  return all;
}

Space read_space(const toml::table& table, const std::string& file) {
  // In the order of the file, not of the names.
  std::vector<std::pair<toml::source_position, Dimension>> found;
  for (const auto& [key, node] : table) {
    if (node.is_array_of_tables()) continue;  // [[space.nodes]]
    found.emplace_back(key.source().begin,
                       ParameterReader(std::string(key.str()), node, file).read());
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.line, a.first.column) < std::pair(b.first.line, b.first.column);
  });
  std::vector<Dimension> dimensions;
  for (auto& [place, dimension] : found) dimensions.push_back(std::move(dimension));
  try {
    return Space(std::move(dimensions));
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", file, error.message()), error.hint());
  }
}

}  // namespace hone
