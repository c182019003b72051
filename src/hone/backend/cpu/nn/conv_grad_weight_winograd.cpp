// Gradient of the kernel of a 3 x 3 convolution with steps of one, by Winograd's tiles: the
// derivative of their formula (detail/winograd.hpp),
//   dw = G^T [sum over tiles of (B^T x B) * (A dy A^T)] G.
// Tiles are transformed a chunk at a time, into panels of channels and of filters. Each pair of
// panels is then a product for each of the 36 elements, as deep as the chunk has tiles. Of what a
// tile holds for a channel and a filter, an infinity or a NaN reaches all nine taps.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/conv_grad_weight_winograd.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <vector>

#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/backend/cpu/detail/winograd-inl.hpp"
#include "hone/backend/cpu/detail/winograd.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/round_up.hpp"
#include "hone/core/threads.hpp"

#ifndef HONE_CONV_GRAD_WEIGHT_WINOGRAD_SIZES
#define HONE_CONV_GRAD_WEIGHT_WINOGRAD_SIZES
namespace hone {
namespace {

using namespace winograd;

constexpr std::int64_t panel = gemm_block;  // channels, or filters
constexpr std::int64_t chunk_floats = 2 << 20;
constexpr std::int64_t short_sum = 256;  // tiles
// Pairs from which on a thread takes a whole one, whose sums then stay in its cache.
constexpr std::int64_t many_pairs = 16;
// Of fewer tiles the sums weigh more than what is summed.
constexpr std::int64_t least_tiles = 8;

// A panel of channels and one of filters.
struct PanelPair {
  std::int64_t channel, channels;  // its first, and how many
  std::int64_t filter, filters;
};

// How the work is cut and where it lies, the same whatever the number of threads:
//   transformed x   [element][panel][tile of the chunk][channel of the panel]
//   transformed dy  [element][panel][tile of the chunk][filter of the panel]
//   sums            [pair][element][channel of the panel][filter of the panel]
struct Layout {
  Tiles tiles;
  std::int64_t channels, filters;
  std::int64_t pairs;
  std::int64_t chunk;  // tiles
  bool at_once;        // a pair's sums are turned into dw where they are made

  explicit Layout(const ConvSizes& s)
      : tiles(tiles_of(s)),
        channels(s.channels),
        filters(s.filters),
        pairs((channels + panel - 1) / panel * filter_panels()) {
    const std::int64_t most = chunk_floats / (tile_elements * (channels + filters));
    chunk = std::min(std::max(gemm_block, most / gemm_block * gemm_block),
                     round_up(std::max<std::int64_t>(tiles.all, 1), gemm_block));
    at_once = tiles.all <= chunk && pairs >= many_pairs;
  }

  std::int64_t filter_panels() const { return (filters + panel - 1) / panel; }
  PanelPair pair(std::int64_t i) const {
    const std::int64_t c = i / filter_panels() * panel, o = i % filter_panels() * panel;
    return {c, std::min(panel, channels - c), o, std::min(panel, filters - o)};
  }
  // Where an element's tiles of the panel that begins at a channel (a filter) are.
  std::int64_t x_panel(std::int64_t element, std::int64_t channel) const {
    return (element * channels + channel) * chunk;
  }
  std::int64_t dy_panel(std::int64_t element, std::int64_t filter) const {
    return (element * filters + filter) * chunk;
  }
  static constexpr std::int64_t pair_sums = tile_elements * panel * panel;
  std::int64_t floats() const {
    return tile_elements * chunk * (channels + filters) + (at_once ? 0 : pairs * pair_sums);
  }
};

}  // namespace
}  // namespace hone
#endif

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// A of four numbers.
HWY_INLINE void transform_output_grad(const VecF* v, VecF* to) {
  const F32 d;
  const VecF four = hn::Set(d, 4.0f), two = hn::Set(d, 2.0f);
  const VecF v02 = hn::Add(v[0], v[2]), v13 = hn::Add(v[1], v[3]);
  const VecF v0_4v2 = hn::MulAdd(four, v[2], v[0]);
  const VecF v2v1_8v3 = hn::Mul(two, hn::MulAdd(four, v[3], v[1]));
  to[0] = v[0];
  to[1] = hn::Add(v02, v13);
  to[2] = hn::Sub(v02, v13);
  to[3] = hn::Add(v0_4v2, v2v1_8v3);
  to[4] = hn::Sub(v0_4v2, v2v1_8v3);
  to[5] = v[3];
}

