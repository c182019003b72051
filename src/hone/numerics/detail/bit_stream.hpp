// Codes of 1 to 32 bits end to end, lowest bit first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hone {

// Bytes that `count` codes of `bits` bits take.
constexpr std::size_t packed_bytes(std::int64_t count, int bits) {
  return (static_cast<std::size_t>(count) * static_cast<std::size_t>(bits) + 7) / 8;
}

class BitWriter {
public:
  BitWriter(std::int64_t count, int bits) : bits_(bits) {
    bytes_.reserve(packed_bytes(count, bits));
  }

  // Bits of `code` above the width must be zero.
  void put(std::uint32_t code) {
    pending_ |= std::uint64_t{code} << filled_;
    for (filled_ += bits_; filled_ >= 8; filled_ -= 8, pending_ >>= 8)
      bytes_.push_back(static_cast<std::byte>(pending_ & 0xFF));
  }
  std::vector<std::byte> finish() {
    if (filled_ > 0) bytes_.push_back(static_cast<std::byte>(pending_ & 0xFF));
    filled_ = 0;
    return std::move(bytes_);
  }

private:
  int bits_;
  int filled_ = 0;
  std::uint64_t pending_ = 0;
  std::vector<std::byte> bytes_;
};

// The caller has checked that there are packed_bytes() bytes.
class BitReader {
public:
  // Begins at code number `first`.
  BitReader(const std::byte* bytes, int bits, std::int64_t first = 0) : bits_(bits) {
    const std::int64_t skipped = first * bits;
    next_ = bytes + skipped / 8;
    const int inside = static_cast<int>(skipped % 8);
    if (inside == 0) return;
    pending_ = std::uint64_t{static_cast<std::uint8_t>(*next_++)} >> inside;
    filled_ = 8 - inside;
  }

  std::uint32_t get() {
    for (; filled_ < bits_; filled_ += 8)
      pending_ |= std::uint64_t{static_cast<std::uint8_t>(*next_++)} << filled_;
    const auto code = static_cast<std::uint32_t>(pending_ & ((std::uint64_t{1} << bits_) - 1));
    pending_ >>= bits_;
    filled_ -= bits_;
    return code;
  }

private:
  const std::byte* next_;
  int bits_;
  int filled_ = 0;
  std::uint64_t pending_ = 0;
};

}  // namespace hone
