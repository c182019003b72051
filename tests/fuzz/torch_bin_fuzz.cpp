// Any bytes as a file of torch.save. Most bytes fail the archive's checksums, so those that do not
// begin as a zip archive, nor as the files before torch 1.6, go straight to the pickle machine.
#include "hone/frontends/torch_bin.hpp"

#include <cstddef>
#include <cstdint>

#include "hone/core/error.hpp"
#include "hone/frontends/torch_legacy.hpp"
#include "hone/frontends/torch_pickle.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const bool archive = size >= 2 && data[0] == 'P' && data[1] == 'K';
    if (archive || hone::is_legacy_torch(bytes))
      hone::read_torch_bin(bytes, "fuzz");
    else
      hone::read_torch_pickle(bytes, "fuzz");
  } catch (const hone::Error& error) {
    if (error.code() == hone::ErrorCode::internal) __builtin_trap();
  }
  return 0;
}
