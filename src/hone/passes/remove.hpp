// Takes zeros out of a model: what masks left without effect becomes smaller shapes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/model/model.hpp"

namespace hone {

struct Removal {
  // Columns that are not computed any more: of the value of a linear node (feed-forward neurons),
  // or heads of an attention.
  struct Part {
    std::string node;
    std::int64_t before = 0, after = 0;
  };
  std::vector<Part> neurons, heads;
  std::vector<Part> channels;         // of the planes that a convolution gives
  std::vector<std::string> branches;  // linear nodes whose whole branch went
  std::int64_t parameters_before = 0, parameters_after = 0;
};

// Channels of planes go the same way where convolutions alone read them, with the numbers of their
// batch norms.
//
// Rewrites the model so that its answers stay the same (to the rounding of sums) while less is
// computed. Columns of a hidden value that nobody reads (zero columns in all products that read it)
// go, with the rows of the products that make them; columns that are the same for every row (a zero
// row: its bias, through what is done element by element and through attention, whose probabilities
// add up to one) go into the biases behind. Heads go as a whole; at least one head and one neuron
// stay, but a product of zeros takes its branch with it. Masks that keep everything that is left go
// as well.
//
// Throws Error(invalid_argument) when nothing can be removed, Error(unsupported) for a model whose
// numbers are rounded (that comes after) or that carries adapters (they are merged before).
Removal remove_structures(Model& model);

}  // namespace hone
