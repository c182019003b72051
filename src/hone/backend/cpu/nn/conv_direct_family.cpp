// Convolution as products of blocks of places and panels of filters. A block of six places of y
// meets a panel of filters in registers; each tap reads x where it lies, through pointers, so that
// nothing is copied or padded and a block may cross rows and images. Planes of few channels are
// gathered to rows first: their taps would be too short a loop.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/conv_direct_family.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "hone/backend/cpu/detail/conv-inl.hpp"
#include "hone/backend/cpu/detail/conv.hpp"
#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/round_up.hpp"
#include "hone/core/threads.hpp"

#ifndef HONE_CONV_DIRECT_STEPS
#define HONE_CONV_DIRECT_STEPS
namespace hone {
namespace {

// Where the numbers of a weight lie: steps between filters, channels and taps.
struct WeightSteps {
  std::int64_t filter, channel, tap;
};

}  // namespace
}  // namespace hone
#endif

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

std::int64_t conv_width() { return conv_panel_width(); }

// Panels [taps, channels, width] of one group after the other, filled up with zeros.
void conv_pack(const ConvSizes& s, const WeightSteps& steps, const KernelCall& call) {
  const std::int64_t width = conv_panel_width(), own = s.group_filters();
  const std::int64_t panels = (own + width - 1) / width, channels = s.group_channels();
  const std::int64_t all = s.groups * panels;
  for (std::int64_t p = all * call.thread / call.threads;
       p < all * (call.thread + 1) / call.threads; ++p) {
    const std::int64_t first = p % panels * width, count = std::min(width, own - first);
    const float* from = call.in(1).as() + (p / panels * own + first) * steps.filter;
    float* to = reinterpret_cast<float*>(call.workspace) + p * s.taps() * channels * width;
    for (std::int64_t t = 0; t < s.taps(); ++t)
      for (std::int64_t c = 0; c < channels; ++c, to += width) {
        const float* number = from + t * steps.tap + c * steps.channel;
        for (std::int64_t o = 0; o < count; ++o) to[o] = number[o * steps.filter];
        std::fill(to + count, to + width, 0.0f);
      }
  }
}

// What a thread needs for a chunk of places.
struct ConvScratch {
  std::vector<const float*> places;
  std::vector<float> zeros, rows;
};

// Where each tap of each place of the chunk lies in x: [block][tap][6].
void find_places(const ConvSizes& s, const float* x, std::int64_t first, std::int64_t count,
                 ConvScratch& scratch) {
  const std::int64_t blocks = (count + block_places - 1) / block_places, taps = s.taps();
  scratch.places.resize(static_cast<std::size_t>(blocks * taps * block_places));
  if (static_cast<std::int64_t>(scratch.zeros.size()) < s.channels)
    scratch.zeros.resize(static_cast<std::size_t>(s.channels), 0.0f);
  const float* zeros = scratch.zeros.data();
  for (std::int64_t b = 0; b < blocks; ++b) {
    const float** to = scratch.places.data() + b * taps * block_places;
    for (std::int64_t i = 0; i < block_places; ++i) {
      const std::int64_t p = std::min(first + b * block_places + i, first + count - 1);
      const std::int64_t ow = p % s.out_width, row = p / s.out_width;
      const std::int64_t oh = row % s.out_height, n = row / s.out_height;
      const float* image = x + n * s.height * s.width * s.channels;
      const float** at = to + i;
      for (std::int64_t r = 0; r < s.kernel_height; ++r) {
        const std::int64_t h = oh * s.stride_h - s.before_h + r * s.dilation_h;
        for (std::int64_t c = 0; c < s.kernel_width; ++c, at += block_places) {
          const std::int64_t w = ow * s.stride_w - s.before_w + c * s.dilation_w;
          const bool inside = h >= 0 && h < s.height && w >= 0 && w < s.width;
          *at = inside ? image + (h * s.width + w) * s.channels : zeros;
        }
      }
    }
    for (std::int64_t t = 0; t < taps; ++t) {
      const float** tap = to + t * block_places;
      if (std::all_of(tap, tap + block_places, [&](const float* each) { return each == zeros; }))
        tap[0] = nullptr;
    }
  }
}

// Copies whole vectors, so a few numbers more than `count` where x has them: what lies behind in
// `to` is written later.
HWY_INLINE void copy_in_vectors(const float* from, std::int64_t count, const float* x_end,
                                float* to) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i < count && x_end - from >= i + lanes; i += lanes)
    hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  for (; i < count; ++i) to[i] = from[i];
}

