// Convolution 3 x 3 with steps of one by Winograd's tiles (detail/winograd.hpp). A thread takes
// some tiles, transforms them, multiplies each of their 36 elements by its filters and transforms
// the products back, all of it in its cache. Of few tiles each thread takes all and a part of the
// filters, whose memory is then read once.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/conv_winograd.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "hone/backend/cpu/detail/conv-inl.hpp"
#include "hone/backend/cpu/detail/winograd-inl.hpp"
#include "hone/backend/cpu/detail/winograd.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/round_up.hpp"
#include "hone/core/threads.hpp"

#ifndef HONE_CONV_WINOGRAD_SIZES
#define HONE_CONV_WINOGRAD_SIZES
namespace hone {
namespace {

using namespace winograd;

// Transformed filters weigh four times as much: fewer tiles do not pay for reading them.
constexpr std::int64_t least_tiles = 12;

}  // namespace
}  // namespace hone
#endif

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

std::int64_t winograd_width() { return conv_panel_width(); }

// G of three numbers.
HWY_INLINE void transform_filter(const VecF g0, const VecF g1, const VecF g2, VecF* to, int step) {
  const F32 d;
  const VecF sixth = hn::Set(d, 1.0f / 6), small = hn::Set(d, 1.0f / 24);
  const VecF even = hn::Mul(hn::Add(g0, g2), sixth), odd = hn::Mul(g1, sixth);
  to[0] = hn::Mul(g0, hn::Set(d, 0.25f));
  to[step] = hn::Neg(hn::Add(even, odd));
  to[2 * step] = hn::Sub(odd, even);
  const VecF far = hn::MulAdd(g2, sixth, hn::Mul(g0, small));
  const VecF half = hn::Mul(g1, hn::Set(d, 1.0f / 12));
  to[3 * step] = hn::Add(far, half);
  to[4 * step] = hn::Sub(far, half);
  to[5 * step] = g2;
}

// Filters as panels [element][panel][channel][width], filled up with zeros.
void winograd_pack(const KernelCall& call) {
  const F32 d;
  const std::int64_t channels = call.in(1).dims[2], filters = call.in(1).dims[3];
  const std::int64_t width = conv_panel_width(), lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t panels = (filters + width - 1) / width;
  const float* w = call.in(1).as();
  auto* packed = reinterpret_cast<float*>(call.workspace);
  const std::int64_t all = panels * channels;
  for (std::int64_t i = all * call.thread / call.threads;
       i < all * (call.thread + 1) / call.threads; ++i) {
    const std::int64_t panel = i / channels, c = i % channels;
    for (std::int64_t j = 0; j < width; j += lanes) {
      const std::int64_t o = panel * width + j;
      const std::int64_t left = std::clamp<std::int64_t>(filters - o, 0, lanes);
      const auto mask = hn::FirstN(d, static_cast<std::size_t>(left));
      VecF g[9], rows[18], u[tile_elements];
      for (int t = 0; t < 9; ++t)
        g[t] = left == 0 ? hn::Zero(d) : masked_load(mask, d, w + (t * channels + c) * filters + o);
      for (int k = 0; k < 3; ++k) transform_filter(g[k], g[3 + k], g[6 + k], rows + k, 3);
      for (int r = 0; r < 6; ++r)
        transform_filter(rows[3 * r], rows[3 * r + 1], rows[3 * r + 2], u + 6 * r, 1);
      for (int p = 0; p < tile_elements; ++p)
        hn::StoreU(u[p], d, packed + ((p * panels + panel) * channels + c) * width + j);
    }
  }
}

// A^T of six numbers.
HWY_INLINE void transform_output(const VecF* m, VecF* to, int step) {
  const F32 d;
  const VecF a = hn::Add(m[1], m[2]), b = hn::Sub(m[1], m[2]);
  const VecF c = hn::Add(m[3], m[4]), e = hn::Sub(m[3], m[4]);
  to[0] = hn::Add(hn::Add(m[0], a), c);
  to[step] = hn::MulAdd(hn::Set(d, 2.0f), e, b);
  to[2 * step] = hn::MulAdd(hn::Set(d, 4.0f), c, a);
  to[3 * step] = hn::Add(hn::MulAdd(hn::Set(d, 8.0f), e, b), m[5]);
}

// Filters [first, end).
HWY_INLINE void finish_tile(const ConvSizes& s, const KernelCall& call, const TilePlace& at,
                            const float* from, std::int64_t step, std::int64_t first,
                            std::int64_t end) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const TileSize size = size_of_tile(s, at);
  const float* add = call.has(3) ? call.in(3).as() : nullptr;
  float* y = call.out(0).as();
  for (std::int64_t o = first; o < end; o += lanes) {
    const PartialVector filters(end - o);
    VecF rows[tile_out * tile_in];
    for (int k = 0; k < tile_in; ++k) {
      VecF column[tile_in];
      HONE_UNROLL
      for (int r = 0; r < tile_in; ++r)
        column[r] = filters.load(from + (r * tile_in + k) * step + o);
      transform_output(column, rows + k, tile_in);
    }
    const VecF bias = call.has(2) ? filters.load(call.in(2).as() + o) : hn::Zero(d);
    for (int r = 0; r < size.height; ++r) {
      VecF row[tile_out];
      transform_output(rows + r * tile_in, row, 1);
      HONE_UNROLL
      for (int k = 0; k < tile_out; ++k) {
        if (k >= size.width) break;
        const std::int64_t to =
            ((at.image * s.out_height + at.h + r) * s.out_width + at.w + k) * s.filters + o;
        VecF v = hn::Add(row[k], bias);
        if (add != nullptr) v = hn::Add(v, filters.load(add + to));
        if (s.relu) v = relu_below(v, hn::Set(d, s.high));
        filters.store(v, y + to);
      }
    }
  }
}

