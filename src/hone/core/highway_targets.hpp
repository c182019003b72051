// Highway for every vector target that hone's kernels are compiled for: the last of the precompiled
// headers, since it takes longer to read than most kernels to compile. core/foreach_target.hpp and
// core/highway-inl.hpp know that it was.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/core/highway_targets.hpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#undef HONE_HIGHWAY_READ
#define HONE_HIGHWAY_READ
