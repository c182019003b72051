// HONE_UNROLL before a loop of at most eight known steps: arrays that it indexes stay in registers
// only if the loop is gone.
#pragma once

#define HONE_UNROLL _Pragma("GCC unroll 8")
