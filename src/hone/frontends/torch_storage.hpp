// From the storages of a file of torch.save to tensors: what both of its formats share.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "hone/core/file.hpp"
#include "hone/core/tensor_store.hpp"
#include "hone/frontends/torch_pickle.hpp"

namespace hone {

// The values of one storage: a part of the mapped file, or unpacked memory.
struct TorchStorage {
  MappedFile home;
  std::span<const std::byte> bytes;
  bool taken = false;  // a tensor uses this memory; any other one copies
};
using TorchStorages = std::map<std::string, TorchStorage>;

// How much memory beyond its own a file may ask for. Weights hardly compress and a state dict
// repeats a storage two or three times at most.
std::uint64_t plausible_memory(std::size_t file_size);

// Bytes of a tensor's storage as its description states them. Throws Error(bad_format) when they
// cannot be counted.
std::uint64_t stated_bytes(const PickledTensor& tensor, const std::string& where);

// The tensors over their storages, which are all there: contiguous, in place where alignment allows
// and no other tensor has the memory. Throws Error(bad_format) when a storage has another size than
// its tensor says, or the tensors take more memory than is plausible for a file of `file_size`
// bytes.
TensorStore make_tensors(const std::vector<PickledTensor>& tensors, TorchStorages& storages,
                         std::size_t file_size, const std::string& where);

}  // namespace hone
