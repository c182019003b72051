// The safetensors format (https://huggingface.co/docs/safetensors): eight bytes with the length of
// a JSON header, the header, then the tensors' little-endian values end to end.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "hone/core/tensor_store.hpp"

namespace hone {

// All tensors in the order of their data, with their stored type. The file is mapped and its
// tensors share the map where alignment allows. Throws Error(bad_format) that names file and tensor
// for anything the format does not allow, Error(unsupported) for an element type hone does not
// have.
TensorStore read_safetensors(const std::filesystem::path& file);
// The same from memory; the tensors are copies. `where` is what messages call it.
TensorStore read_safetensors(std::span<const std::byte> bytes, const std::string& where);

// Writes every tensor with its type, atomically (complete or not there). "format": "pt" is what
// `transformers` asks for.
void write_safetensors(const std::filesystem::path& file, const TensorStore& tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace hone
