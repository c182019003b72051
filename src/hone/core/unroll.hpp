// HONE_UNROLL before a loop of at most eight known steps, HONE_UNROLL_16 of at most sixteen: arrays
// that it indexes stay in registers only if the loop is gone.
#pragma once

#define HONE_UNROLL _Pragma("GCC unroll 8")
#define HONE_UNROLL_16 _Pragma("GCC unroll 16")
