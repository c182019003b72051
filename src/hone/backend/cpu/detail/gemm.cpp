#include "hone/backend/cpu/detail/gemm.hpp"

#ifdef HONE_HAVE_LIBXSMM
#include <libxsmm.h>
#endif

namespace hone {

void gemm(const GemmShape& s, const float* a, const float* b, float* c) {
  if (s.m == 0 || s.n == 0) return;
#ifdef HONE_HAVE_LIBXSMM
  if (s.k != 0) {
    // libxsmm is column-major: its product b^T a^T is our a b.
    const auto m = static_cast<libxsmm_blasint>(s.n);
    const auto n = static_cast<libxsmm_blasint>(s.m);
    const auto k = static_cast<libxsmm_blasint>(s.k);
    const auto lda = static_cast<libxsmm_blasint>(s.ldb);
    const auto ldb = static_cast<libxsmm_blasint>(s.lda);
    const auto ldc = static_cast<libxsmm_blasint>(s.ldc);
    const float alpha = 1;
    const float beta = s.accumulate ? 1.0f : 0.0f;
    const int flags = s.transposed_a ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE;
    const libxsmm_smmfunction kernel =
        libxsmm_smmdispatch(m, n, k, &lda, &ldb, &ldc, &alpha, &beta, &flags, nullptr);
    if (kernel != nullptr) {
      kernel(b, a, c);
      return;
    }
  }
#endif
  gemm_portable(s, a, b, c);
}

void transpose_into(const float* from, std::int64_t rows, std::int64_t columns,
                    std::int64_t ld_from, float* to, std::int64_t ld_to, float scale) {
  // Blocks of 16 x 16 keep both sides in cache.
  for (std::int64_t r0 = 0; r0 < rows; r0 += 16) {
    const std::int64_t r1 = r0 + 16 < rows ? r0 + 16 : rows;
    for (std::int64_t c0 = 0; c0 < columns; c0 += 16) {
      const std::int64_t c1 = c0 + 16 < columns ? c0 + 16 : columns;
      for (std::int64_t c = c0; c < c1; ++c)
        for (std::int64_t r = r0; r < r1; ++r) to[c * ld_to + r] = scale * from[r * ld_from + c];
    }
  }
}

}  // namespace hone
