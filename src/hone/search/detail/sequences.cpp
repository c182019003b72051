#include "hone/search/detail/sequences.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "hone/search/detail/sobol_numbers.hpp"

namespace hone {
namespace {

using Directions = std::array<std::uint32_t, 32>;

std::vector<Directions> make_directions() {
  std::vector<Directions> all(sobol_dimensions);
  for (std::size_t bit = 0; bit < 32; ++bit) all[0][bit] = 1u << (31 - bit);
  std::size_t next = 0;
  for (std::size_t d = 1; d < all.size(); ++d) {
    const std::uint32_t polynomial = sobol_polynomials[d - 1];
    const auto degree = static_cast<std::size_t>(std::bit_width(polynomial) - 1);
    std::array<std::uint32_t, 32> m{};
    for (std::size_t k = 0; k < 32; ++k) {
      if (k < degree) {
        m[k] = sobol_numbers[next++];
      } else {
        m[k] = m[k - degree] ^ m[k - degree] << degree;
        for (std::size_t i = 1; i < degree; ++i)
          if ((polynomial >> (degree - i) & 1) != 0) m[k] ^= m[k - i] << i;
      }
      all[d][k] = m[k] << (31 - k);
    }
  }
  return all;
}

std::uint32_t reversed(std::uint32_t bits) {
  bits = (bits & 0x55555555u) << 1 | (bits >> 1 & 0x55555555u);
  bits = (bits & 0x33333333u) << 2 | (bits >> 2 & 0x33333333u);
  bits = (bits & 0x0F0F0F0Fu) << 4 | (bits >> 4 & 0x0F0F0F0Fu);
  bits = (bits & 0x00FF00FFu) << 8 | (bits >> 8 & 0x00FF00FFu);
  return bits << 16 | bits >> 16;
}

std::uint32_t hashed(std::uint64_t seed, std::size_t dimension, std::uint32_t index,
                     std::uint32_t what) {
  return philox({static_cast<std::uint32_t>(dimension), index, what, 0},
                {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)})[0];
}

std::uint32_t prime(std::size_t index) {
  static const std::vector<std::uint32_t> primes = [] {
    std::vector<std::uint32_t> found;
    for (std::uint32_t n = 2; found.size() < sobol_dimensions; ++n)
      if (std::none_of(found.begin(), found.end(), [&](std::uint32_t p) { return n % p == 0; }))
        found.push_back(n);
    return found;
  }();
  return primes[index];
}

}  // namespace

std::uint32_t sobol_bits(std::uint32_t index, std::size_t dimension) {
  static const std::vector<Directions> directions = make_directions();
  std::uint32_t bits = 0;
  for (std::size_t k = 0; index != 0; ++k, index >>= 1)
    if ((index & 1) != 0) bits ^= directions[dimension][k];
  return bits;
}

std::uint32_t owen_scrambled(std::uint32_t bits, std::uint32_t seed) {
  // In mirrored order every step lets a digit depend on lower ones only.
  std::uint32_t x = reversed(bits);
  x += seed;
  x ^= x * 0x6c50b47cu;
  x ^= x * 0xb82f1e52u;
  x ^= x * 0xc7afe638u;
  x ^= x * 0x8d22f6e6u;
  return reversed(x);
}

double sobol(std::uint32_t index, std::size_t dimension, std::uint64_t seed, bool scramble) {
  if (dimension >= sobol_dimensions) return (hashed(seed, dimension, index, 1) + 0.5) * 0x1p-32;
  const std::uint32_t bits = sobol_bits(index, dimension);
  if (!scramble) return (bits + 0.5) * 0x1p-32;
  return (owen_scrambled(bits, hashed(seed, dimension, 0, 2)) + 0.5) * 0x1p-32;
}

double halton(std::uint32_t index, std::size_t dimension, std::uint64_t seed, bool scramble) {
  if (dimension >= sobol_dimensions) return (hashed(seed, dimension, index, 1) + 0.5) * 0x1p-32;
  const std::uint32_t base = prime(dimension);
  double value = 0, place = 1;
  for (std::uint32_t digits = 0; place > 0x1p-40; ++digits, index /= base) {
    place /= base;
    std::uint32_t digit = index % base;
    if (scramble) {
      const std::uint32_t factor = 1 + hashed(seed, dimension, digits, 3) % (base - 1);
      const std::uint32_t shift = hashed(seed, dimension, digits, 4) % base;
      digit = static_cast<std::uint32_t>((std::uint64_t{digit} * factor + shift) % base);
    }
    value += digit * place;
  }
  return std::clamp(value, 0x1p-33, 1 - 0x1p-33);
}

}  // namespace hone
