// One AdamW step on a range of elements; included once per vector target.
#if defined(HONE_ADAMW_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_ADAMW_INL_HPP
#undef HONE_ADAMW_INL_HPP
#else
#define HONE_ADAMW_INL_HPP
#endif

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/ops/detail/adamw.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

struct AdamwStep {
  float keep;  // 1 - lr * weight_decay
  float beta1, one_minus_beta1, beta2, one_minus_beta2;
  float rate;  // lr / (1 - beta1^t)
  float root;  // 1 / sqrt(1 - beta2^t)
  float epsilon, clip;
};

inline AdamwStep adamw_step(const AdamwSettings& s, double lr, std::int64_t step, float clip) {
  const auto t = static_cast<double>(step);
  return {static_cast<float>(1.0 - lr * s.weight_decay),
          static_cast<float>(s.beta1),
          static_cast<float>(1.0 - s.beta1),
          static_cast<float>(s.beta2),
          static_cast<float>(1.0 - s.beta2),
          static_cast<float>(lr / (1.0 - std::pow(s.beta1, t))),
          static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(s.beta2, t))),
          static_cast<float>(s.epsilon),
          clip};
}

inline void adamw_range(const AdamwStep& s, std::int64_t n, const float* g, float* p, float* m,
                        float* v) {
  const F32 d;
  const auto update = [&](std::int64_t i, auto load, auto store) {
    const VecF gradient = hn::Mul(load(g + i), hn::Set(d, s.clip));
    const VecF first = hn::MulAdd(load(m + i), hn::Set(d, s.beta1),
                                  hn::Mul(gradient, hn::Set(d, s.one_minus_beta1)));
    const VecF second =
        hn::MulAdd(load(v + i), hn::Set(d, s.beta2),
                   hn::Mul(hn::Mul(gradient, gradient), hn::Set(d, s.one_minus_beta2)));
    const VecF denominator =
        hn::MulAdd(hn::Sqrt(second), hn::Set(d, s.root), hn::Set(d, s.epsilon));
    const VecF change = hn::Div(hn::Mul(first, hn::Set(d, s.rate)), denominator);
    store(hn::MulSub(load(p + i), hn::Set(d, s.keep), change), p + i);
    store(first, m + i);
    store(second, v + i);
  };
  for_vectors(
      n,
      [&](std::int64_t i) {
        update(
            i, [&](const float* at) { return hn::LoadU(d, at); },
            [&](VecF value, float* at) { hn::StoreU(value, d, at); });
      },
      [&](std::int64_t i, std::size_t count) {
        const auto mask = hn::FirstN(d, count);
        update(
            i, [&](const float* at) { return masked_load(mask, d, at); },
            [&](VecF value, float* at) { blended_store(value, mask, d, at); });
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif
