// lora by two small products: both factors are packed transposed, the scale in the second.
#include <algorithm>
#include <cstring>
#include <vector>

#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/ops/detail/lora.hpp"

namespace hone {
namespace {
namespace lora_kernel {

std::size_t workspace(const KernelQuery& query) {
  return static_cast<std::size_t>(element_count(query.input_shape(2)) +
                                  element_count(query.input_shape(3))) *
         sizeof(float);
}

// a^T [K,r], then factor b^T [r,N].
void begin(const KernelCall& call) {
  if (call.thread != 0) return;  // (few numbers)
  const std::int64_t rank = call.in(2).dims[0];
  const std::int64_t k = call.in(2).dims[1];
  const std::int64_t n = call.in(3).dims[0];
  auto* packed = reinterpret_cast<float*>(call.workspace);
  transpose_into(call.in(2).as(), rank, k, k, packed, rank, 1.0f);
  transpose_into(call.in(3).as(), n, rank, rank, packed + rank * k, n,
                 static_cast<float>(lora_factor(*call.attributes, rank)));
}

void run(const KernelCall& call) {
  constexpr std::int64_t block = 64;
  const std::int64_t rank = call.in(2).dims[0];
  const std::int64_t k = call.in(2).dims[1];
  const std::int64_t n = call.in(3).dims[0];
  const std::int64_t rows = call.in(0).rows();
  const auto* packed = reinterpret_cast<const float*>(call.workspace);
  float* y = call.out(0).as();
  std::memcpy(y, call.in(0).as(), static_cast<std::size_t>(rows * n) * sizeof(float));
  thread_local std::vector<float> low;
  low.resize(static_cast<std::size_t>(block * rank));
  for (std::int64_t r = 0; r < rows; r += block) {
    const std::int64_t count = std::min(block, rows - r);
    gemm({count, rank, k, k, rank, rank}, call.in(1).as() + r * k, packed, low.data());
    gemm({count, n, rank, rank, n, n, false, true}, low.data(), packed + rank * k, y + r * n);
  }
}

}  // namespace lora_kernel
}  // namespace

Kernel cpu_kernel_lora() {
  using namespace lora_kernel;
  Kernel kernel{
      {"cpu.lora", "two small products onto the layer's output"}, "lora", RowRule::rows, 10};
  kernel.workspace = workspace;
  kernel.begin = begin;
  kernel.begin_once = true;
  kernel.begin_inputs = 2;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
