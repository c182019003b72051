// Any bytes as a safetensors file: tensors or hone::Error, nothing else.
#include "hone/frontends/safetensors.hpp"

#include <cstddef>
#include <cstdint>

#include "hone/core/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto store = hone::read_safetensors(std::as_bytes(std::span(data, size)), "fuzz");
    std::size_t total = 0;
    for (const std::string& name : store.names()) total += store.at(name).bytes();
    if (total > size) __builtin_trap();
  } catch (const hone::Error& error) {
    if (error.code() == hone::ErrorCode::internal) __builtin_trap();
  }
  return 0;
}
