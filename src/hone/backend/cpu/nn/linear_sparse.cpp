// linear_sparse: each number of the weight meets a few vectors of rows at once. Their inputs are
// transposed, so that one number times the rows' values of its input is a vector operation; the
// sums of an output, or of a group of four, stay in registers until they are whole. A single output
// adds up every fourth number by itself, so that no addition waits for the one before.
#include <cstring>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/linear_sparse.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/kernel.hpp"
#include "hone/core/unroll.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

struct SparseProduct {
  const float* x;
  std::int64_t k, n, group;
  const float* values;
  const std::int32_t* columns;
  const std::int32_t* rows;
  const float* bias;
  float* y;
};

// Of four outputs; of one, of every fourth number.
template <int V>
using Sums = VecF[4][V];

template <int V>
HWY_INLINE void clear(Sums<V>& sums) {
  HONE_UNROLL
  for (int j = 0; j < 4; ++j) {
    HONE_UNROLL
    for (int v = 0; v < V; ++v) sums[j][v] = hn::Zero(F32());
  }
}

template <int V>
HWY_INLINE void add(VecF (&sum)[V], float value, const float* from) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const VecF number = hn::Set(d, value);
  HONE_UNROLL
  for (int v = 0; v < V; ++v) sum[v] = hn::MulAdd(number, hn::LoadU(d, from + v * lanes), sum[v]);
}

// Outputs [4 g, 4 g + 4), which share their inputs.
template <int V>
HWY_INLINE void sum_group(const SparseProduct& p, const float* transposed, std::int64_t g,
                          Sums<V>& sums) {
  const std::int64_t block = V * static_cast<std::int64_t>(hn::Lanes(F32()));
  clear<V>(sums);
  for (std::int32_t i = p.rows[g]; i < p.rows[g + 1]; ++i) {
    const float* from = transposed + p.columns[i] * block;
    const float* values = p.values + std::int64_t{4} * i;
    HONE_UNROLL
    for (int j = 0; j < 4; ++j) add<V>(sums[j], values[j], from);
  }
}

template <int V>
HWY_INLINE void sum_output(const SparseProduct& p, const float* transposed, std::int64_t n,
                           VecF (&sum)[V]) {
  const std::int64_t block = V * static_cast<std::int64_t>(hn::Lanes(F32()));
  Sums<V> sums;
  clear<V>(sums);
  std::int32_t i = p.rows[n];
  const std::int32_t end = p.rows[n + 1];
  for (; i + 4 <= end; i += 4) {
    HONE_UNROLL
    for (int j = 0; j < 4; ++j)
      add<V>(sums[j], p.values[i + j], transposed + p.columns[i + j] * block);
  }
  for (; i < end; ++i) add<V>(sums[0], p.values[i], transposed + p.columns[i] * block);
  HONE_UNROLL
  for (int v = 0; v < V; ++v)
    sum[v] = hn::Add(hn::Add(sums[0][v], sums[1][v]), hn::Add(sums[2][v], sums[3][v]));
}

// Writes the sums of outputs [n, n + outputs), at most four, of each row, with the bias.
template <int V>
HWY_INLINE void finish(const SparseProduct& p, const Sums<V>& sums, std::int64_t n,
                       std::int64_t outputs, float* y, std::int64_t count) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  float bias[4] = {};
  if (p.bias != nullptr)
    std::memcpy(bias, p.bias + n, static_cast<std::size_t>(outputs) * sizeof(float));
  HWY_ALIGN float mixed[4 * V * HWY_MAX_BYTES / sizeof(float)];
  HONE_UNROLL
  for (int v = 0; v < V; ++v)
    hn::StoreInterleaved4(hn::Add(sums[0][v], hn::Set(d, bias[0])),
                          hn::Add(sums[1][v], hn::Set(d, bias[1])),
                          hn::Add(sums[2][v], hn::Set(d, bias[2])),
                          hn::Add(sums[3][v], hn::Set(d, bias[3])), d, mixed + v * 4 * lanes);
  if (outputs == 4)
    for (std::int64_t r = 0; r < count; ++r)
      std::memcpy(y + r * p.n + n, mixed + 4 * r, 4 * sizeof(float));
  else
    for (std::int64_t r = 0; r < count; ++r)
      for (std::int64_t j = 0; j < outputs; ++j) y[r * p.n + n + j] = mixed[4 * r + j];
}

// Rows [first, first + count), at most `V` vectors of them.
template <int V>
void multiply_block(const SparseProduct& p, std::int64_t first, std::int64_t count,
                    float* transposed) {
  const std::int64_t block = V * static_cast<std::int64_t>(hn::Lanes(F32()));
  for (std::int64_t r = 0; r < block; ++r) {
    // Rows that are not there repeat the last one.
    const float* row = p.x + (first + std::min(r, count - 1)) * p.k;
    for (std::int64_t i = 0; i < p.k; ++i) transposed[i * block + r] = row[i];
  }
  float* y = p.y + first * p.n;
  Sums<V> sums;
  for (std::int64_t n = 0; n < p.n; n += 4) {
    const std::int64_t outputs = std::min<std::int64_t>(4, p.n - n);
    if (p.group == 4) {
      sum_group<V>(p, transposed, n / 4, sums);
    } else {
      clear<V>(sums);
      for (std::int64_t j = 0; j < outputs; ++j) sum_output<V>(p, transposed, n + j, sums[j]);
    }
    finish<V>(p, sums, n, outputs, y, count);
  }
}

void run_linear_sparse(const KernelCall& call) {
  const std::int64_t rows = call.in(0).rows();
  const SparseProduct p{call.in(0).as(),
                        call.in(0).columns(),
                        call.out(0).columns(),
                        call.attributes->integer("group"),
                        call.in(1).as(),
                        call.in(2).as<std::int32_t>(),
                        call.in(3).as<std::int32_t>(),
                        call.has(4) ? call.in(4).as() : nullptr,
                        call.out(0).as()};
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(F32()));
  static thread_local std::vector<float> scratch;
  scratch.resize(static_cast<std::size_t>(p.k * 2 * lanes));
  for (std::int64_t first = 0; first < rows;) {
    const std::int64_t count = std::min(rows - first, 2 * lanes);
    if (count <= lanes)
      multiply_block<1>(p, first, count, scratch.data());
    else
      multiply_block<2>(p, first, count, scratch.data());
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
  Kernel kernel{
      {"cpu.linear_sparse", "the numbers that are not zero, a few vectors of rows at a time"},
      "linear_sparse",
      RowRule::rows,
      10};
  kernel.refuse = [](const KernelQuery& query) -> std::string {
    const std::int64_t group = query.node.attributes.integer("group");
    return group == 1 || group == 4 ? "" : "groups of other than one or four outputs";
  };
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_linear_sparse)(call); };
  return kernel;
}

}  // namespace hone
#endif
