// In place of <hwy/highway.h> after core/foreach_target.hpp: its definitions for the vector target
// of this pass, or only its macros where the definitions were precompiled
// (core/highway_targets.hpp).
#ifdef HONE_HIGHWAY_READ
#include <hwy/ops/set_macros-inl.h>
#else
#include <hwy/highway.h>
#endif
