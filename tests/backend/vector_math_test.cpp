// Accuracy of the vector functions behind gelu, tanh and softmax over all of float32, on every set
// of vector instructions.
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "hone/backend/kernel.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

using namespace hone;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

// Calls the kernel of that name on one tensor of `rows` rows.
std::vector<float> run_kernel(const std::string& name, const std::vector<float>& x,
                              std::int64_t rows, const Options& attributes = {}) {
  for (const Kernel& kernel : cpu_kernel_table()) {
    if (kernel.name != name) continue;
    std::vector<float> y(x.size());
    const auto columns = static_cast<std::int64_t>(x.size()) / rows;
    const TensorView in{const_cast<float*>(x.data()), DType::f32, 2, {rows, columns}};
    const TensorView out{y.data(), DType::f32, 2, {rows, columns}};
    KernelCall call{{&in, 1}, {&out, 1}, &attributes};
    kernel.run(call);
    return y;
  }
  ADD_FAILURE() << "no kernel " << name;
  return x;
}

// Every 4093rd float of both signs (4093 is prime), dense values where the functions bend, and the
// special ones.
std::vector<float> sweep() {
  std::vector<float> values;
  for (std::uint64_t bits = 0; bits < (1ull << 32); bits += 4093) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (std::isfinite(value)) values.push_back(value);
  }
  for (double x = -12; x < 12; x += 1e-4) values.push_back(static_cast<float>(x));
  for (float x :
       {0.0f, -0.0f, 0.15f, -0.15f, 0x1p-126f, 0x1p-149f, -0x1p-149f, 3.4e38f, -3.4e38f, infinity})
    values.push_back(x);
  return values;
}

double gelu_of(double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double gelu_tanh_of(double x) {
  if (std::abs(x) > 1e4) return x > 0 ? x : 0;
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

TEST(VectorMath, TanhIsAccurate) {
  const std::vector<float> x = sweep();
  for_each_vector_target([&] {
    const std::vector<float> y = run_kernel("cpu.tanh", x, 1);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = std::tanh(static_cast<double>(x[i]));
      ASSERT_LE(std::abs(y[i]), 1.0f) << x[i];
      ASSERT_EQ(std::signbit(y[i]), std::signbit(x[i])) << x[i];
      // Relative, down to the smallest normal number.
      const double error = std::abs(y[i] - exact) / std::max(std::abs(exact), 0x1p-126);
      if (error > worst) worst = error;
      ASSERT_LE(error, 2e-6) << "tanh(" << x[i] << ") = " << y[i];
    }
    RecordProperty("worst_relative_error_tanh", std::to_string(worst));
  });
}

TEST(VectorMath, GeluIsAccurate) {
  const std::vector<float> x = sweep();
  for_each_vector_target([&] {
    for (const bool exact_form : {true, false}) {
      const std::vector<float> y = run_kernel(
          "cpu.gelu", x, 1, {{"approximate", std::string(exact_form ? "none" : "tanh")}});
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double exact = exact_form ? gelu_of(x[i]) : gelu_tanh_of(x[i]);
        if (std::isinf(x[i])) {
          ASSERT_EQ(y[i], exact);
          continue;
        }
        ASSERT_FALSE(std::isnan(y[i])) << x[i];
        ASSERT_NEAR(y[i], exact, 1e-6 * std::max(1.0, std::abs(exact)))
            << (exact_form ? "erf" : "tanh") << " at " << x[i];
      }
    }
  });
}

TEST(VectorMath, SoftmaxIsAccurate) {
  // Two logits d apart: the smaller probability is 1 / (1 + e^d).
  std::vector<float> x;
  for (double d = -100; d <= 100; d += 1e-3) {
    x.push_back(3);
    x.push_back(static_cast<float>(3 + d));
  }
  const auto rows = static_cast<std::int64_t>(x.size() / 2);
  for_each_vector_target([&] {
    const std::vector<float> y = run_kernel("cpu.softmax", x, rows);
    for (std::size_t r = 0; r < x.size() / 2; ++r) {
      const double d = static_cast<double>(x[2 * r + 1]) - x[2 * r];
      const double exact = 1 / (1 + std::exp(-d));
      // The exponent is a product in float32: its error grows with |d|. Below 2^-126 the kernel
      // gives 0.
      const double tolerance = exact * (3e-7 + 1.2e-7 * std::abs(d)) + 0x1p-125;
      ASSERT_NEAR(y[2 * r + 1], exact, tolerance) << d;
      ASSERT_NEAR(static_cast<double>(y[2 * r]) + y[2 * r + 1], 1, 3e-7);
    }
  });
}

TEST(VectorMath, SoftmaxTakesAnyFiniteRow) {
  for_each_vector_target([] {
    for (const std::vector<float>& row : {std::vector<float>{3.4e38f, -3.4e38f, 0},
                                          {-3.4e38f, -3.4e38f, -3.4e38f},
                                          {0x1p-149f, 0, -0.0f},
                                          {-infinity, 2, -infinity}}) {
      double sum = 0;
      for (float value : run_kernel("cpu.softmax", row, 1)) {
        EXPECT_FALSE(std::isnan(value));
        sum += value;
      }
      EXPECT_NEAR(sum, 1, 1e-6);
    }
  });
}

// A NaN that vanished would train on quietly.
TEST(VectorMath, NanStaysNan) {
  for_each_vector_target([] {
    for (std::size_t length : {1, 3, 16, 21, 64}) {
      for (std::size_t at = 0; at < length; at += 5) {
        std::vector<float> x(length, 0.5f);
        x[at] = not_a_number;
        EXPECT_TRUE(std::isnan(run_kernel("cpu.tanh", x, 1)[at]));
        EXPECT_TRUE(std::isnan(run_kernel("cpu.relu", x, 1)[at]));
        for (const char* form : {"none", "tanh"})
          EXPECT_TRUE(
              std::isnan(run_kernel("cpu.gelu", x, 1, {{"approximate", std::string(form)}})[at]));
        for (float value : run_kernel("cpu.softmax", x, 1)) EXPECT_TRUE(std::isnan(value));
      }
    }
  });
}

}  // namespace
}  // namespace hone_test
