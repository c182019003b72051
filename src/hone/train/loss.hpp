// The loss of a model's answers.
#pragma once

#include "hone/model/model.hpp"

namespace hone {

// Appends the output "loss" f32[1] behind the output "logits": of classes the cross entropy with
// the input labels i32[B] (with `class_weights` weighted by the input of that name, f32[C]), of one
// value the mean squared error from the input targets f32[B]. Throws Error(unsupported) for heads
// that cannot be trained.
void append_loss(Graph& graph, const Head& head, bool class_weights);

}  // namespace hone
