#include "hone/frontends/mapped_tensor.hpp"

#include <bit>
#include <cstdint>
#include <cstring>

#include <unistd.h>

#include "hone/core/error.hpp"
#include "hone/core/round_up.hpp"

namespace hone {

static_assert(std::endian::native == std::endian::little,
              "weights files are little-endian and are read in place");

bool can_share(const MappedFile& file, std::span<const std::byte> part, std::size_t element_size) {
  if (file.owner == nullptr || part.empty()) return false;
  if (reinterpret_cast<std::uintptr_t>(part.data()) % element_size != 0) return false;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t readable = round_up(file.bytes.size(), page);
  const auto end = static_cast<std::size_t>(part.data() - file.bytes.data()) + part.size();
  return end + 64 <= readable;
}

Tensor tensor_from_map(const MappedFile& file, std::span<const std::byte> part, DType dtype,
                       Shape shape) {
  if (can_share(file, part, size_of(dtype)))
    return Tensor(dtype, std::move(shape), std::const_pointer_cast<void>(file.owner),
                  const_cast<std::byte*>(part.data()));
  Tensor tensor(dtype, std::move(shape));
  if (tensor.bytes() != part.size())
    throw Error(ErrorCode::internal, "a tensor and the bytes of its file differ in size");
  if (!part.empty()) std::memcpy(tensor.data(), part.data(), part.size());
  return tensor;
}

}  // namespace hone
