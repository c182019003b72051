#include "hone/numerics/detail/mase_kernels.hpp"

#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/numerics/detail/mase_kernels.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

using VecI = hn::Vec<I32>;

HWY_INLINE VecF set(float value) { return hn::Set(F32(), value); }

// Comparisons with NaN are false, as they are for numbers.
HWY_INLINE VecF mase_sign(VecF v) {
  const VecF zero = hn::Zero(F32());
  return hn::IfThenElse(hn::Gt(v, zero), set(1.0f),
                        hn::IfThenElse(hn::Lt(v, zero), set(-1.0f), zero));
}
HWY_INLINE VecF mase_clamp(VecF v, VecF low, VecF high) {
  return hn::IfThenElse(hn::Lt(v, low), low, hn::IfThenElse(hn::Gt(v, high), high, v));
}
HWY_INLINE VecF mase_keep_tiny(VecF x, VecF q) {
  const VecF one = set(1.0f);
  const VecF kept = hn::IfThenElseZero(hn::Le(hn::Abs(x), set(mase::pass_below)), one);
  return hn::Add(hn::Mul(hn::Sub(one, kept), q), hn::Mul(kept, x));
}

// 2^e for any e that a logarithm of a float32 has after limiting to 2^9: in two factors, for the
// powers below float32's normal numbers.
HWY_INLINE VecF power_of(VecI e) {
  const I32 d;
  const VecI limited = hn::Min(hn::Max(e, hn::Set(d, -252)), hn::Set(d, 254));
  const VecI half = hn::ShiftRight<1>(limited);
  const VecI bias = hn::Set(d, 127);
  const auto factor = [&](VecI exponent) HWY_ATTR {
    return hn::BitCast(F32(), hn::ShiftLeft<23>(hn::Add(exponent, bias)));
  };
  return hn::Mul(factor(half), factor(hn::Sub(limited, half)));
}

// The integer of log2(v) that `steps` (of Log2Steps) give a normal v.
HWY_INLINE VecI integer_log2_of(VecF v, const std::uint32_t* steps) {
  const I32 d;
  const VecI bits = hn::BitCast(d, v);
  const VecI exponent = hn::ShiftRight<23>(bits);
  const VecI step = hn::GatherIndex(d, reinterpret_cast<const std::int32_t*>(steps), exponent);
  // A mask is -1 in a lane.
  const VecI below = hn::VecFromMask(d, hn::Lt(bits, step));
  return hn::Add(hn::Sub(exponent, hn::Set(d, 126)), below);
}

struct IntegerVector {
  VecF scale, low, high;
  bool floor;

  explicit IntegerVector(const mase::Integer& rule)
      : scale(set(power_of_two(rule.fraction))),
        low(set(rule.low)),
        high(set(rule.high)),
        floor(rule.floor) {}
  HWY_INLINE VecF operator()(VecF x) const {
    const VecF scaled = hn::Mul(x, scale);
    return hn::Div(mase_clamp(floor ? hn::Floor(scaled) : hn::Round(scaled), low, high), scale);
  }
};

// What the two kinds of minifloat have in common.
struct MinifloatVector {
  VecF steps, high, zero;
  VecI bottom, top;
  const std::uint32_t* table;

  MinifloatVector(const mase::Minifloat& rule, const std::array<std::uint32_t, 256>& log2)
      : steps(set(power_of_two(rule.mantissa))),
        high(set(mase::largest_code(rule.mantissa))),
        zero(set(rule.zero)),
        bottom(hn::Set(I32(), -rule.bias)),
        top(hn::Set(I32(), rule.top)),
        table(log2.data()) {}
  HWY_INLINE VecI exponent(VecF magnitude) const {
    const VecI e = integer_log2_of(hn::Add(magnitude, set(mase::tiny_shift)), table);
    return hn::Min(hn::Max(e, bottom), top);
  }
  HWY_INLINE VecF finish(VecF x, VecF power, VecF significand) const {
    const VecF sign = mase_sign(hn::Add(x, set(mase::tiny_shift)));
    const VecF value = hn::Add(mase_keep_tiny(x, hn::Mul(hn::Mul(sign, power), significand)), zero);
    return hn::IfThenElse(hn::IsFinite(x), value, set(std::numeric_limits<float>::quiet_NaN()));
  }
};

struct DenormVector : MinifloatVector {
  explicit DenormVector(const mase::MinifloatDenorm& rule)
      : MinifloatVector(rule, log2_steps().ceil) {}
  HWY_INLINE VecF operator()(VecF x) const {
    const VecF magnitude = hn::Abs(x);
    const VecF power = power_of(exponent(magnitude));
    const VecF k =
        mase_clamp(hn::Round(hn::Mul(hn::Div(magnitude, power), steps)), hn::Zero(F32()), high);
    return finish(x, power, hn::Div(k, steps));
  }
};

