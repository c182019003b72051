// Points that fill the unit cube more evenly than random ones.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hone/core/philox.hpp"

namespace hone {

// Dimensions that Sobol's sequence has here; higher ones are random numbers.
inline constexpr std::size_t sobol_dimensions = 161;

// Coordinate `dimension` of point `index` of Sobol's sequence, as 32 binary digits.
std::uint32_t sobol_bits(std::uint32_t index, std::size_t dimension);
// Owen's nested scrambling: each digit is flipped or not by the digits before it (by hashing:
// Burley, "Practical hash-based Owen scrambling", JCGT 9, 2020; the hash is Laine and Karras').
std::uint32_t owen_scrambled(std::uint32_t bits, std::uint32_t seed);

// In (0, 1). Without `scramble` the sequence itself, its first point the origin.
double sobol(std::uint32_t index, std::size_t dimension, std::uint64_t seed, bool scramble);
// Halton's sequence: the digits of the index in the base of the dimension-th prime, mirrored; with
// `scramble` each digit by a random linear permutation of its place (Matousek, "On the
// L2-discrepancy for anchored boxes", 1998).
double halton(std::uint32_t index, std::size_t dimension, std::uint64_t seed, bool scramble);

}  // namespace hone