// The numbers that each place of the chunk meets, in a row: [places][taps * channels of a group].
void gather_rows_of_places(const ConvSizes& s, const float* x, std::int64_t group,
                           std::int64_t first, std::int64_t count, ConvScratch& scratch) {
  const std::int64_t channels = s.group_channels(), depth = s.taps() * channels;
  const std::int64_t blocks = (count + block_places - 1) / block_places;
  const F32 d;
  scratch.rows.resize(static_cast<std::size_t>(count * depth) + hn::Lanes(d));
  const float* x_end = x + s.images * s.height * s.width * s.channels;
  scratch.places.resize(static_cast<std::size_t>(blocks * block_places));
  for (std::int64_t i = 0; i < blocks * block_places; ++i)
    scratch.places[static_cast<std::size_t>(i)] =
        scratch.rows.data() + std::min(i, count - 1) * depth;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t p = first + i, ow = p % s.out_width, row = p / s.out_width;
    const std::int64_t oh = row % s.out_height, n = row / s.out_height;
    const float* image = x + n * s.height * s.width * s.channels + group * channels;
    float* to = scratch.rows.data() + i * depth;
    const std::int64_t w0 = ow * s.stride_w - s.before_w;
    for (std::int64_t r = 0; r < s.kernel_height; ++r, to += s.kernel_width * channels) {
      const std::int64_t h = oh * s.stride_h - s.before_h + r * s.dilation_h;
      if (h < 0 || h >= s.height) {
        std::fill(to, to + s.kernel_width * channels, 0.0f);
        continue;
      }
      const float* line = image + h * s.width * s.channels;
      if (s.groups == 1 && s.dilation_w == 1) {
        // The taps of a row lie together.
        const std::int64_t from = std::clamp<std::int64_t>(-w0, 0, s.kernel_width);
        const std::int64_t end = std::max(from, std::min(s.kernel_width, s.width - w0));
        std::fill(to, to + from * channels, 0.0f);
        const float* taken = line + (w0 + from) * channels;
        copy_in_vectors(taken, (end - from) * channels, x_end, to + from * channels);
        std::fill(to + end * channels, to + s.kernel_width * channels, 0.0f);
        continue;
      }
      for (std::int64_t c = 0; c < s.kernel_width; ++c) {
        const std::int64_t w = w0 + c * s.dilation_w;
        for (std::int64_t j = 0; j < channels; ++j)
          to[c * channels + j] = w >= 0 && w < s.width ? line[w * s.channels + j] : 0.0f;
      }
    }
  }
}

