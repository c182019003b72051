// encode_int8: the format's vector kernel, then signed codes moved up by 128.
#include "hone/backend/cpu/detail/bound_quantizer.hpp"
#include "hone/backend/cpu/detail/int8_product.hpp"
#include "hone/ops/detail/int8.hpp"

namespace hone {
namespace {
namespace encode_int8_kernel {

void run(const KernelCall& call) {
  const Quantizer& quantizer = bound_quantizer(call);
  const std::int64_t rows = call.in(0).rows();
  const std::int64_t columns = call.in(0).columns();
  const std::int64_t padded = call.out(0).columns();
  const std::int64_t stride = call.out(1).columns();
  const Int8Layout layout = *quantizer.int8_layout(columns);
  auto* codes = call.out(0).as<std::uint8_t>();
  float* scales = call.out(1).as();
  // Reused by every call of the thread.
  thread_local std::vector<float> row_scales;
  thread_local std::vector<std::int32_t> zeros;
  row_scales.resize(static_cast<std::size_t>(rows * (stride - 1)));
  zeros.resize(static_cast<std::size_t>(rows));
  quantizer.encode_int8(call.in(0).as(), rows, columns, reinterpret_cast<std::int8_t*>(codes),
                        padded, row_scales.data(), zeros.data());
  const int shift = layout.has_zero ? 0 : 128;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int32_t zero = layout.fixed      ? layout.zero
                              : layout.has_zero ? zeros[static_cast<std::size_t>(r)]
                                                : 0;
    float* to = scales + r * stride;
    for (std::int64_t b = 0; b + 1 < stride; ++b)
      to[b] =
          layout.fixed ? layout.scale : row_scales[static_cast<std::size_t>(r * (stride - 1) + b)];
    to[stride - 1] = static_cast<float>(zero + shift);
    for (std::int64_t c = columns; c < padded; ++c)
      codes[r * padded + c] = static_cast<std::uint8_t>(zero);
  }
  if (shift != 0) move_up(codes, rows * padded);
}

}  // namespace encode_int8_kernel
}  // namespace

Kernel cpu_kernel_encode_int8() {
  using namespace encode_int8_kernel;
  Kernel kernel{
      {"cpu.encode_int8", "the format's vector kernel"}, "encode_int8", RowRule::rows, 10};
  kernel.bind = bind_node_quantizer;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
