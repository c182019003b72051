// Gradient of the kernel of a 3 x 3 convolution with steps of one, by the tiles of Winograd's
// F(4 x 4, 3 x 3): the derivative of its formula (detail/winograd.hpp),
//   dw = G^T [sum over tiles of (B^T x B) * (A dy A^T)] G,
// has 36 multiplications a tile, a channel and a filter instead of 144. Tiles are transformed some
// hundred at a time, into panels that stay in cache; then each pair of a panel of channels and one
// of filters is a product a plane, as deep as there are tiles.
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

// Products of this size are the fastest of libxsmm's and of the portable ones.
constexpr std::int64_t panel = 64, depth = 64;
constexpr std::int64_t short_sum = 256;   // tiles
constexpr std::int64_t cached = 2 << 20;  // numbers of transformed tiles
constexpr std::int64_t piece = 4;         // tiles that a thread transforms at a time
// Pairs of panels that keep all threads busy; each then sums its planes in cache.
constexpr std::int64_t many_pairs = 16;

// How the work is cut; the same whatever the number of threads.
struct Cut {
  Tiles tiles;
  std::int64_t channel_panels, filter_panels;
  std::int64_t chunk;  // tiles that are transformed at a time
  bool at_once;        // a pair's sums are turned into dw where they are made

  explicit Cut(const ConvSizes& s)
      : tiles(tiles_of(s)),
        channel_panels((s.channels + panel - 1) / panel),
        filter_panels((s.filters + panel - 1) / panel),
        chunk(
            std::min(std::max(depth, cached / (planes * (s.channels + s.filters)) / depth * depth),
                     round_up(std::max<std::int64_t>(tiles.all, 1), depth))),
        at_once(tiles.all <= chunk && pairs() >= many_pairs) {}

  std::int64_t pairs() const { return channel_panels * filter_panels; }
  // Numbers: of each plane the panels one after the other, of each tile a panel's.
  std::int64_t inputs(const ConvSizes& s) const { return planes * chunk * s.channels; }
  std::int64_t slopes(const ConvSizes& s) const { return planes * chunk * s.filters; }
  std::int64_t sums() const { return at_once ? 0 : pairs() * planes * panel * panel; }
};

}  // namespace
}  // namespace hone
#endif

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// A of four numbers.
HWY_INLINE void transform_slope(const VecF* v, VecF* to, int step) {
  const F32 d;
  const VecF even = hn::Add(v[0], v[2]), odd = hn::Add(v[1], v[3]);
  const VecF four = hn::Set(d, 4.0f), two = hn::Set(d, 2.0f);
  const VecF far_even = hn::MulAdd(four, v[2], v[0]);
  const VecF far_odd = hn::Mul(two, hn::MulAdd(four, v[3], v[1]));
  to[0] = v[0];
  to[step] = hn::Add(even, odd);
  to[2 * step] = hn::Sub(even, odd);
  to[3 * step] = hn::Add(far_even, far_odd);
  to[4 * step] = hn::Sub(far_even, far_odd);
  to[5 * step] = v[3];
}

// A dy A^T of filters [first, end) of a tile, each plane's from `to` + its number * `plane` on.
HWY_INLINE void transform_slopes(const ConvSizes& s, const float* dy, const TilePlace& at,
                                 std::int64_t first, std::int64_t end, float* to,
                                 std::int64_t plane) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const float* corner =
      dy + ((at.image * s.out_height + at.h) * s.out_width + at.w) * s.filters + first;
  const int height = static_cast<int>(std::min<std::int64_t>(tile_out, s.out_height - at.h));
  const int width = static_cast<int>(std::min<std::int64_t>(tile_out, s.out_width - at.w));
  for (std::int64_t o = 0; o < end - first; o += lanes, to += lanes) {
    const ChannelVector filters(end - first - o);
    VecF rows[tile_in * tile_out];
    for (int k = 0; k < tile_out; ++k) {
      VecF column[tile_out], six[tile_in];
      for (int r = 0; r < tile_out; ++r) {
        const float* from = corner + (r * s.out_width + k) * s.filters + o;
        column[r] = r >= height || k >= width ? hn::Zero(d) : filters.load(from);
      }
      transform_slope(column, six, 1);
      HONE_UNROLL
      for (int r = 0; r < tile_in; ++r) rows[r * tile_out + k] = six[r];
    }
    for (int r = 0; r < tile_in; ++r) {
      VecF row[tile_in];
      transform_slope(rows + r * tile_out, row, 1);
      HONE_UNROLL
      for (int k = 0; k < tile_in; ++k) filters.store(row[k], to + (r * tile_in + k) * plane);
    }
  }
}

