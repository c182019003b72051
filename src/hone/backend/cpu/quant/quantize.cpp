// quantize: the format's vector kernel on a tile of rows.
#include "hone/backend/cpu/detail/bound_quantizer.hpp"

namespace hone {
namespace {

void run(const KernelCall& call) {
  const Quantizer& quantizer = bound_quantizer(call);
  const std::int64_t rows = call.in(0).rows();
  const std::int64_t columns = call.in(0).columns();
  if (call.has(1) && quantizer.is_stochastic()) {
    const std::uint32_t* rng = call.in(1).as<std::uint32_t>();
    quantizer.quantize(
        call.in(0).as(), call.out(0).as(), rows, columns,
        {rng[0] | std::uint64_t{rng[1]} << 32, rng[2],
         static_cast<std::uint32_t>(call.attributes->integer("stream")), call.first_row * columns});
    return;
  }
  quantizer.quantize(call.in(0).as(), call.out(0).as(), rows, columns);
}

}  // namespace

Kernel cpu_kernel_quantize() {
  Kernel kernel{{"cpu.quantize", "the format's vector kernel"}, "quantize", RowRule::rows, 10};
  kernel.bind = bind_node_quantizer;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
