// The part of a model directory that says which number formats its values take.
#pragma once

#include "hone/frontends/hugging_face.hpp"
#include "hone/train/model.hpp"

namespace hone {

// What this hone writes.
inline constexpr int quantization_version = 1;

// Takes formats and packed parameters of `files` into the model; nothing when there are none.
// Throws Error(bad_format) naming the file and the parameter, Error(unsupported) for a newer
// version.
void read_quantization(Model& model, ModelFiles& files);

}  // namespace hone
