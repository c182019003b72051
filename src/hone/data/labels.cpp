#include "hone/data/labels.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <unordered_map>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

// NaN and infinity are numbers here.
std::optional<double> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (failed == std::errc::result_out_of_range) return HUGE_VAL;
  return failed == std::errc() ? std::optional(value) : std::nullopt;
}

[[noreturn]] void refuse_row(const Rows& rows, std::size_t row, std::string_view what,
                             const std::string& hint) {
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: {}", rows.place(row, rows.columns.label), what), hint);
}

// The different labels, each with the first row that has it.
using Different = std::map<std::string_view, std::size_t>;

Different different_labels(const Rows& rows) {
  std::unordered_map<std::string_view, std::size_t> found;
  for (std::size_t row = 0; row < rows.labels.size(); ++row) {
    if (rows.labels[row].empty())
      refuse_row(rows, row, "the label is empty", "fill it in or remove the row");
    found.try_emplace(rows.labels[row], row);
  }
  return {found.begin(), found.end()};
}

// The first row with a label that `holds` is false for; npos where there is none.
template <typename Holds>
std::size_t first_row_without(const Different& labels, const Holds& holds) {
  std::size_t first = std::string::npos;
  for (const auto& [label, row] : labels)
    if (!holds(label)) first = std::min(first, row);
  return first;
}

using Numbers = std::unordered_map<std::string_view, std::int32_t>;

// Labels with the same key are one class; classes in the order of their keys.
template <typename Key, typename Name>
Numbers number_by(const Different& labels, const Key& key_of, const Name& name_of,
                  std::vector<std::string>& names) {
  std::map<decltype(key_of(std::string_view())), std::vector<std::string_view>> classes;
  for (const auto& [label, row] : labels) classes[key_of(label)].push_back(label);
  Numbers numbers;
  for (const auto& [key, members] : classes) {
    for (const std::string_view label : members)
      numbers[label] = static_cast<std::int32_t>(names.size());
    names.push_back(name_of(key));
  }
  return numbers;
}

}  // namespace

std::optional<std::int64_t> whole_number(std::string_view label) {
  const std::optional<double> value = number(label);
  constexpr double exact = 9007199254740992;
  if (!value || !(std::abs(*value) <= exact) || *value != std::floor(*value)) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::optional<bool> truth_value(std::string_view label) {
  if (label == "true" || label == "True" || label == "TRUE") return true;
  if (label == "false" || label == "False" || label == "FALSE") return false;
  return std::nullopt;
}

void number_classes(const Rows& rows, TextData& data) {
  const Different labels = different_labels(rows);
  const auto is_number = [](std::string_view label) { return number(label).has_value(); };
  const auto is_whole = [](std::string_view label) { return whole_number(label).has_value(); };
  const auto is_truth = [](std::string_view label) { return truth_value(label).has_value(); };
  Numbers numbers;
  if (first_row_without(labels, is_number) == std::string::npos) {
    if (const std::size_t row = first_row_without(labels, is_whole); row != std::string::npos)
      refuse_row(rows, row, fmt::format("the label {} is not a whole number", rows.labels[row]),
                 "classes are whole numbers or names; real numbers are for models with one label");
    numbers = number_by(
        labels, [](std::string_view label) { return *whole_number(label); },
        [](std::int64_t value) { return std::to_string(value); }, data.label_names);
  } else if (first_row_without(labels, is_truth) == std::string::npos) {
    numbers = number_by(
        labels, [](std::string_view label) { return *truth_value(label); },
        [](bool value) { return value ? "true" : "false"; }, data.label_names);
  } else {
    numbers = number_by(
        labels, [](std::string_view label) { return label; },
        [](std::string_view label) { return std::string(label); }, data.label_names);
  }
  data.labels.reserve(rows.labels.size());
  for (const std::string& label : rows.labels) data.labels.push_back(numbers.at(label));
}

void read_values(const Rows& rows, TextData& data) {
  data.targets.reserve(rows.labels.size());
  for (std::size_t row = 0; row < rows.labels.size(); ++row) {
    const std::string& label = rows.labels[row];
    if (label.empty()) refuse_row(rows, row, "the value is empty", "fill it in or remove the row");
    const std::optional<double> value = number(label);
    if (!value || !std::isfinite(static_cast<float>(*value)))
      refuse_row(rows, row, fmt::format("'{}' is not a finite number", label),
                 "the model has one label: its data are real numbers, such as 0.5");
    data.targets.push_back(static_cast<float>(*value));
  }
  data.labels.assign(rows.labels.size(), 0);
}

}  // namespace hone