struct IeeeVector : MinifloatVector {
  explicit IeeeVector(const mase::MinifloatIeee& rule)
      : MinifloatVector(rule, log2_steps().floor) {}
  HWY_INLINE VecF operator()(VecF x) const {
    const VecF magnitude = hn::Abs(x);
    const VecI e = exponent(magnitude);
    const VecF power = power_of(e);
    const VecF scaled = hn::Mul(hn::Div(magnitude, power), steps);
    const VecF none = hn::Zero(F32());
    const VecF normal = hn::Add(
        set(1.0f), hn::Div(mase_clamp(hn::Round(hn::Sub(scaled, steps)), none, high), steps));
    const VecF small = hn::Mul(
        hn::Div(mase_clamp(hn::Round(hn::Mul(scaled, set(0.5f))), none, high), steps), set(2.0f));
    const auto is_small = hn::RebindMask(F32(), hn::Eq(e, bottom));
    return finish(x, power, hn::IfThenElse(is_small, small, normal));
  }
};

struct BlockFloatVector {
  VecF power, steps, high, zero;

  explicit BlockFloatVector(const mase::BlockFloat& rule)
      : power(set(rule.power)),
        steps(set(rule.steps)),
        high(set(rule.high)),
        zero(set(rule.zero)) {}
  HWY_INLINE VecF operator()(VecF x) const {
    const VecF tiny = set(mase::tiny_shift);
    const VecF scaled = hn::Mul(hn::Div(hn::Add(hn::Abs(x), tiny), power), steps);
    const VecF k = mase_clamp(hn::Round(scaled), hn::Zero(F32()), high);
    const VecF q = hn::Mul(hn::Mul(mase_sign(hn::Add(x, tiny)), power), hn::Div(k, steps));
    return mase_keep_tiny(x, hn::Add(q, zero));
  }
};

// Where v, whose logarithm is taken, is no normal number, vectors give up.
struct LogVector {
  const mase::Log& rule;
  VecF shift, zero;
  VecI bottom, top;

  explicit LogVector(const mase::Log& log)
      : rule(log),
        shift(set(log.shift)),
        zero(set(log.zero)),
        bottom(hn::Set(I32(), -log.bias)),
        top(hn::Set(I32(), log.top)) {}
  HWY_INLINE VecF operator()(VecF x) const {
    const F32 d;
    const VecF v = hn::Add(hn::Abs(x), shift);
    const auto usual = hn::And(hn::IsFinite(v), hn::Ge(v, set(0x1p-126f)));
    if (HWY_UNLIKELY(!hn::AllTrue(d, usual))) {
      HWY_ALIGN float lanes[hn::MaxLanes(d)];
      hn::Store(x, d, lanes);
      for (float& lane : lanes) lane = rule.value(lane);
      return hn::Load(d, lanes);
    }
    const VecI e = integer_log2_of(v, log2_steps().nearest.data());
    const VecF power = power_of(hn::Min(hn::Max(e, bottom), top));
    return hn::Add(hn::Mul(mase_sign(hn::Add(x, shift)), power), zero);
  }
};

void round_integer(const mase::Integer& rule, const float* x, float* y, std::int64_t n) {
  map_vectors(x, y, n, IntegerVector(rule));
}
void round_denorm(const mase::MinifloatDenorm& rule, const float* x, float* y, std::int64_t n) {
  map_vectors(x, y, n, DenormVector(rule));
}
void round_ieee(const mase::MinifloatIeee& rule, const float* x, float* y, std::int64_t n) {
  map_vectors(x, y, n, IeeeVector(rule));
}
void round_block_float(const mase::BlockFloat& rule, const float* x, float* y, std::int64_t n) {
  map_vectors(x, y, n, BlockFloatVector(rule));
}
void round_log(const mase::Log& rule, const float* x, float* y, std::int64_t n) {
  map_vectors(x, y, n, LogVector(rule));
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(round_integer);
HWY_EXPORT(round_denorm);
HWY_EXPORT(round_ieee);
HWY_EXPORT(round_block_float);
HWY_EXPORT(round_log);

namespace mase {

void round_values(const Integer& rule, const float* x, float* y, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(round_integer)(rule, x, y, n);
}
void round_values(const MinifloatDenorm& rule, const float* x, float* y, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(round_denorm)(rule, x, y, n);
}
void round_values(const MinifloatIeee& rule, const float* x, float* y, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(round_ieee)(rule, x, y, n);
}
void round_values(const BlockFloat& rule, const float* x, float* y, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(round_block_float)(rule, x, y, n);
}
void round_values(const Log& rule, const float* x, float* y, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(round_log)(rule, x, y, n);
}

}  // namespace mase
}  // namespace hone
#endif
