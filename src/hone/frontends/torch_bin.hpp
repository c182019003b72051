// `pytorch_model.bin`: what torch.save writes. Since version 1.6 a zip archive with the pickled
// description in NAME/data.pkl and the values of each storage in NAME/data/KEY; before, a row of
// pickles (torch_legacy.hpp).
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "hone/core/tensor_store.hpp"

namespace hone {

// All tensors of the state dict in its order, with their stored type. Nothing is executed: a pickle
// that asks for anything but tensors is an Error(bad_format) that names what it wanted. Archives
// that are truncated or fail their checksums are Error(bad_format); files of torch before 0.4 and
// TorchScript are Error(unsupported). Stored (not deflated) values are mapped, not copied,
// where alignment allows; strided views are made contiguous; two tensors never share memory.
TensorStore read_torch_bin(const std::filesystem::path& file);
// The same from memory; the tensors are copies. `where` is what messages call it.
TensorStore read_torch_bin(std::span<const std::byte> bytes, const std::string& where);

}  // namespace hone
