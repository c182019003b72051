// What a model says of one sample, by what its head means.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "hone/model/head.hpp"

namespace hone {

struct Prediction {
  std::vector<float> logits;  // [head.size]; of HeadKind::values they are the values
  // Of classes their softmax; the sigmoid of each logit where head.sigmoid; else empty.
  std::vector<double> probabilities;
  // The most probable class; of HeadKind::labels every label above one half; of values none.
  std::vector<std::string> labels;
};

// `names` are those of the head's labels.
Prediction make_prediction(std::span<const float> logits, const Head& head,
                           const std::vector<std::string>& names);

}  // namespace hone
