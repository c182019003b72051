// linear_sparse: each number of the weight meets a block of rows at once. A chunk of their inputs
// is transposed, so that one number times the rows' values of its input is a few vector operations,
// and small enough to stay in the first cache while all outputs pass; an output's sums over a chunk
// stay in registers.
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/linear_sparse.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "hone/backend/kernel.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

struct SparseProduct {
  const float* x;
  std::int64_t k, n, chunk;
  const float* values;
  const std::int32_t* columns;
  const std::int32_t* rows;
  const float* bias;
  float* y;
};

// Rows [first, first + count), at most `V` vectors of them.
template <int V>
void multiply_block(const SparseProduct& p, std::int64_t first, std::int64_t count,
                    float* scratch) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t block = V * lanes;
  float* transposed = scratch;
  float* sums = scratch + p.chunk * block;  // [n, block]
  for (std::int64_t n = 0; n < p.n; ++n) {
    const VecF start = hn::Set(d, p.bias != nullptr ? p.bias[n] : 0.0f);
    for (int v = 0; v < V; ++v) hn::StoreU(start, d, sums + n * block + v * lanes);
  }
  const std::int32_t* rows = p.rows;
  for (std::int64_t begin = 0; begin < p.k; begin += p.chunk, rows += p.n) {
    const std::int64_t width = std::min(p.chunk, p.k - begin);
    for (std::int64_t r = 0; r < block; ++r) {
      // Rows that are not there repeat the last one.
      const float* row = p.x + (first + std::min(r, count - 1)) * p.k + begin;
      for (std::int64_t i = 0; i < width; ++i) transposed[i * block + r] = row[i];
    }
    const float* base = transposed - begin * block;
    for (std::int64_t n = 0; n < p.n; ++n) {
      if (rows[n] == rows[n + 1]) continue;
      float* at = sums + n * block;
      VecF sum[V];
      for (int v = 0; v < V; ++v) sum[v] = hn::LoadU(d, at + v * lanes);
      for (std::int32_t i = rows[n]; i < rows[n + 1]; ++i) {
        const VecF value = hn::Set(d, p.values[i]);
        const float* from = base + p.columns[i] * block;
        for (int v = 0; v < V; ++v)
          sum[v] = hn::MulAdd(value, hn::LoadU(d, from + v * lanes), sum[v]);
      }
      for (int v = 0; v < V; ++v) hn::StoreU(sum[v], d, at + v * lanes);
    }
  }
  for (std::int64_t r = 0; r < count; ++r)
    for (std::int64_t n = 0; n < p.n; ++n) p.y[(first + r) * p.n + n] = sums[n * block + r];
}

void run_linear_sparse(const KernelCall& call) {
  const std::int64_t rows = call.in(0).rows();
  const SparseProduct p{call.in(0).as(),
                        call.in(0).columns(),
                        call.out(0).columns(),
                        call.attributes->integer("chunk"),
                        call.in(1).as(),
                        call.in(2).as<std::int32_t>(),
                        call.in(3).as<std::int32_t>(),
                        call.has(4) ? call.in(4).as() : nullptr,
                        call.out(0).as()};
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(F32()));
  // (Sums of 8 vectors fit the registers and hide the latency of the additions.)
  static thread_local std::vector<float> scratch;
  scratch.resize(static_cast<std::size_t>((p.chunk + p.n) * 8 * lanes));
  for (std::int64_t first = 0; first < rows;) {
    const std::int64_t left = rows - first;
    std::int64_t count = 0;
    if (left <= lanes) {
      count = left;
      multiply_block<1>(p, first, count, scratch.data());
    } else if (left <= 4 * lanes) {
      count = left;
      multiply_block<4>(p, first, count, scratch.data());
    } else {
      count = std::min(left, 8 * lanes);
      multiply_block<8>(p, first, count, scratch.data());
    }
    first += count;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_linear_sparse);

Kernel cpu_kernel_linear_sparse() {
  Kernel kernel{{"cpu.linear_sparse", "the numbers that are not zero, a block of rows at a time"},
                "linear_sparse",
                RowRule::rows,
                10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_linear_sparse)(call); };
  return kernel;
}

}  // namespace hone
#endif
