// The pickle inside a file of torch.save, read by a machine that executes nothing: it builds plain
// values, knows the few names that describe tensors, and refuses every other name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hone/core/tensor.hpp"

namespace hone {

// A tensor as the pickle describes it: a strided view of a storage that lies elsewhere in the
// archive.
struct PickledTensor {
  std::string name;
  DType dtype = DType::f32;
  std::string storage;                // key of the storage
  std::int64_t storage_elements = 0;  // its size as the pickle states it
  std::int64_t offset = 0;            // of the first element, in elements
  Shape shape;
  std::vector<std::int64_t> strides;  // in elements, one a dimension, none negative
};

// The tensors of a pickled state dict, in its order; every view lies inside its storage. Throws
// Error(bad_format) with the byte where the pickle is broken or refused, Error(unsupported) for
// contents that are not a plain dictionary of tensors. `where` starts the messages.
std::vector<PickledTensor> read_torch_pickle(std::span<const std::byte> bytes,
                                             const std::string& where);
// The same where the pickle begins at `position`, which is set to the byte after it.
std::vector<PickledTensor> read_torch_pickle(std::span<const std::byte> bytes,
                                             const std::string& where, std::size_t& position);

}  // namespace hone
