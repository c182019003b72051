// Named tensors in files of other programs: safetensors, and numpy's .npz and .npy.
#pragma once

#include <filesystem>

#include "hone/core/tensor_store.hpp"

namespace hone {

// By the ending of the name; an .npy holds one tensor, which is called "". Elements stay as they
// are stored. Throws Error(unsupported) for another ending, an element type that hone does not
// have, Fortran order and byte orders of other machines; Error(bad_format) for a damaged file.
TensorStore read_arrays(const std::filesystem::path& file);
// The same, complete or not at all. An .npy takes one tensor alone; numpy has no bfloat16, which
// .npz and .npy refuse.
void write_arrays(const std::filesystem::path& file, const TensorStore& tensors);

}  // namespace hone
