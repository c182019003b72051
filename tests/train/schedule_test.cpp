// Values of the schedulers of transformers (get_constant_schedule_with_warmup and its kin), from
// their published formulas.
#include "hone/train/schedules/schedule.hpp"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "support/expect_error.hpp"

namespace hone_test {
namespace {

using namespace hone;

double constant_factor(double step, double, double warmup) {
  return step < warmup ? step / std::max(1.0, warmup) : 1.0;
}

double linear_factor(double step, double steps, double warmup) {
  if (step < warmup) return step / std::max(1.0, warmup);
  return std::max(0.0, (steps - step) / std::max(1.0, steps - warmup));
}

double cosine_factor(double step, double steps, double warmup) {
  if (step < warmup) return step / std::max(1.0, warmup);
  const double progress = (step - warmup) / std::max(1.0, steps - warmup);
  return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * 0.5 * 2.0 * progress)));
}

double restarts_factor(double step, double steps, double warmup) {
  if (step < warmup) return step / std::max(1.0, warmup);
  const double progress = (step - warmup) / std::max(1.0, steps - warmup);
  if (progress >= 1.0) return 0.0;
  return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * std::fmod(3 * progress, 1.0))));
}

constexpr double top = 5e-4;

double polynomial_factor(double step, double steps, double warmup) {
  constexpr double end = 1e-5, power = 2.5;
  if (step < warmup) return step / std::max(1.0, warmup);
  if (step > steps) return end / top;
  const double remaining = 1 - (step - warmup) / (steps - warmup);
  return ((top - end) * std::pow(remaining, power) + end) / top;
}

// Its time scale is the length of the warm-up, or 10000 steps.
double inverse_sqrt_factor(double step, double, double warmup) {
  const double timescale = warmup > 0 ? warmup : 10000;
  if (step < warmup) return step / std::max(1.0, warmup);
  const double shift = timescale - warmup;
  return 1.0 / std::sqrt((step + shift) / timescale);
}

void check(const char* kind, double (*factor)(double, double, double),
           const Options& options = {}) {
  for (std::int64_t steps : {1, 2, 7, 100, 3125})
    for (double warmup : {0.0, 1.0, 5.0, 0.1, 0.06}) {
      const double rising = warmup < 1 ? std::ceil(warmup * static_cast<double>(steps)) : warmup;
      if (rising > static_cast<double>(steps)) continue;
      const std::vector<float> rates = make_schedule(kind, top, warmup, steps, options);
      ASSERT_EQ(rates.size(), static_cast<std::size_t>(steps));
      for (std::int64_t i = 0; i < steps; ++i)
        ASSERT_NEAR(rates[static_cast<std::size_t>(i)],
                    top * factor(static_cast<double>(i), static_cast<double>(steps), rising), 1e-10)
            << kind << ", " << steps << " steps, warm-up " << warmup << ", step " << i;
    }
}

TEST(Schedule, Constant) { check("constant", constant_factor); }
TEST(Schedule, Linear) { check("linear", linear_factor); }
TEST(Schedule, Cosine) { check("cosine", cosine_factor); }

TEST(Schedule, CosineWithRestarts) {
  check("cosine_with_restarts", restarts_factor, {{"cycles", std::int64_t{3}}});
}
TEST(Schedule, Polynomial) {
  check("polynomial", polynomial_factor, {{"power", 2.5}, {"lr_end", 1e-5}});
}
TEST(Schedule, InverseSquareRoot) { check("inverse_sqrt", inverse_sqrt_factor); }

TEST(Schedule, EveryOptionDoesSomething) {
  for (const Schedule& schedule : schedule_table())
    for (const OptionSpec& spec : schedule.options) {
      Options other;
      if (spec.type == OptionType::integer)
        other.set(spec.name, std::get<std::int64_t>(*spec.default_value) + 3);
      else
        other.set(spec.name, 2 * std::get<double>(*spec.default_value) + 1e-4);
      EXPECT_NE(make_schedule(schedule.name, 1, 0, 20),
                make_schedule(schedule.name, 1, 0, 20, other))
          << schedule.name << " " << spec.name;
    }
}

TEST(Schedule, AllStayWithinTheRateAndEndWhereTheySay) {
  for (const Schedule& schedule : schedule_table())
    for (std::int64_t steps : {1, 2, 3, 50})
      for (double warmup : {0.0, 1.0, 0.5}) {
        const std::vector<float> rates = make_schedule(schedule.name, 2, warmup, steps);
        ASSERT_EQ(rates.size(), static_cast<std::size_t>(steps)) << schedule.name;
        for (float rate : rates) {
          EXPECT_GE(rate, 0) << schedule.name;
          EXPECT_LE(rate, 2) << schedule.name;
        }
        EXPECT_TRUE(make_schedule(schedule.name, 2, 0, 0).empty());
        // Of a warm-up of half of the steps, the step after it has the whole rate.
        if (steps == 50 && warmup == 0.5) EXPECT_EQ(rates[25], 2) << schedule.name;
      }
}

TEST(Schedule, KnownValues) {
  EXPECT_EQ(make_schedule("linear", 1, 0, 4), (std::vector<float>{1, 0.75f, 0.5f, 0.25f}));
  EXPECT_EQ(make_schedule("linear", 1, 2, 6), (std::vector<float>{0, 0.5f, 1, 0.75f, 0.5f, 0.25f}));
  EXPECT_NEAR(make_schedule("cosine", 2, 0, 4)[2], 1.0, 1e-7);
}

TEST(Schedule, RefusesWhatMakesNoSense) {
  EXPECT_ERROR(make_schedule("linear", 1, 0, 4, {{"power", 2.0}}), ErrorCode::invalid_argument,
               "schedule linear: unknown key 'power'");
  EXPECT_ERROR(make_schedule("polynomial", 1e-8, 0, 4), ErrorCode::invalid_argument,
               "lr_end: 1e-07 is not below");
  EXPECT_ERROR(make_schedule("linaer", 1, 0, 4), ErrorCode::invalid_argument,
               "unknown schedule 'linaer'", "linear");
  EXPECT_ERROR(make_schedule("linear", 1, 5, 4), ErrorCode::invalid_argument,
               "warm-up of 5 steps is longer");
  EXPECT_ERROR(make_schedule("linear", 1, -0.5, 4), ErrorCode::invalid_argument, "warm-up");
  EXPECT_ERROR(make_schedule("linear", 1, NAN, 4), ErrorCode::invalid_argument, "warm-up");
  EXPECT_ERROR(make_schedule("linear", NAN, 0, 4), ErrorCode::invalid_argument, "learning rate");
  EXPECT_ERROR(make_schedule("linear", -1e-3, 0, 4), ErrorCode::invalid_argument, "learning rate");
}

}  // namespace
}  // namespace hone_test
