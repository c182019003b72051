// Prints the float32 multiply-add peak of the machine in GFLOP/s: independent chains of fused
// multiply-adds that stay in registers, on every OpenMP thread at once, the best of several tries.
#include <algorithm>
#include <chrono>
#include <cstdio>

namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
constexpr int chains = 24;  // of the 32 registers
#else
constexpr int vector_bytes = 32;
constexpr int chains = 12;  // of the 16 registers
#endif
constexpr int lanes = vector_bytes / static_cast<int>(sizeof(float));
constexpr long rounds = 4'000'000;

typedef float Vector __attribute__((vector_size(vector_bytes)));

// One thread's share; the sum is returned so that no work can be left out.
float multiply_add() {
  Vector sums[chains];
  for (int c = 0; c < chains; ++c) sums[c] = Vector{} + static_cast<float>(c);
  Vector factor = Vector{} + 0.999f;
  Vector term = Vector{} + 0.001f;
  asm volatile("" : "+v"(factor), "+v"(term));  // unknown to the compiler: no constant folding
  for (long r = 0; r < rounds; ++r)
#pragma GCC unroll 24
    for (int c = 0; c < chains; ++c) sums[c] = sums[c] * factor + term;
  float total = 0;
  for (const Vector& sum : sums)
    for (int lane = 0; lane < lanes; ++lane) total += sum[lane];
  return total;
}

}  // namespace

int main() {
  double best = 0;
  float total = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    int threads = 0;
    const auto start = std::chrono::steady_clock::now();
#pragma omp parallel reduction(+ : threads, total)
    {
      threads += 1;
      total += multiply_add();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const double flop = 2.0 * rounds * chains * lanes * threads;
    best = std::max(best, flop / seconds.count() / 1e9);
  }
  std::printf("%.1f\n", best);
  return total == 0;
}
