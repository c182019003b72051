// Vector arithmetic shared by the kernels; included once per vector target (Highway's convention).
#if defined(HONE_MATH_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_MATH_INL_HPP
#undef HONE_MATH_INL_HPP
#else
#define HONE_MATH_INL_HPP
#endif

#include "hone/core/highway-inl.hpp"

#include <cstdint>

#include "hone/core/philox-inl.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// 2^f for f in [-1/2, 1/2] by a minimax polynomial, relative error below 1e-7.
HWY_INLINE VecF exp2_of_fraction(VecF f) {
  const F32 d;
  VecF p = hn::Set(d, 1.53531815e-4f);
  p = hn::MulAdd(p, f, hn::Set(d, 1.33945680e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 9.61850972e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 5.55035339e-2f));
  p = hn::MulAdd(p, f, hn::Set(d, 2.40226467e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 6.93147180e-1f));
  return hn::MulAdd(p, f, hn::Set(d, 1.0f));
}

// 2^x for x in [-126, 127]: 2^x = 2^n 2^f.
HWY_INLINE VecF exp2_in_range(VecF x) {
  const F32 d;
  const VecF n = hn::Round(x);
  const VecF p = exp2_of_fraction(hn::Sub(x, n));
  const auto exponent = hn::ShiftLeft<23>(hn::ConvertTo(I32(), n));
  return hn::BitCast(d, hn::Add(hn::BitCast(I32(), p), exponent));
}

// 2^x for x <= 127; below -126 it gives 0. NaN stays NaN.
HWY_INLINE VecF exp2_vector(VecF x) {
  const F32 d;
  const VecF low = hn::Set(d, -126.0f);
  return hn::IfThenElse(hn::Ge(x, low), exp2_in_range(hn::Max(x, low)),
                        max_or_second(hn::Zero(d), x));
}

// e^x for x <= 88; below -87 it gives 0. NaN stays NaN.
HWY_INLINE VecF exp_vector(VecF x) { return exp2_vector(hn::Mul(x, hn::Set(F32(), 1.44269504f))); }

// The logarithm to base 2 of a normal x > 0, to 2e-7 of itself or of 1: x = 2^n m with m between
// 2/3 and 4/3, and log(m) = 2 atanh(t), t = (m - 1) / (m + 1), by its series. Of 0, infinity and
// NaN -infinity, infinity and NaN.
HWY_INLINE VecF log2_vector(VecF x) {
  const F32 d;
  const I32 di;
  const auto bits = hn::BitCast(di, x);
  // n rounds so that what is left begins at 2/3.
  const auto n = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, 0x3f2aaaab)));
  const VecF m = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(n)));
  const VecF one = hn::Set(d, 1.0f);
  const VecF t = hn::Div(hn::Sub(m, one), hn::Add(m, one));
  const VecF s = hn::Mul(t, t);
  VecF p = hn::Set(d, 2.88539008f / 9);
  p = hn::MulAdd(p, s, hn::Set(d, 2.88539008f / 7));
  p = hn::MulAdd(p, s, hn::Set(d, 2.88539008f / 5));
  p = hn::MulAdd(p, s, hn::Set(d, 2.88539008f / 3));
  p = hn::MulAdd(p, s, hn::Set(d, 2.88539008f));
  const VecF log = hn::MulAdd(p, t, hn::ConvertTo(d, n));
  const VecF infinity = hn::Inf(d);
  const VecF special = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(infinity), x);
  return hn::IfThenElse(hn::And(hn::Gt(x, hn::Zero(d)), hn::Lt(x, infinity)), log, special);
}

// The normal distribution function of x; also gives exp(-x^2 / 2). With z = |x| / sqrt(2) and
// t = 1 / (1 + p z), erfc(z) = exp(-z^2) t Q(t), Q a minimax fit with relative error 1.4e-7.
HWY_INLINE VecF normal_cdf(VecF x, VecF& gauss) {
  const F32 d;
  const VecF z = hn::Mul(hn::Abs(x), hn::Set(d, 0.70710678f));
  const VecF t = hn::Div(hn::Set(d, 1.0f), hn::MulAdd(z, hn::Set(d, 0.425f), hn::Set(d, 1.0f)));
  gauss = exp_vector(hn::Neg(hn::Mul(z, z)));
  VecF q = hn::Set(d, 0.071287408f);
  q = hn::MulAdd(q, t, hn::Set(d, -0.312418818f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.406453967f));
  q = hn::MulAdd(q, t, hn::Set(d, -0.102284081f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.254629761f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.200828791f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.241823211f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.239679635f));
  const VecF half = hn::Set(d, 0.5f);
  const VecF lower = hn::Mul(hn::Mul(hn::Mul(q, t), gauss), half);
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), lower, hn::Sub(hn::Set(d, 1.0f), lower));
}

// tanh by exp(-2|x|).
HWY_INLINE VecF tanh_vector(VecF x) {
  const F32 d;
  const VecF one = hn::Set(d, 1.0f);
  const VecF size = hn::Abs(x);
  const VecF e = exp_vector(hn::Mul(size, hn::Set(d, -2.0f)));
  const VecF large = hn::Div(hn::Sub(one, e), hn::Add(one, e));
  // Near zero the difference 1 - e cancels; the series does not.
  const VecF s = hn::Mul(x, x);
  VecF p = hn::MulAdd(s, hn::Set(d, -17.0f / 315.0f), hn::Set(d, 2.0f / 15.0f));
  p = hn::MulAdd(p, s, hn::Set(d, -1.0f / 3.0f));
  const VecF small = hn::MulAdd(hn::Mul(p, s), size, size);
  return hn::CopySign(hn::IfThenElse(hn::Lt(size, hn::Set(d, 0.15f)), small, large), x);
}

// Walks the columns [0, n) of one row: body(column, keep mask, count) with at most one vector of
// columns a call; count == lanes but for the last.
template <typename Body>
HWY_INLINE void for_dropout_columns(std::int64_t n, std::uint32_t row, std::uint32_t stream,
                                    const std::uint32_t* rng, std::uint32_t threshold,
                                    const Body& body) {
  const U32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  // Half words fit into signed integers, which have the cheaper comparison.
  const hn::Vec<I32> limit = hn::Set(I32(), static_cast<std::int32_t>(threshold) - 1);
  const VecU low_half = hn::Set(d, 0xffffu);
  for (std::int64_t block = 0; block * 128 < n; ++block) {
    for (std::int64_t lane = 0; lane < 16; lane += lanes) {
      const std::int64_t first = block * 128 + lane;
      if (first >= n) break;
      // ops/detail/common.hpp says which columns the words of a counter serve.
      const PhiloxVectors random = philox_vectors(static_cast<std::uint32_t>(block * 16 + lane),
                                                  row, stream, rng[2], rng[0], rng[1]);
      for (int word = 0; word < 4; ++word) {
        for (int half = 0; half < 2; ++half) {
          const std::int64_t column = first + half * 64 + word * 16;
          if (column >= n) continue;
          const VecU bits = half == 0 ? hn::And(random.word[word], low_half)
                                      : hn::ShiftRight<16>(random.word[word]);
          const auto keep = hn::RebindMask(F32(), hn::Gt(hn::BitCast(I32(), bits), limit));
          body(column, keep, n - column < lanes ? n - column : lanes);
        }
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif
