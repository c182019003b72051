// linear_packed: panels of 64 outputs are decoded once a step and meet every tile of rows; the
// decoded weights live as long as the step.
#include <cstring>

#include "hone/backend/cpu/detail/bound_quantizer.hpp"
#include "hone/backend/cpu/detail/gemm.hpp"

namespace hone {
namespace {
namespace linear_packed_kernel {

constexpr std::int64_t panel = 64;

std::size_t workspace(const KernelQuery& query) {
  const Shape shape = parse_shape(query.node.attributes.text("shape"));
  return static_cast<std::size_t>(element_count(shape)) * sizeof(float);
}

// Each thread decodes a share of the panels: [k, panel] after [k, panel].
void begin(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundPacked*>(call.bound);
  const PackedTensor packed =
      bound.view(call.in(1), call.inputs.size() > 2 ? &call.in(2) : nullptr);
  const std::int64_t n = bound.shape[0];
  const std::int64_t k = bound.shape[1];
  auto* decoded = reinterpret_cast<float*>(call.workspace);
  std::vector<float> rows(static_cast<std::size_t>(panel * k));
  const std::int64_t panels = (n + panel - 1) / panel;
  for (std::int64_t p = panels * call.thread / call.threads;
       p < panels * (call.thread + 1) / call.threads; ++p) {
    const std::int64_t columns = std::min(panel, n - p * panel);
    bound.quantizer->unpack_rows(packed, p * panel, columns, rows.data());
    transpose_into(rows.data(), columns, k, k, decoded + p * panel * k, columns, 1.0f);
  }
}

void run(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundPacked*>(call.bound);
  const std::int64_t rows = call.in(0).rows();
  const std::int64_t n = bound.shape[0];
  const std::int64_t k = bound.shape[1];
  const auto* decoded = reinterpret_cast<const float*>(call.workspace);
  float* y = call.out(0).as();
  for (std::int64_t p = 0; p < n; p += panel) {
    const std::int64_t columns = std::min(panel, n - p);
    // The bias is what the product adds to.
    if (call.has(3))
      for (std::int64_t r = 0; r < rows; ++r)
        std::memcpy(y + r * n + p, call.in(3).as() + p,
                    static_cast<std::size_t>(columns) * sizeof(float));
    gemm({rows, columns, k, k, columns, n, false, call.has(3)}, call.in(0).as(), decoded + p * k,
         y + p);
  }
}

}  // namespace linear_packed_kernel
}  // namespace

Kernel cpu_kernel_linear_packed() {
  using namespace linear_packed_kernel;
  Kernel kernel{
      {"cpu.linear_packed",
       "decodes panels of weights once a step, then float32 products: saves memory, not time"},
      "linear_packed",
      RowRule::rows,
      10};
  kernel.bind = bind_node_packed;
  kernel.workspace = workspace;
  kernel.begin = begin;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