void conv_winograd(const KernelCall& call) {
  const ConvSizes s = conv_sizes(call);
  const Tiles tiles = tiles_of(s);
  if (tiles.all == 0) return;
  const std::int64_t width = conv_panel_width();
  const std::int64_t panels = (s.filters + width - 1) / width;
  // The more a filter weighs, the more tiles it should meet; as many chunks as the threads share.
  const std::int64_t most = s.channels <= 64 ? 24 : s.channels <= 128 ? 30 : 66;
  const std::int64_t threads = thread_count();
  const bool few = tiles.all < least_tiles * threads;
  const std::int64_t parts = few ? std::min(threads, panels) : 1;  // of the panels
  std::int64_t chunks = (tiles.all + most - 1) / most;
  if (!few) chunks = round_up(chunks, threads);
  const std::int64_t count = (tiles.all + chunks - 1) / chunks;
  // (Elements that lie a power of two apart would share the lines of a cache.)
  const std::int64_t step_in = count * s.channels + 16, step_out = count * s.filters + 16;
  const auto* packed = reinterpret_cast<const float*>(call.workspace);
  parallel_items((tiles.all + count - 1) / count * parts, [&](std::int64_t item, int) {
    static thread_local std::vector<float> scratch;
    static thread_local std::vector<const float*> places;
    scratch.resize(
        std::max(scratch.size(), static_cast<std::size_t>(tile_elements * (step_in + step_out))));
    float* in = scratch.data();
    float* out = in + tile_elements * step_in;
    const std::int64_t first = item / parts * count, behind = std::min(tiles.all, first + count);
    const std::int64_t part = item % parts;
    const std::int64_t first_panel = panels * part / parts, end_panel = panels * (part + 1) / parts;
    for (std::int64_t t = first; t < behind; ++t)
      transform_tile(locate_tile(s, call.in(0).as(), place_of_tile(tiles, t)), 0, s.channels,
                     in + (t - first) * s.channels, step_in);
    const std::int64_t own = behind - first;
    const std::int64_t blocks = (own + block_places - 1) / block_places;
    places.resize(static_cast<std::size_t>(blocks * block_places));
    for (int p = 0; p < tile_elements; ++p) {
      for (std::int64_t i = 0; i < blocks * block_places; ++i)
        places[static_cast<std::size_t>(i)] = in + p * step_in + std::min(i, own - 1) * s.channels;
      ConvPanel panel{};
      panel.taps = 1;
      panel.channels = s.channels;
      panel.filters = s.filters;
      for (std::int64_t o = first_panel; o < end_panel; ++o) {
        panel.weights = packed + (p * panels + o) * s.channels * width;
        panel.y = out + p * step_out + o * width;
        panel.columns = std::min(width, s.filters - o * width);
        for (std::int64_t b = 0; b < blocks; ++b)
          conv_block(panel, places.data() + b * block_places, b * block_places,
                     own - b * block_places);
      }
    }
    for (std::int64_t t = first; t < behind; ++t)
      finish_tile(s, call, place_of_tile(tiles, t), out + (t - first) * s.filters, step_out,
                  first_panel * width, std::min(s.filters, end_panel * width));
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
namespace {

HWY_EXPORT(winograd_width);
HWY_EXPORT(winograd_pack);
HWY_EXPORT(conv_winograd);

std::size_t winograd_workspace(const KernelQuery& query) {
  const ConvSizes s = conv_sizes(query);
  const std::int64_t width = HWY_DYNAMIC_DISPATCH(winograd_width)();
  return static_cast<std::size_t>(tile_elements * round_up(s.filters, width) * s.channels) *
         sizeof(float);
}

std::string refuse_winograd(const KernelQuery& query) {
  const ConvSizes s = conv_sizes(query);
  const std::string reason = refuse_shape(s);
  if (!reason.empty()) return reason;
  // (Where tiles are few, threads share the panels.)
  const std::int64_t width = HWY_DYNAMIC_DISPATCH(winograd_width)();
  const std::int64_t shares =
      std::min<std::int64_t>(query.threads, (s.filters + width - 1) / width);
  if (tiles_of(s).all * shares < least_tiles * query.threads) return "there are few tiles";
  return "";
}

}  // namespace

Kernel cpu_kernel_conv_winograd() {
  Kernel kernel{{"cpu.conv_winograd", "Winograd F(4x4,3x3): 36 products instead of 144"},
                "conv_channels_last",
                RowRule::whole,
                20};
  kernel.refuse = refuse_winograd;
  kernel.workspace = winograd_workspace;
  kernel.begin = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(winograd_pack)(call); };
  kernel.begin_once = true;
  kernel.begin_end = 2;
  kernel.packed_input = 1;
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(conv_winograd)(call); };
  return kernel;
}

}  // namespace hone
#endif
