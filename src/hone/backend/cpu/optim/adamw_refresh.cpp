// adamw_refresh in closed form. With zero gradients the moments shrink by powers of beta1 and
// beta2, so step s changes p by rate(s) m beta1^i / (sqrt(v) beta2^(i/2) + epsilon(s)), i steps
// after the row's last. That falls by 0.9 a step: once a whole vector's change is below a quarter
// of the last bit of p, only weight decay is left, a product that is known in advance.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/optim/adamw_refresh.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <vector>

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"
#include "hone/ops/detail/adamw.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// What the missed steps of one row do; the same for all its elements.
struct MissedStep {
  float keep;     // 1 - lr * weight_decay
  float rate;     // lr sqrt(1 - beta2^s) / (1 - beta1^s) * beta1^i
  float shrink;   // beta2^(i/2)
  float epsilon;  // epsilon sqrt(1 - beta2^s)
};

void list_missed_steps(const AdamwSettings& s, const float* schedule, std::int64_t last,
                       std::int64_t until, std::vector<MissedStep>& steps) {
  // After this many steps m has shrunk by more than any float32 can show.
  const std::int64_t most =
      s.beta1 <= 0 ? 1 : static_cast<std::int64_t>(-26.0 / std::log(s.beta1 / std::sqrt(s.beta2)));
  const std::int64_t count = most > 0 ? std::min(until - last, most) : until - last;
  steps.clear();
  double beta1_s = std::pow(s.beta1, static_cast<double>(last));
  double beta2_s = std::pow(s.beta2, static_cast<double>(last));
  double beta1_i = 1;
  double shrink = 1;
  const double root_beta2 = std::sqrt(s.beta2);
  for (std::int64_t i = 1; i <= count; ++i) {
    beta1_s *= s.beta1;
    beta2_s *= s.beta2;
    beta1_i *= s.beta1;
    shrink *= root_beta2;
    const double lr = schedule[last + i - 1];
    const double root = std::sqrt(1.0 - beta2_s);
    steps.push_back({static_cast<float>(1.0 - lr * s.weight_decay),
                     static_cast<float>(lr * root / (1.0 - beta1_s) * beta1_i),
                     static_cast<float>(shrink), static_cast<float>(s.epsilon * root)});
  }
}

// kept[t] is the product of the weight decay factors of the steps 1..t.
void refresh_row(const AdamwSettings& s, const std::vector<MissedStep>& steps, const double* kept,
                 std::int64_t last, std::int64_t until, std::int64_t n, float* p, float* m,
                 float* v) {
  const F32 d;
  const auto missed = static_cast<double>(until - last);
  const VecF shrink_m = hn::Set(d, static_cast<float>(std::pow(s.beta1, missed)));
  const VecF shrink_v = hn::Set(d, static_cast<float>(std::pow(s.beta2, missed)));
  const auto update = [&](std::int64_t i, auto load, auto store) {
    VecF value = load(p + i);
    const VecF first = load(m + i);
    const VecF second = load(v + i);
    const VecF root = hn::Sqrt(second);
    std::size_t done = 0;
    if (!hn::AllTrue(d, hn::Eq(first, hn::Zero(d)))) {
      while (done < steps.size()) {
        const MissedStep& step = steps[done++];
        const VecF below = hn::MulAdd(root, hn::Set(d, step.shrink), hn::Set(d, step.epsilon));
        // 0 / 0 where an element never had a gradient and epsilon is 0.
        const VecF change = hn::IfThenElseZero(
            hn::Ne(first, hn::Zero(d)), hn::Div(hn::Mul(first, hn::Set(d, step.rate)), below));
        value = hn::MulSub(value, hn::Set(d, step.keep), change);
        if (hn::AllTrue(d, hn::Le(hn::Abs(change), hn::Mul(hn::Abs(value), hn::Set(d, 0x1p-26f)))))
          break;
      }
    }
    const auto rest =
        static_cast<float>(kept[until] / kept[last + static_cast<std::int64_t>(done)]);
    store(hn::Mul(value, hn::Set(d, rest)), p + i);
    store(hn::Mul(first, shrink_m), m + i);
    store(hn::Mul(second, shrink_v), v + i);
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

void run_adamw_refresh(const KernelCall& call) {
  const AdamwSettings settings = adamw_settings(*call.attributes);
  const std::int64_t n = call.in(0).columns();
  const std::int32_t until = call.in(6).as<std::int32_t>()[0] - 1;
  const float* schedule = call.in(5).as();
  auto* kept = reinterpret_cast<double*>(call.workspace);
  kept[0] = 1;
  for (std::int32_t t = 1; t <= until; ++t)
    kept[t] = kept[t - 1] * (1.0 - schedule[t - 1] * settings.weight_decay);
  const std::int32_t* ids = call.in(4).as<std::int32_t>();
  auto* last = call.out(3).as<std::int32_t>();
  for (std::int64_t r = 0; r < call.in(4).rows(); ++r)
    check_table_row("adamw_refresh", ids[r], call.in(0).rows());
  const int threads = thread_count();
  // Each thread owns the rows of one residue: an id that occurs twice is met by one thread only.
  parallel_ranges(threads, [&](std::int64_t first_thread, std::int64_t end_thread, int) {
    std::vector<MissedStep> steps;
    for (std::int64_t t = first_thread; t < end_thread; ++t) {
      for (std::int64_t r = 0; r < call.in(4).rows(); ++r) {
        const std::int32_t id = ids[r];
        if (id % threads != t || last[id] >= until) continue;
        list_missed_steps(settings, schedule, last[id], until, steps);
        refresh_row(settings, steps, kept, last[id], until, n, call.out(0).as() + id * n,
                    call.out(1).as() + id * n, call.out(2).as() + id * n);
        last[id] = until;
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_adamw_refresh);

Kernel cpu_kernel_adamw_refresh() {
  Kernel kernel{{"cpu.adamw_refresh", "closed form of the missed steps"},
                "adamw_refresh",
                RowRule::whole,
                10};
  kernel.workspace = [](const KernelQuery& query) {
    return static_cast<std::size_t>(query.input_shape(5)[0] + 1) * sizeof(double);
  };
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_adamw_refresh)(call); };
  return kernel;
}

}  // namespace hone
#endif
