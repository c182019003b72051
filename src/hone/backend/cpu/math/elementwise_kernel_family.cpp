// float32 functions of one number or two, in vectors: a line each.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/math/elementwise_kernel_family.cpp"
#include <cmath>
#include <limits>
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

HWY_INLINE VecF number(float value) { return hn::Set(F32(), value); }
HWY_INLINE VecF option(const KernelCall& call, const char* name) {
  return number(static_cast<float>(call.attributes->real(name)));
}

template <typename F>
HWY_INLINE void map_one(const KernelCall& call, const F& f) {
  map_vectors(call.in(0).as(), call.out(0).as(), call.out(0).size(), f);
}
template <typename F>
HWY_INLINE void map_two(const KernelCall& call, const F& f) {
  map_vectors2(call.in(0).as(), call.in(1).as(), call.out(0).as(), call.out(0).size(), f);
}

// e^x of any x: the square of e^(x/2), which overflows where e^x does.
HWY_INLINE VecF exp_of_any(VecF x) {
  const VecF root = exp_vector(hn::Mul(min_or_second(number(176.0f), x), number(0.5f)));
  return hn::Mul(root, root);
}
// 1 / (1 + e^-|x|), or 1 less that.
HWY_INLINE VecF sigmoid_of(VecF x) {
  const VecF e = exp_vector(hn::Neg(hn::Abs(x))), one = number(1.0f);
  return hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(F32())), e, one), hn::Add(one, e));
}
// Below 1/2 by its series, else by the normal distribution function.
HWY_INLINE VecF erf_of(VecF x) {
  VecF gauss;
  const VecF far =
      hn::MulAdd(number(2.0f), normal_cdf(hn::Mul(x, number(1.41421356f)), gauss), number(-1.0f));
  const VecF s = hn::Mul(x, x);
  VecF p = number(-1.0f / 1320);
  for (const float c : {1.0f / 216, -1.0f / 42, 1.0f / 10, -1.0f / 3, 1.0f})
    p = hn::MulAdd(p, s, number(c));
  const VecF near = hn::Mul(hn::Mul(x, number(1.12837917f)), p);
  return hn::IfThenElse(hn::Lt(hn::Abs(x), number(0.5f)), near, far);
}
// The larger and the smaller, NaN where one is NaN.
HWY_INLINE VecF or_nan(VecF a, VecF b, VecF value) {
  return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), hn::Add(a, b), value);
}

#define HONE_ONE(name, expression)                     \
  void run_##name(const KernelCall& call) {            \
    map_one(call, [&](VecF x) { return expression; }); \
  }
#define HONE_TWO(name, expression)                             \
  void run_##name(const KernelCall& call) {                    \
    map_two(call, [&](VecF a, VecF b) { return expression; }); \
  }
HONE_ONE(abs, hn::Abs(x))
HONE_ONE(neg, hn::Neg(x))
HONE_ONE(exp, exp_of_any(x))
HONE_ONE(erf, erf_of(x))
HONE_ONE(sqrt, hn::Sqrt(x))
HONE_ONE(reciprocal, hn::Div(number(1.0f), x))
HONE_ONE(floor, hn::Floor(x))
HONE_ONE(ceil, hn::Ceil(x))
HONE_ONE(round, hn::Round(x))
HONE_ONE(sigmoid, sigmoid_of(x))
HONE_ONE(softsign, hn::Div(x, hn::Add(number(1.0f), hn::Abs(x))))
HONE_TWO(maximum, or_nan(a, b, hn::Max(a, b)))
HONE_TWO(minimum, or_nan(a, b, hn::Min(a, b)))
#undef HONE_ONE
#undef HONE_TWO

void run_offset(const KernelCall& call) {
  const VecF by = option(call, "by");
  map_one(call, [&](VecF x) { return hn::Add(x, by); });
}
void run_clip(const KernelCall& call) {
  // The largest float32 stands for no bound.
  const auto bound = [&](const char* name) {
    const auto value = static_cast<float>(call.attributes->real(name));
    constexpr float largest = std::numeric_limits<float>::max();
    return number(std::abs(value) < largest
                      ? value
                      : std::copysign(std::numeric_limits<float>::infinity(), value));
  };
  const VecF low = bound("low"), high = bound("high");
  map_one(call, [&](VecF x) { return min_or_second(high, max_or_second(low, x)); });
}
void run_leaky_relu(const KernelCall& call) {
  const VecF alpha = option(call, "alpha");
  map_one(call,
          [&](VecF x) { return hn::IfThenElse(hn::Lt(x, hn::Zero(F32())), hn::Mul(x, alpha), x); });
}
void run_hard_sigmoid(const KernelCall& call) {
  const VecF alpha = option(call, "alpha"), beta = option(call, "beta");
  map_one(call, [&](VecF x) {
    return min_or_second(number(1.0f), max_or_second(hn::Zero(F32()), hn::MulAdd(x, alpha, beta)));
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
namespace {

#define HONE_FUNCTIONS(F) \
  F(abs)                  \
  F(ceil)                 \
  F(clip)                 \
  F(erf)                  \
  F(exp)                  \
  F(floor)                \
  F(hard_sigmoid)         \
  F(leaky_relu)           \
  F(maximum) F(minimum) F(neg) F(offset) F(reciprocal) F(round) F(sigmoid) F(softsign) F(sqrt)

#define HONE_EXPORT_ONE(name) HWY_EXPORT(run_##name);
HONE_FUNCTIONS(HONE_EXPORT_ONE)
#undef HONE_EXPORT_ONE

Kernel make(const char* name, const char* op, void (*run)(const KernelCall&)) {
  Kernel kernel{{name, "vectors of float32"}, op, RowRule::rows, 10};
  kernel.refuse = refuse_other_than_f32;
  kernel.run = run;
  return kernel;
}

}  // namespace

std::vector<Kernel> cpu_kernel_elementwise_kernel_family() {
  return {
#define HONE_KERNEL_OF(name) \
  make("cpu." #name, #name, [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_##name)(call); }),
      HONE_FUNCTIONS(HONE_KERNEL_OF)
#undef HONE_KERNEL_OF
  };
}

}  // namespace hone
#endif
