// Texts as other programs hand them over: padded batches and their masks.
#pragma once

#include "hone/model/model.hpp"
#include "hone/tasks/task.hpp"

namespace hone {

// Whether a model reads packed texts where these are a padded batch: input_ids, attention_mask
// (absent: nothing is filled up) and token_type_ids (absent: all 0).
bool are_dense_texts(const Model& model, const Inputs& given);
// ids, type_ids, positions and offsets of it. Throws Error(invalid_argument) for tensors that are
// no whole numbers [batch,sequence] of one shape, a text without tokens, one that is not filled up
// behind its tokens (places would be others), numbers that the model has no rows for.
Inputs pack_dense_texts(const Model& model, const Inputs& given);

}  // namespace hone
