// Values of transformers' get_constant_schedule_with_warmup, get_linear_schedule_with_warmup and
// get_cosine_schedule_with_warmup, from their published formulas.
#include "hone/train/schedule.hpp"

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

void check(const char* kind, double (*factor)(double, double, double)) {
  for (std::int64_t steps : {1, 2, 7, 100, 3125})
    for (double warmup : {0.0, 1.0, 5.0, 0.1, 0.06}) {
      const double rising = warmup < 1 ? std::ceil(warmup * static_cast<double>(steps)) : warmup;
      if (rising > static_cast<double>(steps)) continue;
      const std::vector<float> rates = make_schedule(kind, 5e-4, warmup, steps);
      ASSERT_EQ(rates.size(), static_cast<std::size_t>(steps));
      for (std::int64_t i = 0; i < steps; ++i)
        ASSERT_NEAR(rates[static_cast<std::size_t>(i)],
                    5e-4 * factor(static_cast<double>(i), static_cast<double>(steps), rising),
                    1e-10)
            << kind << ", " << steps << " steps, warm-up " << warmup << ", step " << i;
    }
}

TEST(Schedule, Constant) { check("constant", constant_factor); }
TEST(Schedule, Linear) { check("linear", linear_factor); }
TEST(Schedule, Cosine) { check("cosine", cosine_factor); }

TEST(Schedule, KnownValues) {
  EXPECT_EQ(make_schedule("linear", 1, 0, 4), (std::vector<float>{1, 0.75f, 0.5f, 0.25f}));
  EXPECT_EQ(make_schedule("linear", 1, 2, 6), (std::vector<float>{0, 0.5f, 1, 0.75f, 0.5f, 0.25f}));
  EXPECT_NEAR(make_schedule("cosine", 2, 0, 4)[2], 1.0, 1e-7);
}

TEST(Schedule, RefusesWhatMakesNoSense) {
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
