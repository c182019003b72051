// In place of <hwy/foreach_target.h>: compiles HWY_TARGET_INCLUDE, the file that includes this one,
// once for each vector target, also where Highway was precompiled (core/highway_targets.hpp).
#ifndef HONE_CORE_FOREACH_TARGET_HPP
#define HONE_CORE_FOREACH_TARGET_HPP

#ifdef HONE_HIGHWAY_READ
// As before the first pass over all targets, but that Highway's own definitions, one set a target,
// are there.
#undef HIGHWAY_HWY_FOREACH_TARGET_H_
#undef HWY_TARGET_TOGGLE
#undef HWY_SET_MACROS_PER_TARGET
#undef HWY_HIGHWAY_INCLUDED
// GCC forgets in precompiled headers that Highway silences these for its intrinsics, which leave
// lanes undefined.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#endif
#include <hwy/foreach_target.h>

#endif  // HONE_CORE_FOREACH_TARGET_HPP
