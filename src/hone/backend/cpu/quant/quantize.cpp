// quantize: the format's vector kernel on a tile of rows.
#include "hone/backend/cpu/detail/bound_quantizer.hpp"
#include "hone/numerics/tensor_rows.hpp"

namespace hone {
namespace {
namespace quantize_kernel {

void run(const KernelCall& call) {
  const TensorView& x = call.in(0);
  RandomDraws draws;
  if (call.has(1)) {
    const std::uint32_t* rng = call.in(1).as<std::uint32_t>();
    draws = {rng[0] | std::uint64_t{rng[1]} << 32, rng[2],
             static_cast<std::uint32_t>(call.attributes->integer("stream")),
             call.first_row * x.columns()};
  }
  quantize_by_rows(bound_quantizer(call), rows_of(*call.attributes),
                   Shape(x.dims.begin(), x.dims.begin() + x.rank), x.as(), call.out(0).as(),
                   call.has(1) ? &draws : nullptr);
}

}  // namespace quantize_kernel
}  // namespace

Kernel cpu_kernel_quantize() {
  using namespace quantize_kernel;
  Kernel kernel{{"cpu.quantize", "the format's vector kernel"}, "quantize", RowRule::rows, 10};
  kernel.bind = bind_node_quantizer;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
