#include "hone/search/columns.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <unordered_map>

namespace hone {
namespace {

// One parameter and what its trials know of its range.
struct Column {
  std::string name;
  std::vector<ParameterPtr> variants = {};  // different from each other
  std::vector<std::pair<std::size_t, const TrialParameter*>> cells = {};
};

bool is_categorical(const ParameterPtr& parameter) {
  return parameter->distribution.kind == DistributionKind::categorical;
}

Distribution merged_range(const std::vector<ParameterPtr>& variants) {
  Distribution merged = variants.front()->distribution;
  for (const ParameterPtr& one : variants) {
    const Distribution& other = one->distribution;
    if (other.kind == DistributionKind::real) merged.kind = DistributionKind::real;
    // (Ranges that begin elsewhere do not share their steps.)
    if (other.step != merged.step || other.low != merged.low)
      merged.step = merged.kind == DistributionKind::integer ? 1 : 0;
    merged.log = merged.log && other.log;
    merged.low = std::min(merged.low, other.low);
    merged.high = std::max(merged.high, other.high);
  }
  return merged;
}

Distribution merged_choices(const Column& column) {
  Distribution merged{DistributionKind::categorical};
  std::vector<Json>& all = merged.choices;
  const auto add = [&](const Json& choice) {
    if (std::find(all.begin(), all.end(), choice) == all.end()) all.push_back(choice);
  };
  for (const ParameterPtr& one : column.variants)
    for (const Json& choice : one->distribution.choices) add(choice);
  for (const auto& [trial, parameter] : column.cells)
    if (!is_categorical(parameter->parameter)) add(parameter->value());
  return merged;
}

}  // namespace

TrialColumns columns_of(std::span<const Trial> trials) {
  std::vector<Column> columns;
  std::map<std::string, std::size_t, std::less<>> by_name;
  // Trials share their parameters: a name is looked up once each.
  std::unordered_map<const SearchParameter*, std::size_t> known;
  for (std::size_t row = 0; row < trials.size(); ++row)
    for (const TrialParameter& one : trials[row].parameters) {
      auto found = known.find(one.parameter.get());
      if (found == known.end()) {
        const auto [place, is_new] = by_name.emplace(one.name(), columns.size());
        if (is_new) columns.push_back({one.name()});
        std::vector<ParameterPtr>& variants = columns[place->second].variants;
        if (std::none_of(variants.begin(), variants.end(), [&](const ParameterPtr& variant) {
              return variant->distribution == one.parameter->distribution;
            }))
          variants.push_back(one.parameter);
        found = known.emplace(one.parameter.get(), place->second).first;
      }
      columns[found->second].cells.emplace_back(row, &one);
    }
  TrialColumns made;
  std::vector<Dimension> dimensions;
  for (const Column& column : columns) {
    const bool alike = column.variants.size() == 1;
    const bool numeric =
        std::none_of(column.variants.begin(), column.variants.end(), is_categorical);
    const Distribution merged = alike     ? column.variants.front()->distribution
                                : numeric ? merged_range(column.variants)
                                          : merged_choices(column);
    std::vector<double>& values =
        made.values.emplace_back(trials.size(), std::numeric_limits<double>::quiet_NaN());
    for (const auto& [row, parameter] : column.cells)
      values[row] = alike || numeric ? parameter->internal
                                     : merged.internal_of(parameter->value(), column.name);
    dimensions.push_back({std::make_shared<SearchParameter>(SearchParameter{column.name, merged})});
  }
  made.space = Space(std::move(dimensions));
  return made;
}

}  // namespace hone
