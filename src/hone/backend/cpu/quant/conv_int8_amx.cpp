// conv_int8 with AMX: two tiles of up to sixteen places of a row of y meet two panels of sixteen
// filters. Windows are read where they lie: those of neighbours are a fixed distance apart.
#include <vector>

#include "hone/backend/cpu/detail/amx.hpp"
#include "hone/backend/cpu/detail/conv_int8_avx512.hpp"

namespace hone {
namespace {
namespace conv_int8_amx_kernel {

// Codes of a window that lie together, whatever the sizes of the planes are.
std::int64_t run_length(const BoundConvInt8& bound) {
  return (bound.window.dilations[1] == 1 ? bound.conv.kernel[1] : 1) * bound.conv.padded;
}

std::string refuse(const KernelQuery& query) {
  const auto bound = std::static_pointer_cast<const BoundConvInt8>(bind_node_conv_int8(query));
  if (bound->conv.blocks() != 1) return "parts of a window have scales of their own";
  return amx_columns(run_length(*bound)) == 0 ? "the codes of a window do not fill tiles" : "";
}

#ifdef HONE_AMX

// Places that lie side by side in the planes: a row of y, or all of them where windows are places.
std::int64_t side_by_side(const BoundConvInt8& bound, const CodePlanes& planes) {
  const Window& window = bound.window;
  const bool places = bound.conv.taps() == 1 && window.strides[0] == 1 && window.strides[1] == 1 &&
                      planes.padded_width == planes.out_width &&
                      planes.padded_height == planes.out_height;
  return places ? planes.places() : planes.out_width;
}

// A tile begins at this place of its piece; the first `done` of its rows another tile gives.
struct TilePlace {
  std::int64_t first, done;
};

struct Shape {
  AmxRuns row;
  std::int64_t rows, stride;  // of a tile; bytes between them
};

template <int Tiles, int Panels>
HONE_AMX_TARGET void tile(const ConvBytes& piece, const Shape& shape, const TilePlace* at,
                          std::int64_t first) {
  const ConvInt8& conv = piece.bound->conv;
  const std::int64_t columns = conv.columns();
  const std::uint8_t* x[Tiles];
  HONE_UNROLL for (int t = 0; t < Tiles; ++t) x[t] =
      piece.planes->codes + piece.places[at[t].first] * conv.padded;
  alignas(64) std::int32_t sums[Tiles * amx_rows * Panels * int8_panel];
  amx_products<Tiles, Panels>(x, shape.stride, shape.row, piece.filters.codes + first * columns,
                              int8_panel * columns, sums);
  for (int t = 0; t < Tiles; ++t)
    for (std::int64_t r = at[t].done; r < shape.rows; ++r)
      HONE_UNROLL for (int p = 0; p < Panels; ++p) {
        const std::int64_t j = first + p * int8_panel, place = at[t].first + r;
        const __m512i sum = _mm512_add_epi32(
            _mm512_load_si512(sums + ((t * amx_rows + r) * Panels + p) * int8_panel),
            _mm512_load_si512(piece.filters.sums + j));
        give_filters(piece, place, j, scaled_sums(piece, place, j, sum));
      }
}

template <int Panels>
HONE_AMX_TARGET void tiles_of(const ConvBytes& piece, const Shape& shape,
                              const std::vector<TilePlace>& tiles, std::int64_t first) {
  std::size_t t = 0;
  for (; t + 2 <= tiles.size(); t += 2) tile<2, Panels>(piece, shape, tiles.data() + t, first);
  if (t < tiles.size()) tile<1, Panels>(piece, shape, tiles.data() + t, first);
}

HONE_AMX_TARGET void run_piece(const ConvBytes& piece, std::int64_t line) {
  const BoundConvInt8& bound = *piece.bound;
  line = std::min(line, piece.count);
  const std::int64_t parts = (line + amx_rows - 1) / amx_rows;
  const std::int64_t rows = (line + parts - 1) / parts;
  static thread_local std::vector<TilePlace> tiles;
  tiles.clear();
  for (std::int64_t from = 0; from < piece.count; from += line) {
    const std::int64_t count = std::min(line, piece.count - from);
    for (std::int64_t at = 0; at < count; at += rows) {
      const std::int64_t first = std::min(at, count - rows);
      tiles.push_back({from + first, at - first});
    }
  }
  const Shape shape{
      {piece.windows->runs, piece.windows->length, amx_columns(piece.windows->length)},
      rows,
      bound.window.strides[1] * bound.conv.padded};
  const AmxTiles registers(rows, shape.row.step);
  std::int64_t panel = piece.first_panel;
  for (; panel + 2 <= piece.end_panel; panel += 2)
    tiles_of<2>(piece, shape, tiles, panel * int8_panel);
  if (panel < piece.end_panel) tiles_of<1>(piece, shape, tiles, panel * int8_panel);
}

void run(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundConvInt8*>(call.bound);
  // Kept from call to call, of all convolutions.
  static thread_local CodePlanes kept;
  CodePlanes& planes = kept;
  encode_planes(call, planes);
  const std::int64_t line = side_by_side(bound, planes);
  // Pieces are whole lines, or whole tiles of a long one.
  const bool one_line = line == planes.places();
  for_conv_pieces<std::int8_t>(call, planes, one_line ? amx_rows : line,
                               [&](const ConvBytes& piece) { run_piece(piece, line); });
}

#else
void run(const KernelCall&) {}
#endif

}  // namespace conv_int8_amx_kernel
}  // namespace

Kernel cpu_kernel_conv_int8_amx() {
  using namespace conv_int8_amx_kernel;
  Kernel kernel{{"cpu.conv_int8_amx", "windows of 32 places meet 32 filters, by AMX"},
                "conv_int8",
                RowRule::whole,
                30};
  kernel.missing = missing_amx;
  kernel.refuse = refuse;
  kernel.bind = bind_node_conv_int8;
  kernel.workspace = conv_int8_workspace<std::int8_t>;
  kernel.begin = begin_conv_int8<std::int8_t>;
  kernel.begin_once = true;
  kernel.begin_end = 3;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
