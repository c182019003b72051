// How wide the vectors of this machine are.
#pragma once

namespace hone {

// float32 numbers in the widest vectors that kernels use: 16 (AVX-512), 8 (AVX2) or 4.
int vector_floats();

}  // namespace hone