// A dy A^T of filters [first, end) of a tile, element e from `to` + e * `step` on.
HWY_INLINE void transform_tile_grad(const ConvSizes& s, const float* dy, const TilePlace& at,
                                    std::int64_t first, std::int64_t end, float* to,
                                    std::int64_t step) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const float* corner = dy + ((at.image * s.out_height + at.h) * s.out_width + at.w) * s.filters;
  const TileSize size = size_of_tile(s, at);
  for (std::int64_t o = first; o < end; o += lanes, to += lanes) {
    const PartialVector filters(end - o);
    VecF rows[tile_in * tile_out];
    for (int k = 0; k < tile_out; ++k) {
      VecF column[tile_out], six[tile_in];
      for (int r = 0; r < tile_out; ++r)
        column[r] = r >= size.height || k >= size.width
                        ? hn::Zero(d)
                        : filters.load(corner + (r * s.out_width + k) * s.filters + o);
      transform_output_grad(column, six);
      HONE_UNROLL
      for (int r = 0; r < tile_in; ++r) rows[r * tile_out + k] = six[r];
    }
    for (int r = 0; r < tile_in; ++r) {
      VecF row[tile_in];
      transform_output_grad(rows + r * tile_out, row);
      HONE_UNROLL
      for (int k = 0; k < tile_in; ++k) filters.store(row[k], to + (r * tile_in + k) * step);
    }
  }
}

// G^T of six numbers.
HWY_INLINE void transform_sums(const VecF* m, VecF* to, int step) {
  const F32 d;
  const VecF sixth = hn::Set(d, 1.0f / 6);
  const VecF m12 = hn::Add(m[1], m[2]), m34 = hn::Add(m[3], m[4]);
  const VecF inner = hn::NegMulAdd(m12, sixth, hn::Mul(m34, hn::Set(d, 1.0f / 24)));
  to[0] = hn::MulAdd(m[0], hn::Set(d, 0.25f), inner);
  to[step] =
      hn::MulAdd(hn::Sub(m[2], m[1]), sixth, hn::Mul(hn::Sub(m[3], m[4]), hn::Set(d, 1.0f / 12)));
  to[2 * step] = hn::MulAdd(hn::Sub(m34, m12), sixth, m[5]);
}

// A tile of x and of dy, tile `t` of the chunk.
void winograd_transform(const ConvSizes& s, const Layout& layout, const float* x, const float* dy,
                        std::int64_t tile, std::int64_t t, float* to_x, float* to_dy) {
  const TilePlace at = place_of_tile(layout.tiles, tile);
  const TileReads reads = locate_tile(s, x, at);
  for (std::int64_t c = 0; c < s.channels; c += panel) {
    const std::int64_t end = std::min(s.channels, c + panel);
    transform_tile(reads, c, end, to_x + layout.x_panel(0, c) + t * (end - c),
                   layout.x_panel(1, 0));
  }
  for (std::int64_t o = 0; o < s.filters; o += panel) {
    const std::int64_t end = std::min(s.filters, o + panel);
    transform_tile_grad(s, dy, at, o, end, to_dy + layout.dy_panel(0, o) + t * (end - o),
                        layout.dy_panel(1, 0));
  }
}

