// Texts as other programs hand them over: padded batches and their masks.
#pragma once

#include "hone/graph/graph.hpp"
#include "hone/tasks/task.hpp"

namespace hone {

// Whether a graph reads packed texts where these are a padded batch: input_ids, attention_mask
// (absent: nothing is filled up) and token_type_ids (absent: all 0).
bool are_dense_texts(const Graph& graph, const Inputs& given);
// ids, type_ids, positions and offsets of it: tokens whose mask is not 0. Throws
// Error(invalid_argument) for tensors that are no whole numbers [batch,sequence] of one shape, and
// a text without tokens.
Inputs pack_dense_texts(const Inputs& given);

}  // namespace hone
