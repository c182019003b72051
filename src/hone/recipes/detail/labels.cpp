#include "hone/recipes/labels.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/letters.hpp"
#include "hone/core/text.hpp"
#include "hone/data/labels.hpp"
#include "hone/model/model.hpp"

namespace hone {
namespace {

using Names = std::vector<std::string>;

constexpr std::string_view default_name = "LABEL_";

// LABEL_0, LABEL_1, ...: what transformers writes where nobody named the classes.
bool are_default_names(const Names& names) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] != fmt::format("LABEL_{}", i)) return false;
  return true;
}

// The only one of `names` that `same` holds for, else -1.
template <typename Same>
std::int32_t only(const Names& names, const Same& same) {
  const auto found = std::find_if(names.begin(), names.end(), same);
  if (found == names.end() || std::any_of(found + 1, names.end(), same)) return -1;
  return static_cast<std::int32_t>(found - names.begin());
}

// The class that a label names, -1 for none.
std::int32_t named_class(const std::string& label, const Names& classes, const Names& labels) {
  const std::int32_t exact = only(classes, [&](const std::string& name) { return name == label; });
  if (exact >= 0) return exact;
  if (const auto number = whole_number(label)) {
    const std::int32_t same =
        only(classes, [&](const std::string& name) { return whole_number(name) == number; });
    if (same >= 0) return same;
  }
  if (const auto truth = truth_value(label)) {
    const std::int32_t same = only(classes, [&](const std::string& name) {
      return truth_value(name) == truth || whole_number(name) == std::int64_t{*truth};
    });
    if (same >= 0) return same;
  }
  const auto same = [&](const std::string& name) { return lower_case(name) == lower_case(label); };
  return only(labels, same) < 0 ? -1 : only(classes, same);
}

// The class that a label numbers, -1 for none.
std::int32_t numbered_class(const std::string& label, std::size_t classes) {
  std::optional<std::int64_t> number =
      whole_number(label.starts_with(default_name) ? label.substr(default_name.size()) : label);
  if (const auto truth = truth_value(label); truth && classes == 2) number = *truth ? 1 : 0;
  return number && *number >= 0 && *number < static_cast<std::int64_t>(classes)
             ? static_cast<std::int32_t>(*number)
             : -1;
}

// The only number in a name, such as that of "2 stars"; nothing for none, for two, and where a sign
// or a point may belong to it.
std::optional<std::int64_t> held_number(const std::string& name) {
  constexpr std::string_view digits = "0123456789";
  const std::size_t begin = name.find_first_of(digits);
  if (begin == std::string::npos) return std::nullopt;
  const std::size_t end = std::min(name.find_first_not_of(digits, begin), name.size());
  const bool is_plain =
      begin == 0 || std::string_view("+-.,").find(name[begin - 1]) == std::string_view::npos;
  if (!is_plain || name.find_first_of(digits, end) != std::string::npos) return std::nullopt;
  return whole_number(name.substr(begin, end - begin));
}

// The class whose name holds the number that the label is, -1 for none. It is meant only where the
// names of all classes hold one, each its own.
std::int32_t held_class(const std::string& label, const Names& classes) {
  std::set<std::int64_t> held;
  for (const std::string& name : classes)
    if (const auto number = held_number(name)) held.insert(*number);
  const auto number = whole_number(label);
  if (!number || held.size() != classes.size()) return -1;
  return only(classes, [&](const std::string& name) { return held_number(name) == number; });
}

// Labels of the data by class of the model, -1 where it has none.
std::vector<std::int32_t> find_classes(const Names& labels, const Names& classes,
                                       const Names& own_classes) {
  std::vector<std::int32_t> found;
  for (const std::string& label : labels) found.push_back(named_class(label, classes, labels));
  if (std::any_of(found.begin(), found.end(), [](std::int32_t number) { return number >= 0; }))
    return found;
  const bool numbered = own_classes == labels && are_default_names(classes);
  // Numbers in the names are not those of their places: "2 stars" is no class 2.
  const bool by_place = are_default_names(classes) ||
                        std::none_of(classes.begin(), classes.end(), [](const std::string& name) {
                          return name.find_first_of("0123456789") != std::string::npos;
                        });
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (numbered)
      found[i] = i < classes.size() ? static_cast<std::int32_t>(i) : -1;
    else if (by_place || labels[i].starts_with(default_name))
      found[i] = numbered_class(labels[i], classes.size());
    else
      found[i] = held_class(labels[i], classes);
  }
  // Beside names of its own a model's numbers count only where all labels are numbers.
  if (!are_default_names(classes) && std::count(found.begin(), found.end(), -1) > 0)
    std::fill(found.begin(), found.end(), -1);
  return found;
}