// G^T of six numbers.
HWY_INLINE void transform_gradient(const VecF* m, int from, VecF* to, int step) {
  const F32 d;
  const VecF sixth = hn::Set(d, 1.0f / 6);
  const VecF near = hn::Add(m[from], m[2 * from]), turn = hn::Sub(m[2 * from], m[from]);
  const VecF far = hn::Add(m[3 * from], m[4 * from]), lean = hn::Sub(m[3 * from], m[4 * from]);
  const VecF most = hn::NegMulAdd(near, sixth, hn::Mul(far, hn::Set(d, 1.0f / 24)));
  to[0] = hn::MulAdd(m[0], hn::Set(d, 0.25f), most);
  to[step] = hn::MulAdd(turn, sixth, hn::Mul(lean, hn::Set(d, 1.0f / 12)));
  to[2 * step] = hn::MulAdd(hn::Sub(far, near), sixth, m[5 * from]);
}

// A tile of x and of dy into place `t` of the panels.
void winograd_transform(const ConvSizes& s, const Cut& cut, const float* x, const float* dy,
                        std::int64_t tile, std::int64_t t, float* inputs, float* slopes) {
  const TilePlace at = place_of_tile(cut.tiles, tile);
  const TileReads reads = locate_tile(s, x, at);
  for (std::int64_t c = 0; c < s.channels; c += panel) {
    const std::int64_t end = std::min(s.channels, c + panel);
    transform_tile(reads, c, end, inputs + c * cut.chunk + t * (end - c), cut.chunk * s.channels);
  }
  for (std::int64_t o = 0; o < s.filters; o += panel) {
    const std::int64_t end = std::min(s.filters, o + panel);
    transform_slopes(s, dy, at, o, end, slopes + o * cut.chunk + t * (end - o),
                     cut.chunk * s.filters);
  }
}

