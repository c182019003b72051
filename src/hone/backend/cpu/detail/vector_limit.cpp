#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include "hone/backend/kernel.hpp"
#include "hone/core/error.hpp"

#ifdef HONE_HAVE_LIBXSMM
#include <libxsmm.h>
#endif

namespace hone {
namespace {

void use_targets(std::int64_t targets) {
  hwy::SetSupportedTargetsForTest(targets);
  // Kernels look at this mask only.
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace

std::vector<std::string> cpu_vector_targets() {
  const std::int64_t before = hwy::SupportedTargets();
  std::vector<std::string> names;
  for (std::int64_t rest = before; rest != 0; rest &= rest - 1) {
    use_targets(rest & -rest);
    // What hone was not built for falls back to another.
    const std::string name = cpu_vector_target();
    if (name == hwy::TargetName(rest & -rest)) names.push_back(name);
  }
  use_targets(before);
  return names;
}

void limit_cpu_vectors(const std::string& target) {
  const std::vector<std::string> names = cpu_vector_targets();
  if (std::find(names.begin(), names.end(), target) == names.end())
    refuse(fmt::format("'{}' are no vector instructions that kernels may take here", target),
           fmt::format("there are {}", fmt::join(names, ", ")));
  for (std::int64_t rest = hwy::SupportedTargets(); rest != 0; rest &= rest - 1)
    if (target == hwy::TargetName(rest & -rest)) {
      use_targets(rest & -rest);
      break;
    }
#ifdef HONE_HAVE_LIBXSMM
  if (target != "AVX3")
    libxsmm_set_target_archid(target == "AVX2" ? LIBXSMM_X86_AVX2 : LIBXSMM_X86_SSE4);
#endif
}

}  // namespace hone