[[noreturn]] void fail_unknown(const TokenizedData& data, std::int32_t label,
                               const std::string& model, const Names& classes,
                               const DataRequest& request) {
  const auto row = static_cast<std::size_t>(
      std::find(data.labels.begin(), data.labels.end(), label) - data.labels.begin());
  // Rows keep no lines once they are tokens: they are read again, if they are still there.
  TextData texts;
  try {
    texts = load_texts(request);
  } catch (const Error&) {
    texts.source = request.location;
  }
  std::string place = texts.source;
  if (row < texts.lines.size())
    place += fmt::format(": line {}: column '{}'", texts.lines[row],
                         request.options.text_or("label", "label"));
  else
    place += fmt::format(": sample {}", row);
  const std::string& name = data.label_names[static_cast<std::size_t>(label)];
  const std::string meant = nearest(name, classes);
  throw Error(
      ErrorCode::bad_format,
      fmt::format("{}: {} has no class '{}'; its classes: {}", place, model, name,
                  fmt::join(classes, ", ")),
      (meant.empty() ? "" : fmt::format("did you mean '{}'? ", meant)) +
          (are_default_names(classes)
               ? fmt::format("a model without names for its classes knows the numbers 0 to {}",
                             classes.size() - 1)
               : "give the data the labels of the model") +
          "; to train on these, start a new classifier with --fresh-head");
}

}  // namespace

LabelUse label_use(const Head& head) {
  if (head.kind == HeadKind::classes) return LabelUse::classes;
  if (head.kind == HeadKind::values && head.size == 1) return LabelUse::values;
  throw Error(ErrorCode::unsupported,
              fmt::format("the model gives {} {} for a text; data have one label a text", head.size,
                          head.kind == HeadKind::values ? "values" : "labels by themselves"),
              "hone predict shows what it gives; a classifier starts with --fresh-head");
}

void match_labels(TokenizedData& data, const Model& model, const DataRequest& request,
                  const std::function<void(const std::string&)>& say) {
  if (data.label_names.empty()) return;
  const Names& classes = model.labels;
  const Names& labels = data.label_names;
  const Names& own_classes = find_dataset(request.kind).classes;
  const std::vector<std::int32_t> numbers = find_classes(labels, classes, own_classes);
  std::vector<std::string> by_number;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<std::int32_t>(i);
    if (numbers[i] < 0 &&
        std::find(data.labels.begin(), data.labels.end(), label) != data.labels.end())
      fail_unknown(data, label, model.name, classes, request);
    if (numbers[i] >= 0 && named_class(labels[i], classes, labels) < 0)
      by_number.push_back(
          fmt::format("{} is {}", labels[i], classes[static_cast<std::size_t>(numbers[i])]));
  }
  if (say && !by_number.empty() && !(are_default_names(classes) && own_classes.empty()))
    say(fmt::format("labels of the data are taken for numbers of the model's classes: {}",
                    fmt::join(by_number, ", ")));
  for (std::int32_t& label : data.labels) label = numbers[static_cast<std::size_t>(label)];
  data.label_names = classes;
}

void name_classes(Model& model, const Names& names,
                  const std::function<void(const std::string&)>& say) {
  const bool numbers = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return numbered_class(name, names.size()) >= 0;
  });
  if (!are_default_names(model.labels) || names.size() != model.labels.size() || numbers ||
      names == model.labels)
    return;
  if (say)
    say(fmt::format("{}: its classes {} take the names of the data: {}", model.name,
                    fmt::join(model.labels, ", "), fmt::join(names, ", ")));
  model.labels = names;
}

void require_classes(const TokenizedData& data, const std::string& model) {
  if (!data.targets.empty())
    throw Error(ErrorCode::unsupported, model + ": gives a value: it has no accuracy to compare",
                "hone eval measures the errors of its values");
}

void check_two_classes(const TokenizedData& data, const std::string& source) {
  if (data.label_names.empty()) return;
  const std::set<std::int32_t> present(data.labels.begin(), data.labels.end());
  if (present.size() != 1) return;
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: every sample has the label '{}'; expected at least two classes",
                          source, data.label_names[static_cast<std::size_t>(*present.begin())]),
              "add samples of another class");
}

}  // namespace hone
