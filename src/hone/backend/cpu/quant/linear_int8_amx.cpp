// linear_int8 with AMX: two tiles of sixteen rows meet two panels of sixteen outputs.
#include <vector>

#include "hone/backend/cpu/detail/amx.hpp"
#include "hone/backend/cpu/detail/int8_product.hpp"
#include "hone/backend/cpu/detail/linear_int8_avx512.hpp"

namespace hone {
namespace {
namespace linear_int8_amx_kernel {

std::string refuse(const KernelQuery& query) {
  const auto bound = std::static_pointer_cast<const BoundInt8>(bind_node_int8(query));
  if (bound->product.blocks() != 1) return "blocks of a row have scales of their own";
  return amx_columns(bound->padded_columns) == 0 ? "its columns do not fill tiles" : "";
}

#ifdef HONE_AMX

template <int Tiles, int Panels>
HONE_AMX_TARGET void tile(const Int8Rows& pass, const std::int32_t* row_sums, std::int64_t row,
                          std::int64_t rows, std::int64_t first) {
  const std::int64_t columns = pass.bound->padded_columns;
  const std::uint8_t* x[Tiles];
  HONE_UNROLL for (int t = 0; t < Tiles; ++t) x[t] = pass.x + (row + t * rows) * columns;
  constexpr std::array<std::int64_t, 1> whole{0};
  alignas(64) std::int32_t sums[Tiles * amx_rows * Panels * int8_panel];
  amx_products<Tiles, Panels>(x, columns, {whole, columns, amx_columns(columns)},
                              pass.w.codes + first * columns, int8_panel * columns, sums);
  for (int t = 0; t < Tiles; ++t)
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t at = row + t * rows + r;
      HONE_UNROLL for (int p = 0; p < Panels; ++p) {
        const __m512i sum =
            _mm512_load_si512(sums + ((t * amx_rows + r) * Panels + p) * int8_panel);
        const __m512i zero = _mm512_mullo_epi32(
            pass.minus_zero(at), _mm512_load_si512(pass.w.sums + first + p * int8_panel));
        give_outputs(pass, at, first + p * int8_panel, _mm512_add_epi32(sum, zero), row_sums[at]);
      }
    }
}

// Rows [row, end), whose number is Tiles * rows.
template <int Tiles>
HONE_AMX_TARGET void some_rows(const Int8Rows& pass, const std::int32_t* row_sums, std::int64_t row,
                               std::int64_t rows, std::int64_t first) {
  if (first + 2 * int8_panel <= pass.bound->padded_outputs)
    tile<Tiles, 2>(pass, row_sums, row, rows, first);
  else
    tile<Tiles, 1>(pass, row_sums, row, rows, first);
}

HONE_AMX_TARGET void run(const KernelCall& call) {
  const Int8Rows pass(call);
  const BoundInt8& bound = *pass.bound;
  const std::int64_t rows = call.in(0).rows();
  static thread_local std::vector<std::int32_t> row_sums;  // kept from call to call
  row_sums.assign(static_cast<std::size_t>(rows), 0);
  if (bound.product.weight_layout.has_zero)
    for (std::int64_t r = 0; r < rows; ++r) row_sums[static_cast<std::size_t>(r)] = pass.row_sum(r);
  const std::int64_t pairs = rows / (2 * amx_rows), left = rows % (2 * amx_rows);
  // The rest in one tile, or in two as high as each other and one row.
  const std::int64_t rest = left <= amx_rows ? left : left / 2;
  const std::int64_t step = amx_columns(bound.padded_columns);
  const auto cover = [&](std::int64_t height, const auto& body) {
    const AmxTiles tiles(height, step);
    for (std::int64_t first = 0; first < bound.padded_outputs; first += 2 * int8_panel) body(first);
  };
  const std::int64_t from = pairs * 2 * amx_rows;
  if (pairs > 0)
    cover(amx_rows, [&](std::int64_t first) HONE_AMX_TARGET {
      for (std::int64_t row = 0; row < from; row += 2 * amx_rows)
        some_rows<2>(pass, row_sums.data(), row, amx_rows, first);
    });
  if (rest == 0) return;
  cover(rest, [&](std::int64_t first) HONE_AMX_TARGET {
    if (left <= amx_rows)
      some_rows<1>(pass, row_sums.data(), from, rest, first);
    else
      some_rows<2>(pass, row_sums.data(), from, rest, first);
  });
  if (left > amx_rows && left % 2 == 1)
    cover(1, [&](std::int64_t first)
                 HONE_AMX_TARGET { some_rows<1>(pass, row_sums.data(), rows - 1, 1, first); });
}

#else
void run(const KernelCall&) {}
#endif

}  // namespace linear_int8_amx_kernel
}  // namespace

Kernel cpu_kernel_linear_int8_amx() {
  using namespace linear_int8_amx_kernel;
  Kernel kernel{{"cpu.linear_int8_amx", "sums of whole numbers by AMX, 32 rows x 32 outputs"},
                "linear_int8",
                RowRule::rows,
                30};
  kernel.missing = missing_amx;
  kernel.refuse = refuse;
  kernel.bind = bind_node_int8;
  kernel.workspace = int8_workspace;
  kernel.begin = begin_int8;
  kernel.begin_once = true;
  kernel.begin_inputs = 2;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
