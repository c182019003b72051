// Runs a test once for each set of vector instructions that hone was built for and this machine
// has.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include "hone/backend/kernel.hpp"

namespace hone_test {

// Makes every kernel called in the scope use these targets; 0: what the machine has.
class TargetScope {
public:
  explicit TargetScope(std::int64_t targets) { set(targets); }
  TargetScope(const TargetScope&) = delete;
  TargetScope& operator=(const TargetScope&) = delete;
  ~TargetScope() { set(0); }

private:
  static void set(std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    // Dispatch looks at this mask only.
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

template <typename Body>
void for_each_vector_target(const Body& body) {
  std::vector<std::string> seen;
  for (std::int64_t rest = hwy::SupportedTargets(); rest != 0; rest &= rest - 1) {
    std::int64_t target = rest & -rest;
    std::string beside;
#if HWY_ARCH_X86
    // No vectors of its own, but kernels of tiles (AMX) beside those of AVX3.
    if (target == HWY_AVX3_DL) {
      target |= HWY_AVX3;
      beside = " and AVX3_DL";
    }
#endif
    const TargetScope scope(target);
    // A target that hone was not built for falls back to another one.
    const std::string name = hone::cpu_vector_target() + beside;
    bool again = false;
    for (const std::string& other : seen) again = again || other == name;
    if (again) continue;
    seen.push_back(name);
    SCOPED_TRACE("vector target " + name);
    body();
  }
}

}  // namespace hone_test
