// linear_int8 on any machine: the codes of both sides become 16-bit numbers, of which one
// instruction multiplies and adds pairs. Exact like the others.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/quant/linear_int8.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "hone/backend/cpu/detail/int8_product.hpp"
#include "hone/core/unroll.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

using I16 = hn::Repartition<std::int16_t, I32>;
using Vec32 = hn::Vec<I32>;
inline constexpr int lanes = static_cast<int>(hn::MaxLanes(I32()));

// Rows at a time: with four, GCC 12 spills sums of AVX2's sixteen registers.
inline constexpr int most_rows = 3;

struct Call {
  const BoundInt8* bound;
  Int8Weights w;
  const float* scales;  // of the first row
  std::int64_t stride;  // of the scales
  const std::int32_t*
      row_sums;  // [row][block]: of the codes less their zero, where the weights have zeros
  const float* bias;
};

// `lanes` outputs from `first` on of Rows rows; x holds their codes as 16-bit numbers.
template <int Rows>
void outputs_of(const Call& call, const std::int16_t* x, std::int64_t first, float* y) {
  const I32 di;
  const I16 dw;
  const F32 df;
  const hn::Rebind<std::int8_t, I16> d8;
  const BoundInt8& bound = *call.bound;
  const Int8Product& product = bound.product;
  const std::int64_t columns = bound.padded_columns;
  const std::int64_t n = bound.padded_outputs;
  // Four codes of an output are two lanes of the sums: two vectors hold those of `lanes` outputs.
  const std::int8_t* codes =
      call.w.codes + first / int8_panel * int8_panel * columns + first % int8_panel * 4;
  VecF totals[Rows];
  HONE_UNROLL for (int r = 0; r < Rows; ++r) totals[r] = hn::Zero(df);
  for (std::int64_t b = 0; b < product.blocks(); ++b) {
    const std::int64_t to = std::min(columns, (b + 1) * product.block);
    Vec32 low[Rows], high[Rows], low_rest[Rows], high_rest[Rows];
    HONE_UNROLL for (int r = 0; r < Rows; ++r) low[r] = high[r] = low_rest[r] = high_rest[r] =
        hn::Zero(di);
    for (std::int64_t k = b * product.block; k < to; k += 4) {
      const std::int8_t* four = codes + k * int8_panel;
      const auto w_low = hn::PromoteTo(dw, hn::LoadU(d8, four));
      const auto w_high = hn::PromoteTo(dw, hn::LoadU(d8, four + 2 * lanes));
      HONE_UNROLL for (int r = 0; r < Rows; ++r) {
        std::int64_t of_row;
        std::memcpy(&of_row, x + r * columns + k, sizeof of_row);
        const auto data = hn::BitCast(dw, hn::Set(hn::Repartition<std::int64_t, I32>(), of_row));
        low[r] = hn::ReorderWidenMulAccumulate(di, w_low, data, low[r], low_rest[r]);
        high[r] = hn::ReorderWidenMulAccumulate(di, w_high, data, high[r], high_rest[r]);
      }
    }
    const std::int64_t at = b * n + first;
    HONE_UNROLL for (int r = 0; r < Rows; ++r) {
      const float* scales = call.scales + r * call.stride;
      const Vec32 lower = hn::RearrangeToOddPlusEven(low[r], low_rest[r]);
      const Vec32 upper = hn::RearrangeToOddPlusEven(high[r], high_rest[r]);
      Vec32 sum = hn::Add(hn::ConcatEven(di, upper, lower), hn::ConcatOdd(di, upper, lower));
      const Vec32 zero = hn::Set(di, static_cast<std::int32_t>(scales[call.stride - 1]));
      sum = hn::Sub(sum, hn::Mul(zero, hn::LoadU(di, call.w.sums + at)));
      if (product.weight_layout.has_zero)
        sum = hn::Sub(sum, hn::Mul(hn::LoadU(di, call.w.zeros + first),
                                   hn::Set(di, call.row_sums[r * product.blocks() + b])));
      const VecF scale =
          hn::Mul(hn::Set(df, scales[product.data_block(b)]), hn::LoadU(df, call.w.scales + at));
      totals[r] = hn::MulAdd(hn::ConvertTo(df, sum), scale, totals[r]);
    }
  }
  const auto mask = hn::FirstN(
      df, static_cast<std::size_t>(std::min<std::int64_t>(lanes, bound.outputs - first)));
  const VecF bias = call.bias != nullptr ? masked_load(mask, df, call.bias + first) : hn::Zero(df);
  HONE_UNROLL for (int r = 0; r < Rows; ++r)
      blended_store(hn::Add(totals[r], bias), mask, df, y + r * bound.outputs + first);
}