// x [N,H,W,C], y [N,H,W,O] and what is added to it, packed filters; bias and add may be null.
void conv_direct(const ConvSizes& s, const float* x, const float* packed, const float* bias,
                 const float* add, float* y) {
  const std::int64_t places = s.places(), width = conv_panel_width();
  if (places == 0 || s.filters == 0) return;
  const std::int64_t depth = s.taps() * s.group_channels(), own = s.group_filters();
  const std::int64_t panels = (own + width - 1) / width;
  const bool gathered = s.group_channels() < 8 && s.taps() > 1;
  // A chunk of places meets all panels while what it reads of x stays in cache. Of few places
  // threads rather share the panels, which are then read once.
  std::int64_t chunk = 16 * block_places;
  const std::int64_t wanted = 4 * thread_count();
  const auto chunks_of = [&] { return (places + chunk - 1) / chunk; };
  while (chunk > 4 * block_places && chunks_of() * panels * s.groups < wanted) chunk /= 2;
  chunk = round_up((places + chunks_of() - 1) / chunks_of(), block_places);  // (none nearly empty)
  const std::int64_t chunks = chunks_of();
  const std::int64_t parts = std::clamp((wanted + chunks - 1) / chunks, std::int64_t{1}, panels);
  parallel_items(chunks * parts * s.groups, [&](std::int64_t item, int) {
    static thread_local ConvScratch scratch;
    const std::int64_t group = item / (chunks * parts), part = item / chunks % parts;
    const std::int64_t first = item % chunks * chunk, count = std::min(chunk, places - first);
    if (gathered)
      gather_rows_of_places(s, x, group, first, count, scratch);
    else
      find_places(s, x + group * s.group_channels(), first, count, scratch);
    ConvPanel panel{};
    panel.taps = gathered ? 1 : s.taps();
    panel.channels = gathered ? depth : s.group_channels();
    panel.filters = s.filters;
    panel.relu = s.relu;
    panel.high = s.high;
    for (std::int64_t p = panels * part / parts; p < panels * (part + 1) / parts; ++p) {
      const std::int64_t o = group * own + p * width;
      panel.weights = packed + (group * panels + p) * depth * width;
      panel.bias = bias == nullptr ? nullptr : bias + o;
      panel.add = add == nullptr ? nullptr : add + o;
      panel.y = y + o;
      panel.columns = std::min(width, own - p * width);
      for (std::int64_t b = 0; b * block_places < count; ++b)
        conv_block(panel, scratch.places.data() + b * panel.taps * block_places,
                   first + b * block_places, count - b * block_places);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
namespace {

HWY_EXPORT(conv_width);
HWY_EXPORT(conv_pack);
HWY_EXPORT(conv_direct);

std::size_t packed_bytes(const ConvSizes& s) {
  const std::int64_t width = HWY_DYNAMIC_DISPATCH(conv_width)();
  const std::int64_t panels = (s.group_filters() + width - 1) / width;
  return static_cast<std::size_t>(s.groups * panels * width * s.taps() * s.group_channels()) *
         sizeof(float);
}

const float* packed_of(const KernelCall& call) {
  return reinterpret_cast<const float*>(call.workspace);
}

Kernel channels_last_kernel() {
  Kernel kernel{{"cpu.conv_direct", "packed panels of filters meet blocks of places in registers"},
                "conv_channels_last",
                RowRule::whole,
                10};
  kernel.refuse = [](const KernelQuery& query) -> std::string {
    return is_depthwise(conv_sizes(query)) ? "every channel is a group of its own" : "";
  };
  kernel.workspace = [](const KernelQuery& query) { return packed_bytes(conv_sizes(query)); };
  kernel.begin = [](const KernelCall& call) {
    const ConvSizes s = conv_sizes(call);
    HWY_DYNAMIC_DISPATCH(conv_pack)(s, {1, s.filters, s.group_channels() * s.filters}, call);
  };
  kernel.begin_once = true;
  kernel.begin_end = 2;
  kernel.packed_input = 1;
  kernel.run = [](const KernelCall& call) {
    HWY_DYNAMIC_DISPATCH(conv_direct)
    (conv_sizes(call), call.in(0).as(), packed_of(call), call.has(2) ? call.in(2).as() : nullptr,
     call.has(3) ? call.in(3).as() : nullptr, call.out(0).as());
  };
  return kernel;
}

// Of conv: x [N,C,H,W] or [N,C,W], w [O,C/groups,...].
ConvSizes sizes_of_planes(const Options& attributes, const std::int64_t* x, const std::int64_t* w,
                          const std::int64_t* y, int rank) {
  const bool plane = rank == 4;
  const std::vector<std::int64_t> kernel(w + 2, w + rank);
  const Window window = window_of(attributes, kernel, "conv");
  const std::size_t last = plane ? 1 : 0;
  const auto first = [&](const std::vector<std::int64_t>& list, std::int64_t none) {
    return plane ? list[0] : none;
  };
  return {x[0],
          plane ? x[2] : 1,
          x[rank - 1],
          x[1],
          plane ? y[2] : 1,
          y[rank - 1],
          y[1],
          plane ? w[2] : 1,
          w[rank - 1],
          first(window.strides, 1),
          window.strides[last],
          first(window.before, 0),
          window.before[last],
          first(window.dilations, 1),
          window.dilations[last],
          attributes.integer("groups"),
          false,
          0};
}
ConvSizes sizes_of_planes(const KernelCall& call) {
  return sizes_of_planes(*call.attributes, call.in(0).dims.data(), call.in(1).dims.data(),
                         call.out(0).dims.data(), call.in(0).rank);
}

// [rows, columns] to [columns, rows], in pieces for the threads.
void turn(const float* from, std::int64_t rows, std::int64_t columns, float* to) {
  constexpr std::int64_t piece = 64;
  parallel_items((columns + piece - 1) / piece, [&](std::int64_t i, int) {
    const std::int64_t first = i * piece;
    transpose_into(from + first, rows, std::min(piece, columns - first), columns, to + first * rows,
                   rows, 1.0f);
  });
}

// Image by image: turned, convolved, turned back.
void run_planes(const KernelCall& call) {
  ConvSizes s = sizes_of_planes(call);
  const std::int64_t images = s.images, from = s.height * s.width, to = s.out_height * s.out_width;
  s.images = 1;
  std::vector<float> x(static_cast<std::size_t>(from * s.channels));
  std::vector<float> y(static_cast<std::size_t>(to * s.filters));
  for (std::int64_t n = 0; n < images; ++n) {
    turn(call.in(0).as() + n * from * s.channels, s.channels, from, x.data());
    HWY_DYNAMIC_DISPATCH(conv_direct)
    (s, x.data(), packed_of(call), call.has(2) ? call.in(2).as() : nullptr, nullptr, y.data());
    turn(y.data(), to, s.filters, call.out(0).as() + n * to * s.filters);
  }
}

Kernel planes_kernel() {
  Kernel kernel{
      {"cpu.conv", "each image turned to channels last and back"}, "conv", RowRule::whole, 10};
  kernel.refuse = [](const KernelQuery& query) -> std::string {
    if (query.graph.type(query.node.inputs[0]).dims.size() > 4) return "it has three dimensions";
    return refuse_other_than_f32(query);
  };
  kernel.workspace = [](const KernelQuery& query) {
    const Shape x = query.input_shape(0), w = query.input_shape(1), y = query.output_shape(0);
    return packed_bytes(sizes_of_planes(query.node.attributes, x.data(), w.data(), y.data(),
                                        static_cast<int>(x.size())));
  };
  kernel.begin = [](const KernelCall& call) {
    const ConvSizes s = sizes_of_planes(call);
    HWY_DYNAMIC_DISPATCH(conv_pack)(s, {s.group_channels() * s.taps(), s.taps(), 1}, call);
  };
  kernel.begin_once = true;
  kernel.begin_end = 2;
  kernel.packed_input = 1;
  kernel.run = run_planes;
  return kernel;
}

}  // namespace

std::vector<Kernel> cpu_kernel_conv_direct_family() {
  return {channels_last_kernel(), planes_kernel()};
}

}  // namespace hone
#endif
