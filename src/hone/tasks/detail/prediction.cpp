#include "hone/tasks/prediction.hpp"

#include <algorithm>
#include <cmath>

namespace hone {

Prediction make_prediction(std::span<const float> logits, const Head& head,
                           const std::vector<std::string>& names) {
  Prediction result;
  result.logits.assign(logits.begin(), logits.end());
  if (head.sigmoid) {
    for (const float logit : logits)
      result.probabilities.push_back(1 / (1 + std::exp(-static_cast<double>(logit))));
    if (head.kind == HeadKind::labels)
      for (std::size_t i = 0; i < names.size(); ++i)
        if (result.probabilities[i] > 0.5) result.labels.push_back(names[i]);
  } else if (head.kind == HeadKind::classes) {
    const auto largest = std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - *largest);
    for (const float logit : logits)
      result.probabilities.push_back(std::exp(static_cast<double>(logit) - *largest) / sum);
    result.labels = {names[static_cast<std::size_t>(largest - logits.begin())]};
  }
  return result;
}

}  // namespace hone
