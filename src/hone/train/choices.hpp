// What a run takes from its model and data where nobody says otherwise.
#pragma once

#include "hone/model/model.hpp"

namespace hone {

// Whether more than half of the model's numbers were not read from files: a built-in model, or a
// directory without its encoder's weights.
bool starts_at_random(const Model& model);

// 5e-5 for a pre-trained model, as transformers. For one that starts at random 0.032 / hidden_size:
// 2.5e-4 for a width of 128 (the best rate of Adam falls as one over the width: Yang et al.,
// "Tensor Programs V", 2022). For an adapter 1e-3, twenty times that of all weights: its two
// matrices are small, and one starts at zero.
double default_learning_rate(const Model& model);
// 3 for a pre-trained model, as transformers, or an adapter; 8 for one that starts at random.
double default_epochs(const Model& model);

}  // namespace hone
