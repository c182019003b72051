#include "hone/core/vector_width.hpp"

#include <hwy/targets.h>

namespace hone {

int vector_floats() {
#if HWY_ARCH_X86
  const auto targets = hwy::SupportedTargets();
  if ((targets & (HWY_AVX3 | HWY_AVX3_DL)) != 0) return 16;
  if ((targets & HWY_AVX2) != 0) return 8;
#endif
  return 4;
}

}  // namespace hone