template <int Rows>
void some_rows(const KernelCall& call, const Int8Weights& w, std::int64_t row,
               std::vector<std::int16_t>& x, std::vector<std::int32_t>& row_sums) {
  const auto& bound = *static_cast<const BoundInt8*>(call.bound);
  const Int8Product& product = bound.product;
  const std::int64_t columns = bound.padded_columns;
  const std::int64_t stride = call.in(1).columns();
  const std::uint8_t* codes = call.in(0).as<std::uint8_t>() + row * columns;
  const hn::Rebind<std::uint8_t, I16> bytes;
  std::int64_t i = 0;
  for (; i + 2 * lanes <= Rows * columns; i += 2 * lanes)
    hn::StoreU(hn::PromoteTo(I16(), hn::LoadU(bytes, codes + i)), I16(), x.data() + i);
  for (; i < Rows * columns; ++i) x[static_cast<std::size_t>(i)] = codes[i];
  const float* scales = call.in(1).as() + row * stride;
  if (product.weight_layout.has_zero)
    for (std::int64_t r = 0; r < Rows; ++r)
      for (std::int64_t b = 0; b < product.blocks(); ++b) {
        const auto zero = static_cast<std::int32_t>(scales[(r + 1) * stride - 1]);
        std::int32_t sum = 0;
        for (std::int64_t k = b * product.block;
             k < std::min(product.columns, (b + 1) * product.block); ++k)
          sum += codes[r * columns + k] - zero;
        row_sums[static_cast<std::size_t>(r * product.blocks() + b)] = sum;
      }
  const Call rows{
      &bound, w, scales, stride, row_sums.data(), call.has(4) ? call.in(4).as() : nullptr};
  float* y = call.out(0).as() + row * bound.outputs;
  for (std::int64_t first = 0; first < bound.outputs; first += lanes)
    outputs_of<Rows>(rows, x.data(), first, y);
}

void run_linear_int8(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundInt8*>(call.bound);
  const Int8Weights w = bound.weights(call.workspace);
  const std::int64_t rows = call.in(0).rows();
  // Of the thread, kept from call to call.
  static thread_local std::vector<std::int16_t> x;
  static thread_local std::vector<std::int32_t> row_sums;
  x.resize(std::max(x.size(), static_cast<std::size_t>(most_rows * bound.padded_columns)));
  row_sums.resize(
      std::max(row_sums.size(), static_cast<std::size_t>(most_rows * bound.product.blocks())));
  std::int64_t row = 0;
  for (; row + most_rows <= rows; row += most_rows) some_rows<most_rows>(call, w, row, x, row_sums);
  for (; row < rows; ++row) some_rows<1>(call, w, row, x, row_sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_linear_int8);

Kernel cpu_kernel_linear_int8() {
  Kernel kernel{
      {"cpu.linear_int8", "sums of whole numbers by 16-bit instructions, 3 rows at a time"},
      "linear_int8",
      RowRule::rows,
      10};
  kernel.bind = bind_node_int8;
  kernel.workspace = int8_workspace;
  kernel.begin = begin_int8;
  kernel.begin_once = true;
  kernel.begin_inputs = 2;
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_linear_int8)(call); };
  return kernel;
}

}  // namespace hone
#endif
