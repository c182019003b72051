// Batch norm that goes into the convolution before it for good.
#pragma once

#include <set>
#include <string>

#include "hone/model/model.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {

// Puts batch norm of inference into the filters and biases of the convolutions before it, which
// stay parameters: `convs` names those that may change, by their outputs. A norm stays where
// something else reads the convolution or shares its filters. Returns how many went.
int fold_batch_norm(Model& model, const std::set<std::string>& convs);
// Of the convolutions whose filters take one of these formats, before they do.
int fold_batch_norm(Model& model, const Quantization& formats);

}  // namespace hone
