// What torch.save wrote before version 1.6 (and writes with _use_new_zipfile_serialization=False):
// no archive but a row of pickles - a magic number, the version of the protocol, what the machine
// was, the object, the keys of its storages - and then each storage as its number of elements
// (eight bytes) and its values, little-endian.
#pragma once

#include <span>
#include <string>

#include "hone/core/file.hpp"
#include "hone/core/tensor_store.hpp"

namespace hone {

// Whether it begins with the magic number.
bool is_legacy_torch(std::span<const std::byte> bytes);
// As read_torch_bin; there are no checksums, but every byte has to belong to something.
TensorStore read_legacy_torch(const MappedFile& map, const std::string& where);

}  // namespace hone
