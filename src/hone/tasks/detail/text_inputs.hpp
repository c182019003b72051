// Texts as inputs: tokens end to end, without padding.
#pragma once

#include "hone/tasks/task.hpp"

namespace hone {

// From the columns ids (i32) and, where it is there, type_ids (u8), both by token: ids, type_ids
// and positions i32[T], positions restarting at 0 in each text, and offsets i32[B+1]. Throws
// Error(invalid_argument) for more than 2^31 - 1 tokens.
void fill_texts(const Dataset& data, SampleNumbers numbers, Inputs& inputs);

}  // namespace hone
