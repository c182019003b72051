// Small dense matrix products, the inside of the fused kernels: libxsmm's generated code where
// there is libxsmm (x86-64), a portable vector kernel elsewhere. Row-major everywhere.
#pragma once

#include <cstdint>

namespace hone {

// m, n and k of the products that are the fastest of libxsmm's and of the portable ones.
inline constexpr std::int64_t gemm_block = 64;

struct GemmShape {
  std::int64_t m, n, k;
  std::int64_t lda, ldb, ldc;  // elements between rows, as stored
  bool transposed_a = false;   // a is stored as [k, m]
  bool accumulate = false;     // c += instead of c =
};

// c[m,n] (+)= a[m,k] b[k,n].
void gemm(const GemmShape& shape, const float* a, const float* b, float* c);
// The portable kernel, for machines without libxsmm and as a check of it.
void gemm_portable(const GemmShape& shape, const float* a, const float* b, float* c);

// to[columns, rows] = scale * from[rows, columns]^T; ld: elements between rows, as stored.
void transpose_into(const float* from, std::int64_t rows, std::int64_t columns,
                    std::int64_t ld_from, float* to, std::int64_t ld_to, float scale);

}  // namespace hone
