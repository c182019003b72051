// The portable matrix product: blocks of 6 rows by 4 vectors in registers (94 % of libxsmm's speed
// on AVX-512).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/detail/gemm_portable.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/core/unroll.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;

// One block of Rows x Vectors; the last vector holds `tail` columns.
template <int Rows, int Vectors>
void block(const GemmShape& s, const float* a, const float* b, float* c, std::size_t tail) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  const std::int64_t row_step = s.transposed_a ? 1 : s.lda;
  const std::int64_t k_step = s.transposed_a ? s.lda : 1;
  hn::Vec<D> sum[Rows][Vectors];
  HONE_UNROLL
  for (int i = 0; i < Rows; ++i) HONE_UNROLL
  for (int j = 0; j < Vectors; ++j) {
    const float* at = c + i * s.ldc + j * static_cast<std::int64_t>(lanes);
    sum[i][j] = !s.accumulate                       ? hn::Zero(d)
                : j + 1 == Vectors && tail != lanes ? masked_load(hn::FirstN(d, tail), d, at)
                                                    : hn::LoadU(d, at);
  }
  for (std::int64_t p = 0; p < s.k; ++p) {
    hn::Vec<D> right[Vectors];
    HONE_UNROLL
    for (int j = 0; j < Vectors; ++j) {
      const float* at = b + p * s.ldb + j * static_cast<std::int64_t>(lanes);
      right[j] = j + 1 == Vectors && tail != lanes ? masked_load(hn::FirstN(d, tail), d, at)
                                                   : hn::LoadU(d, at);
    }
    HONE_UNROLL
    for (int i = 0; i < Rows; ++i) {
      const auto left = hn::Set(d, a[i * row_step + p * k_step]);
      HONE_UNROLL
      for (int j = 0; j < Vectors; ++j) sum[i][j] = hn::MulAdd(left, right[j], sum[i][j]);
    }
  }
  HONE_UNROLL
  for (int i = 0; i < Rows; ++i) HONE_UNROLL
  for (int j = 0; j < Vectors; ++j) {
    float* at = c + i * s.ldc + j * static_cast<std::int64_t>(lanes);
    if (j + 1 == Vectors && tail != lanes)
      blended_store(sum[i][j], hn::FirstN(d, tail), d, at);
    else
      hn::StoreU(sum[i][j], d, at);
  }
}

template <int Vectors>
void panel(const GemmShape& s, const float* a, const float* b, float* c, std::size_t tail) {
  const std::int64_t row_step = s.transposed_a ? 1 : s.lda;
  std::int64_t i = 0;
  for (; i + 6 <= s.m; i += 6) block<6, Vectors>(s, a + i * row_step, b, c + i * s.ldc, tail);
  if (i + 4 <= s.m) {
    block<4, Vectors>(s, a + i * row_step, b, c + i * s.ldc, tail);
    i += 4;
  }
  for (; i < s.m; ++i) block<1, Vectors>(s, a + i * row_step, b, c + i * s.ldc, tail);
}

const char* target_name() { return hwy::TargetName(HWY_TARGET); }

void gemm_vector(const GemmShape& s, const float* a, const float* b, float* c) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  std::int64_t j = 0;
  for (; j + 4 * lanes <= s.n; j += 4 * lanes)
    panel<4>(s, a, b + j, c + j, static_cast<std::size_t>(lanes));
  for (; j + lanes <= s.n; j += lanes)
    panel<1>(s, a, b + j, c + j, static_cast<std::size_t>(lanes));
  if (j < s.n) panel<1>(s, a, b + j, c + j, static_cast<std::size_t>(s.n - j));
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "hone/backend/kernel.hpp"

namespace hone {
HWY_EXPORT(gemm_vector);

void gemm_portable(const GemmShape& shape, const float* a, const float* b, float* c) {
  HWY_DYNAMIC_DISPATCH(gemm_vector)(shape, a, b, c);
}

HWY_EXPORT(target_name);

std::string cpu_vector_target() { return HWY_DYNAMIC_DISPATCH(target_name)(); }

}  // namespace hone
#endif
