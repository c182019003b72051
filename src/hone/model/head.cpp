#include "hone/model/head.hpp"

#include <vector>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {

Head make_head(const std::string& problem_type, std::int64_t labels, const std::string& where) {
  if (problem_type == "regression") return {HeadKind::values, labels, false};
  if (problem_type == "multi_label_classification") return {HeadKind::labels, labels, true};
  if (problem_type.empty())
    return labels == 1 ? Head{HeadKind::values, 1, true} : Head{HeadKind::classes, labels, false};
  const std::vector<std::string> known{"single_label_classification", "regression",
                                       "multi_label_classification"};
  const std::string place = fmt::format("{}: key 'problem_type': ", where);
  if (problem_type != "single_label_classification")
    throw Error(ErrorCode::unsupported,
                place + "'" + printable(problem_type, 100) + "' is not supported",
                did_you_mean(problem_type, known));
  if (labels == 1)
    throw Error(ErrorCode::unsupported, place + "one label is no choice between classes",
                "for a value: \"regression\"; for yes or no by a sigmoid: "
                "\"multi_label_classification\"");
  return {HeadKind::classes, labels, false};
}

const char* text_task(const Head& head) {
  switch (head.kind) {
    case HeadKind::classes: return "text_classification";
    case HeadKind::values: return "text_regression";
    case HeadKind::labels: break;
  }
  return "text_labels";
}

}  // namespace hone
