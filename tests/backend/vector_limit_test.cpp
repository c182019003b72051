#include <gtest/gtest.h>

#include "hone/backend/kernel.hpp"
#include "hone/core/error.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

TEST(VectorLimit, KernelsKeepToEachSetThatThereIs) {
  const TargetScope scope(0);
  const std::string best = cpu_vector_target();
  const std::vector<std::string> names = cpu_vector_targets();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names.front(), best);
  EXPECT_EQ(cpu_vector_target(), best) << "asking for the list changes nothing";
  for (const std::string& name : names) {
    const TargetScope own(0);
    limit_cpu_vectors(name);
    EXPECT_EQ(cpu_vector_target(), name);
  }
}

TEST(VectorLimit, NamesThatThereAreNotAreRefusedAndChangeNothing) {
  const TargetScope scope(0);
  const std::string best = cpu_vector_target();
  try {
    limit_cpu_vectors("AVX9");
    FAIL() << "was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "'AVX9' are no vector instructions that kernels may take here");
    EXPECT_NE(error.hint().find(best), std::string::npos);
  }
  EXPECT_EQ(cpu_vector_target(), best);
  const std::string last = cpu_vector_targets().back();
  limit_cpu_vectors(last);
  EXPECT_THROW(limit_cpu_vectors("AVX9"), Error);
  EXPECT_EQ(cpu_vector_target(), last) << "a limit stays";
}

}  // namespace
}  // namespace hone_test