// dw of a pair of panels, of its sums.
void winograd_finish(const ConvSizes& s, const PanelPair& pair, const float* sums, float* dw) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(F32()));
  for (std::int64_t c = 0; c < pair.channels; ++c)
    for (std::int64_t o = 0; o < pair.filters; o += lanes) {
      const PartialVector filters(pair.filters - o);
      VecF rows[3 * tile_in];
      for (int k = 0; k < tile_in; ++k) {
        VecF column[tile_in];
        HONE_UNROLL
        for (int r = 0; r < tile_in; ++r)
          column[r] =
              filters.load(sums + ((r * tile_in + k) * pair.channels + c) * pair.filters + o);
        transform_sums(column, rows + k, tile_in);
      }
      for (int r = 0; r < 3; ++r) {
        VecF row[3];
        transform_sums(rows + r * tile_in, row, 1);
        for (int k = 0; k < 3; ++k)
          filters.store(row[k], dw + ((r * 3 + k) * s.channels + pair.channel + c) * s.filters +
                                    pair.filter + o);
      }
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
namespace {

HWY_EXPORT(winograd_transform);
HWY_EXPORT(winograd_finish);

// sums[channels, filters] of an element (+)= the product of its panels, `tiles` deep. Long sums are
// made of short ones: the transforms take two digits, rounding should not take another.
void add_product(const PanelPair& pair, const float* x, const float* dy, std::int64_t tiles,
                 bool is_first, float* sums) {
  alignas(64) static thread_local float more[panel * panel];
  for (std::int64_t begin = 0; begin < tiles; begin += short_sum) {
    const std::int64_t end = std::min(tiles, begin + short_sum);
    float* to = is_first && begin == 0 ? sums : more;
    for (std::int64_t t = begin; t < end; t += gemm_block)
      gemm({pair.channels, pair.filters, std::min(gemm_block, end - t), pair.channels, pair.filters,
            pair.filters, true, t > begin},
           x + t * pair.channels, dy + t * pair.filters, to);
    if (to == sums) continue;
    for (std::int64_t i = 0; i < pair.channels * pair.filters; ++i) sums[i] += more[i];
  }
}

void run(const KernelCall& call) {
  const ConvSizes s = conv_grad_weight_sizes(call);
  const Layout layout(s);
  float* dw = call.out(0).as();
  if (layout.tiles.all == 0) {
    std::fill(dw, dw + call.out(0).size(), 0.0f);
    return;
  }
  float* x = reinterpret_cast<float*>(call.workspace);
  float* dy = x + layout.x_panel(tile_elements, 0);
  float* all_sums = dy + layout.dy_panel(tile_elements, 0);
  // Where pairs are few, threads share their elements as well.
  const std::int64_t shares =
      layout.at_once
          ? 1
          : std::clamp<std::int64_t>(4 * thread_count() / layout.pairs, 1, tile_elements);
  for (std::int64_t first = 0; first < layout.tiles.all; first += layout.chunk) {
    const std::int64_t count = std::min(layout.chunk, layout.tiles.all - first);
    constexpr std::int64_t together = 4;
    parallel_items((count + together - 1) / together, [&](std::int64_t item, int) {
      for (std::int64_t t = item * together; t < std::min(count, (item + 1) * together); ++t)
        HWY_DYNAMIC_DISPATCH(winograd_transform)
      (s, layout, call.in(0).as(), call.in(1).as(), first + t, t, x, dy);
    });
    const bool is_last = first + count == layout.tiles.all;
    parallel_items(layout.pairs * shares, [&](std::int64_t item, int) {
      static thread_local std::vector<float> own_sums;
      if (layout.at_once) own_sums.resize(Layout::pair_sums);
      const std::int64_t share = item % shares;
      const PanelPair pair = layout.pair(item / shares);
      float* sums = layout.at_once ? own_sums.data() : all_sums + item / shares * Layout::pair_sums;
      for (std::int64_t e = tile_elements * share / shares;
           e < tile_elements * (share + 1) / shares; ++e)
        add_product(pair, x + layout.x_panel(e, pair.channel), dy + layout.dy_panel(e, pair.filter),
                    count, first == 0, sums + e * pair.channels * pair.filters);
      if (is_last && shares == 1) HWY_DYNAMIC_DISPATCH(winograd_finish)(s, pair, sums, dw);
    });
  }
  if (shares == 1) return;
  parallel_items(layout.pairs, [&](std::int64_t i, int) {
    HWY_DYNAMIC_DISPATCH(winograd_finish)
    (s, layout.pair(i), all_sums + i * Layout::pair_sums, dw);
  });
}

std::string refuse(const KernelQuery& query) {
  const ConvSizes s = conv_grad_weight_sizes(query);
  const std::string reason = refuse_shape(s);
  if (!reason.empty()) return reason;
  const std::int64_t tiles = tiles_of(s).all;
  // (Transforms pay where tiles are full: of 2 x 2 places they save nothing.)
  if (2 * tiles * tile_elements > s.places() * s.taps()) return "images are small";
  return tiles < least_tiles ? "there are few tiles" : "";
}

}  // namespace

Kernel cpu_kernel_conv_grad_weight_winograd() {
  Kernel kernel{{"cpu.conv_grad_weight_winograd", "Winograd's tiles, a quarter of the products"},
                "conv_channels_last_grad_weight",
                RowRule::whole,
                20};
  kernel.refuse = refuse;
  kernel.workspace = [](const KernelQuery& query) {
    return static_cast<std::size_t>(Layout(conv_grad_weight_sizes(query)).floats()) * sizeof(float);
  };
  kernel.run = run;
  return kernel;
}

}  // namespace hone
#endif
