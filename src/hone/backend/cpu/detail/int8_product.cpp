#include "hone/backend/cpu/detail/int8_product.hpp"

#include <algorithm>
#include <cstring>

#include "hone/core/round_up.hpp"

namespace hone {
namespace {

BoundInt8 bound_int8(const KernelQuery& query) {
  const Options& attributes = query.node.attributes;
  BoundInt8 bound;
  bound.product = bind_int8(attributes);
  bound.packed = {bound.product.weight, parse_shape(attributes.text("shape")),
                  static_cast<int>(attributes.integer("bits"))};
  bound.outputs = bound.packed.shape[0];
  bound.padded_outputs = round_up(bound.outputs, int8_panel);
  bound.padded_columns = code_columns(bound.packed.shape[1]);
  return bound;
}

}  // namespace

std::size_t BoundInt8::workspace_bytes() const {
  const auto n = static_cast<std::size_t>(padded_outputs);
  const auto blocks = static_cast<std::size_t>(product.blocks());
  return round_up(n * static_cast<std::size_t>(padded_columns), 64) +
         2 * round_up(blocks * n * 4, 64) + round_up(n * 4, 64);
}

Int8Weights BoundInt8::weights(std::byte* workspace) const {
  const auto n = static_cast<std::size_t>(padded_outputs);
  const auto blocks = static_cast<std::size_t>(product.blocks());
  std::byte* const sums = workspace + round_up(n * static_cast<std::size_t>(padded_columns), 64);
  std::byte* const scales = sums + round_up(blocks * n * 4, 64);
  return {reinterpret_cast<std::int8_t*>(workspace), reinterpret_cast<std::int32_t*>(sums),
          reinterpret_cast<float*>(scales),
          reinterpret_cast<std::int32_t*>(scales + round_up(blocks * n * 4, 64))};
}

std::shared_ptr<const void> bind_node_int8(const KernelQuery& query) {
  return std::make_shared<BoundInt8>(bound_int8(query));
}

std::size_t int8_workspace(const KernelQuery& query) { return bound_int8(query).workspace_bytes(); }

void begin_int8(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundInt8*>(call.bound);
  const Int8Product& product = bound.product;
  const Int8Layout& layout = product.weight_layout;
  const PackedTensor packed =
      bound.packed.view(call.in(2), call.inputs.size() > 3 ? &call.in(3) : nullptr);
  const Int8Weights to = bound.weights(call.workspace);
  const std::int64_t n = bound.padded_outputs;
  const std::int64_t k = bound.packed.shape[1];
  const std::int64_t blocks = product.blocks();
  // Codes that count from a zero take the range of signed bytes: -128 .. 127.
  const int shift = layout.has_zero ? 128 : 0;
  std::vector<std::int8_t> codes(static_cast<std::size_t>(int8_panel * k));
  std::vector<float> scales(static_cast<std::size_t>(int8_panel * scale_count(layout, k)));
  std::vector<std::int32_t> zeros(static_cast<std::size_t>(int8_panel));
  const std::int64_t panels = n / int8_panel;
  for (std::int64_t p = panels * call.thread / call.threads;
       p < panels * (call.thread + 1) / call.threads; ++p) {
    const std::int64_t first = p * int8_panel;
    const std::int64_t rows = std::min(int8_panel, bound.outputs - first);
    product.weight->unpack_int8(packed, first, rows, codes.data(), k, scales.data(), zeros.data());
    std::int8_t* panel = to.codes + first * bound.padded_columns;
    std::memset(panel, 0, static_cast<std::size_t>(int8_panel * bound.padded_columns));
    for (std::int64_t j = 0; j < int8_panel; ++j) {
      const bool real = j < rows;
      const std::int32_t zero = !real || !layout.has_zero ? 0
                                : layout.fixed            ? layout.zero
                                                          : zeros[static_cast<std::size_t>(j)];
      to.zeros[first + j] = real ? zero - shift : 0;
      for (std::int64_t b = 0; b < blocks; ++b) {
        std::int32_t sum = 0;
        for (std::int64_t i = b * product.block; real && i < std::min(k, (b + 1) * product.block);
             ++i) {
          const std::int8_t raw = codes[static_cast<std::size_t>(j * k + i)];
          const int code = layout.has_zero ? static_cast<std::uint8_t>(raw) - shift : raw;
          panel[i / 4 * (int8_panel * 4) + j * 4 + i % 4] = static_cast<std::int8_t>(code);
          sum += code;
        }
        to.sums[b * n + first + j] = sum;
        to.scales[b * n + first + j] =
            !real          ? 0.0f
            : layout.fixed ? layout.scale
                           : scales[static_cast<std::size_t>(j * scale_count(layout, k) +
                                                             product.weight_block(b))];
      }
    }
  }
}

}  // namespace hone
