// Products by AMX. Of bytes: tiles of sixteen rows of unsigned codes meet panels of sixteen columns
// of signed codes (int8_product.hpp), whose layout is that of its tiles. Of bfloat16: pairs of
// numbers take the place of four codes.
#pragma once

#include "hone/backend/cpu/detail/vnni.hpp"

#if defined(HONE_VNNI) && defined(__linux__)
#define HONE_AMX 1
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HONE_AMX_TARGET \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,amx-tile,amx-int8")))
#endif

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace hone {

inline constexpr std::int64_t amx_rows = 16;

// Columns of a tile: as many, in whole fours and at most 64, as `columns` has a whole number of
// times; 0 where a tile would be nearly empty.
inline std::int64_t amx_columns(std::int64_t columns) {
  for (std::int64_t step = 64; step >= 16; step -= 4)
    if (columns > 0 && columns % step == 0) return step;
  return 0;
}

#ifdef HONE_AMX

// Linux lends the registers to a process that asks. `kind`: a bit of cpuid 7, edx.
inline bool has_amx_of(unsigned kind) {
  static const unsigned lent = [] {
    constexpr long request = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM
    constexpr unsigned tiles = 1u << 24;
    unsigned a = 0, b = 0, c = 0, d = 0;
    const bool there = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & tiles) != 0;
    return there && syscall(SYS_arch_prctl, request, tile_data) == 0 ? d : 0u;
  }();
  // (AVX3_DL are machines with VNNI: tests that limit vectors to AVX3 take VNNI.)
  return (lent & kind) != 0 && has_vnni() && (hwy::SupportedTargets() & HWY_AVX3_DL) != 0;
}
inline bool has_amx() { return has_amx_of(1u << 25); }
// (Every machine that has it rounds to bfloat16 by an instruction too.)
inline bool has_amx_bf16() { return has_amx_of(1u << 22); }

// What is read at `at` stands in memory: GCC's own functions do not say that they read it.
inline void written(const void* at) { asm volatile("" : : "r"(at) : "memory"); }

// The tiles of a thread while it lives: 0 to 3 are sums of `rows` x 16, 4 and 5 rows of `columns`
// codes, 6 and 7 panels of as many.
class AmxTiles {
public:
  HONE_AMX_TARGET AmxTiles(std::int64_t rows, std::int64_t columns) {
    struct alignas(64) {
      std::uint8_t palette = 1, start = 0, reserved[14] = {};
      std::uint16_t bytes[16] = {};
      std::uint8_t rows[16] = {};
    } shape;
    for (int tile = 0; tile < 8; ++tile) {
      const bool codes = tile == 4 || tile == 5, panels = tile > 5;
      shape.bytes[tile] = static_cast<std::uint16_t>(codes ? columns : 64);
      shape.rows[tile] = static_cast<std::uint8_t>(panels ? columns / 4 : rows);
    }
    written(&shape);
    _tile_loadconfig(&shape);
  }
  HONE_AMX_TARGET ~AmxTiles() { _tile_release(); }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;
};

// Codes of a row that lie together: `length` of them at each distance of `runs` from its first.
struct AmxRuns {
  std::span<const std::int64_t> runs;
  std::int64_t length;
  std::int64_t step;  // columns of a tile
};

// sums[t * 16 + r][p * 16 + j], i32: the products of row r of tile t, whose first row begins at
// x[t] and whose rows are `stride` bytes apart, and column j of panel p of w, `panel` bytes apart.
template <int Tiles, int Panels>
HONE_AMX_TARGET inline void amx_products(const std::uint8_t* const (&x)[Tiles], std::int64_t stride,
                                         const AmxRuns& row, const std::int8_t* w,
                                         std::int64_t panel, std::int32_t* sums) {
  written(w);
  _tile_zero(0);
  if constexpr (Panels == 2) _tile_zero(1);
  if constexpr (Tiles == 2) _tile_zero(2);
  if constexpr (Tiles == 2 && Panels == 2) _tile_zero(3);
  for (const std::int64_t run : row.runs)
    for (std::int64_t k = run; k < run + row.length; k += row.step, w += row.step * 16) {
      _tile_loadd(6, w, 64);
      _tile_loadd(4, x[0] + k, stride);
      _tile_dpbusd(0, 4, 6);
      if constexpr (Panels == 2) {
        _tile_loadd(7, w + panel, 64);
        _tile_dpbusd(1, 4, 7);
      }
      if constexpr (Tiles == 2) {
        _tile_loadd(5, x[1] + k, stride);
        _tile_dpbusd(2, 5, 6);
        if constexpr (Panels == 2) _tile_dpbusd(3, 5, 7);
      }
    }
  constexpr std::int64_t bytes = std::int64_t{Panels} * 64;
  constexpr std::int64_t next = amx_rows * Panels * 16;
  _tile_stored(0, sums, bytes);
  if constexpr (Panels == 2) _tile_stored(1, sums + 16, bytes);
  if constexpr (Tiles == 2) _tile_stored(2, sums + next, bytes);
  if constexpr (Tiles == 2 && Panels == 2) _tile_stored(3, sums + next + 16, bytes);
}

#else
inline bool has_amx() { return false; }
inline bool has_amx_bf16() { return false; }
#endif

// Kernel::missing.
inline std::string missing_amx() {
  return has_amx() ? "" : "this machine has no AMX for bytes, or its system does not lend it";
}
inline std::string missing_amx_bf16() {
  return has_amx_bf16() ? ""
                        : "this machine has no AMX for bfloat16, or its system does not lend it";
}

}  // namespace hone
