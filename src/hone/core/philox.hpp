// Counter-based random numbers: Philox4x32 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). A number depends only on (seed, stream, index), never on the order of calls,
// so a resumed run draws what the uninterrupted one would have drawn.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace hone {

inline constexpr std::uint32_t philox_multiplier_0 = 0xD2511F53u;
inline constexpr std::uint32_t philox_multiplier_1 = 0xCD9E8D57u;
inline constexpr std::uint32_t philox_weyl_0 = 0x9E3779B9u;
inline constexpr std::uint32_t philox_weyl_1 = 0xBB67AE85u;
// Ten rounds is the authors' default; seven already pass BigCrush and serve for dropout masks.
inline constexpr int philox_rounds = 10;
inline constexpr int philox_mask_rounds = 7;

using PhiloxBlock = std::array<std::uint32_t, 4>;

inline PhiloxBlock philox(PhiloxBlock counter, std::array<std::uint32_t, 2> key,
                          int rounds = philox_rounds) {
  for (int round = 0; round < rounds; ++round) {
    const std::uint64_t product_0 = std::uint64_t{philox_multiplier_0} * counter[0];
    const std::uint64_t product_1 = std::uint64_t{philox_multiplier_1} * counter[2];
    counter = {static_cast<std::uint32_t>(product_1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product_1),
               static_cast<std::uint32_t>(product_0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product_0)};
    key[0] += philox_weyl_0;
    key[1] += philox_weyl_1;
  }
  return counter;
}

// A sequential view of one stream: (seed, stream) fixed, index counts up.
class RandomStream {
public:
  RandomStream(std::uint64_t seed, std::uint32_t stream) : stream_(stream) {
    key_ = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  }

  std::uint32_t next_u32() {
    if (used_ == 4) {
      block_ = philox({static_cast<std::uint32_t>(index_), static_cast<std::uint32_t>(index_ >> 32),
                       stream_, 0},
                      key_);
      ++index_;
      used_ = 0;
    }
    return block_[used_++];
  }
  // Uniform in [0, bound), without modulo bias (Lemire 2019); bound > 0.
  std::uint32_t below(std::uint32_t bound) {
    std::uint64_t product = std::uint64_t{next_u32()} * bound;
    const std::uint32_t threshold = (0u - bound) % bound;
    while (static_cast<std::uint32_t>(product) < threshold)
      product = std::uint64_t{next_u32()} * bound;
    return static_cast<std::uint32_t>(product >> 32);
  }
  // Uniform in (0, 1).
  double uniform() { return (next_u32() + 0.5) * 0x1p-32; }
  // Standard normal by Box and Muller; one of the pair is dropped to keep the stream simple.
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }

private:
  std::array<std::uint32_t, 2> key_{};
  std::uint32_t stream_;
  std::uint64_t index_ = 0;
  PhiloxBlock block_{};
  unsigned used_ = 4;
};

// FNV-1a: gives every named tensor a stream of its own.
inline std::uint32_t stream_of(std::string_view name) {
  std::uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

}  // namespace hone
