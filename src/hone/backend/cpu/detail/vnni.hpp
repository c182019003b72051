// Products of bytes by AVX-512 VNNI: unsigned codes of the left side, signed codes of the right
// side in panels of 16 columns (int8_product.hpp).
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define HONE_VNNI 1
#if !defined(__clang__)
// GCC's own headers leave a register undefined on purpose.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <hwy/targets.h>
#include <immintrin.h>

#include <cstdint>

#include "hone/core/unroll.hpp"

#define HONE_VNNI_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#endif

#include <string>

namespace hone {

#ifdef HONE_VNNI

inline bool has_vnni() {
  // Vectors may be limited to a smaller set, for tests.
  return (hwy::SupportedTargets() & HWY_AVX3) != 0 && __builtin_cpu_supports("avx512vnni") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0;
}

HONE_VNNI_TARGET inline __m512i four_codes(const std::uint8_t* at) {
  std::int32_t four;
  __builtin_memcpy(&four, at, 4);
  return _mm512_set1_epi32(four);
}

// sums[r][p] += the products of `columns` codes (a multiple of 4): row r of x, `stride` bytes
// apart, and panel p of w, `panel` bytes apart.
template <int Rows, int Panels>
HONE_VNNI_TARGET inline void add_products(const std::uint8_t* x, std::int64_t stride,
                                          const std::int8_t* w, std::int64_t panel,
                                          std::int64_t columns, __m512i (&sums)[Rows][Panels]) {
  const std::uint8_t* const end = x + columns;
  for (; x != end; x += 4, w += 64) {
    __m512i codes[Panels];
    HONE_UNROLL for (int p = 0; p < Panels; ++p) codes[p] = _mm512_load_si512(w + p * panel);
    HONE_UNROLL for (int r = 0; r < Rows; ++r) {
      const __m512i four = four_codes(x + r * stride);
      HONE_UNROLL for (int p = 0; p < Panels; ++p) {
        // Of large tiles GCC 12 copies and spills the sums around its built-in function.
        if constexpr (Rows * Panels > 12)
          asm("vpdpbusd %2, %1, %0" : "+v"(sums[r][p]) : "v"(four), "v"(codes[p]));
        else
          sums[r][p] = _mm512_dpbusd_epi32(sums[r][p], four, codes[p]);
      }
    }
  }
}

// The first `left` lanes of sixteen: at most all, at least none.
inline __mmask16 lanes_left(std::int64_t left) {
  return left >= 16 ? 0xFFFF : left <= 0 ? 0 : static_cast<__mmask16>((1u << left) - 1u);
}

// Calls body.operator()<Rows, Panels>(row, column) for tiles of Rows rows and Panels * 16 columns
// that cover `rows` rows and `columns` columns (a multiple of 16): Step rows and four panels where
// they fit.
template <int Step, typename Body>
void for_tiles(std::int64_t rows, std::int64_t columns, const Body& body) {
  const auto down = [&]<int Panels>(std::int64_t column) {
    std::int64_t row = 0;
    for (; row + Step <= rows; row += Step) body.template operator()<Step, Panels>(row, column);
    for (; row + 2 <= rows; row += 2) body.template operator()<2, Panels>(row, column);
    for (; row < rows; ++row) body.template operator()<1, Panels>(row, column);
  };
  std::int64_t column = 0;
  for (; column + 64 <= columns; column += 64) down.template operator()<4>(column);
  for (; column < columns; column += 16) down.template operator()<1>(column);
}

#else
inline bool has_vnni() { return false; }
#endif

// Kernel::missing.
inline std::string missing_vnni() { return has_vnni() ? "" : "this machine has no AVX-512 VNNI"; }

}  // namespace hone