// dw of one panel of channels from `c` and of filters from `o` on, of its sums [plane, channel,
// filter].
void winograd_finish(const ConvSizes& s, std::int64_t c, std::int64_t o, const float* sums,
                     float* dw) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t channels = std::min(panel, s.channels - c);
  const std::int64_t filters = std::min(panel, s.filters - o);
  for (std::int64_t i = 0; i < channels; ++i)
    for (std::int64_t j = 0; j < filters; j += lanes) {
      const ChannelVector part(filters - j);
      VecF rows[3 * tile_in];
      for (int k = 0; k < tile_in; ++k) {
        VecF column[tile_in];
        HONE_UNROLL
        for (int r = 0; r < tile_in; ++r)
          column[r] = part.load(sums + ((r * tile_in + k) * channels + i) * filters + j);
        transform_gradient(column, 1, rows + k, tile_in);
      }
      for (int r = 0; r < 3; ++r) {
        VecF row[3];
        transform_gradient(rows + r * tile_in, 1, row, 1);
        for (int k = 0; k < 3; ++k)
          part.store(row[k], dw + ((r * 3 + k) * s.channels + c + i) * s.filters + o + j);
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

// sums[channels, filters] of a plane (+)= the product of its panels, `tiles` deep. Long sums are
// made of short ones: the transforms take two digits, rounding should not take another.
void add_product(const float* inputs, std::int64_t channels, const float* slopes,
                 std::int64_t filters, std::int64_t tiles, bool is_first, float* sums) {
  alignas(64) static thread_local float part[panel * panel];
  for (std::int64_t begin = 0; begin < tiles; begin += short_sum) {
    const std::int64_t end = std::min(tiles, begin + short_sum);
    float* to = is_first && begin == 0 ? sums : part;
    for (std::int64_t t = begin; t < end; t += depth)
      gemm({channels, filters, std::min(depth, end - t), channels, filters, filters, true,
            t > begin},
           inputs + t * channels, slopes + t * filters, to);
    if (to == sums) continue;
    for (std::int64_t i = 0; i < channels * filters; ++i) sums[i] += part[i];
  }
}

void run(const KernelCall& call) {
  const ConvSizes s = conv_grad_weight_sizes(call);
  const Cut cut(s);
  float* dw = call.out(0).as();
  if (cut.tiles.all == 0) {
    std::fill(dw, dw + call.out(0).size(), 0.0f);
    return;
  }
  float* inputs = reinterpret_cast<float*>(call.workspace);
  float* slopes = inputs + cut.inputs(s);
  float* all_sums = slopes + cut.slopes(s);
  // Where pairs are few, their planes are shared as well.
  const std::int64_t parts =
      cut.at_once ? 1 : std::clamp<std::int64_t>(4 * thread_count() / cut.pairs(), 1, planes);
  for (std::int64_t first = 0; first < cut.tiles.all; first += cut.chunk) {
    const std::int64_t count = std::min(cut.chunk, cut.tiles.all - first);
    parallel_items((count + piece - 1) / piece, [&](std::int64_t item, int) {
      for (std::int64_t t = item * piece; t < std::min(count, (item + 1) * piece); ++t)
        HWY_DYNAMIC_DISPATCH(winograd_transform)
      (s, cut, call.in(0).as(), call.in(1).as(), first + t, t, inputs, slopes);
    });
    const bool is_last = first + count == cut.tiles.all;
    parallel_items(cut.pairs() * parts, [&](std::int64_t item, int) {
      static thread_local std::vector<float> own;
      const std::int64_t pair = item / parts, part = item % parts;
      const std::int64_t c = pair / cut.filter_panels * panel, o = pair % cut.filter_panels * panel;
      const std::int64_t channels = std::min(panel, s.channels - c);
      const std::int64_t filters = std::min(panel, s.filters - o);
      if (cut.at_once) own.resize(planes * panel * panel);
      float* sums = cut.at_once ? own.data() : all_sums + pair * planes * panel * panel;
      for (std::int64_t p = planes * part / parts; p < planes * (part + 1) / parts; ++p)
        add_product(inputs + (p * s.channels + c) * cut.chunk, channels,
                    slopes + (p * s.filters + o) * cut.chunk, filters, count, first == 0,
                    sums + p * channels * filters);
      if (is_last && parts == 1) HWY_DYNAMIC_DISPATCH(winograd_finish)(s, c, o, sums, dw);
    });
  }
  if (parts == 1) return;
  parallel_items(cut.pairs(), [&](std::int64_t pair, int) {
    HWY_DYNAMIC_DISPATCH(winograd_finish)
    (s, pair / cut.filter_panels * panel, pair % cut.filter_panels * panel,
     all_sums + pair * planes * panel * panel, dw);
  });
}

std::string refuse(const KernelQuery& query) {
  const ConvSizes s = conv_grad_weight_sizes(query);
  const std::string reason = refuse_shape(s);
  if (!reason.empty()) return reason;
  // (Transforms pay where tiles are full: of 2 x 2 places they save nothing.)
  if (2 * tiles_of(s).all * planes > s.places() * s.taps()) return "planes are small";
  return "";
}

}  // namespace

Kernel cpu_kernel_conv_grad_weight_winograd() {
  Kernel kernel{{"cpu.conv_grad_weight_winograd", "tiles of Winograd's, a quarter of the products"},
                "conv_channels_last_grad_weight",
                RowRule::whole,
                20};
  kernel.refuse = refuse;
  kernel.workspace = [](const KernelQuery& query) {
    const ConvSizes s = conv_grad_weight_sizes(query);
    const Cut cut(s);
    return static_cast<std::size_t>(cut.inputs(s) + cut.slopes(s) + cut.sums()) * sizeof(float);
  };
  kernel.run = run;
  return kernel;
}

}  // namespace hone
#endif
