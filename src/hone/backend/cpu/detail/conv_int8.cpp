#include "hone/backend/cpu/detail/conv_int8.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "hone/backend/cpu/detail/conv.hpp"
#include "hone/backend/cpu/detail/int8_product.hpp"
#include "hone/core/threads.hpp"

namespace hone {
namespace {

std::size_t in_lines(std::int64_t bytes) {
  return static_cast<std::size_t>((bytes + 63) / 64 * 64);
}

BoundConvInt8 bind(const KernelQuery& query) {
  const Options& attributes = query.node.attributes;
  BoundConvInt8 bound;
  bound.conv = bind_conv_int8(attributes);
  bound.packed = {bound.conv.weight, parse_shape(attributes.text("shape")),
                  static_cast<int>(attributes.integer("bits"))};
  bound.window = window_of(attributes, bound.conv.kernel, "conv_int8");
  bound.panels = (bound.conv.filters + int8_panel - 1) / int8_panel;
  bound.relu = attributes.boolean("relu");
  bound.high = largest_result(attributes.real("high"));
  return bound;
}

template <typename Code>
std::size_t code_bytes(const BoundConvInt8& bound) {
  return in_lines(bound.panels * int8_panel * bound.conv.columns() *
                  static_cast<std::int64_t>(sizeof(Code)));
}
std::size_t number_bytes(const BoundConvInt8& bound) {
  return in_lines(bound.conv.blocks() * bound.panels * int8_panel * 4);
}

}  // namespace

std::shared_ptr<const void> bind_node_conv_int8(const KernelQuery& query) {
  return std::make_shared<BoundConvInt8>(bind(query));
}

template <typename Code>
std::size_t conv_int8_workspace(const KernelQuery& query) {
  const BoundConvInt8 bound = bind(query);
  return code_bytes<Code>(bound) + 2 * number_bytes(bound);
}

template <typename Code>
ConvInt8Filters<Code> conv_int8_filters(const BoundConvInt8& bound, std::byte* workspace) {
  std::byte* const sums = workspace + code_bytes<Code>(bound);
  return {reinterpret_cast<Code*>(workspace), reinterpret_cast<std::int32_t*>(sums),
          reinterpret_cast<float*>(sums + number_bytes(bound))};
}

ConvInt8Sizes conv_int8_sizes(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundConvInt8*>(call.bound);
  const auto &x = call.in(0).dims, &y = call.out(0).dims;
  const Window& w = bound.window;
  return {x[0],           x[1],         x[2],        y[1],        y[2],
          w.strides[0],   w.strides[1], w.before[0], w.before[1], w.dilations[0],
          w.dilations[1], bound.relu,   bound.high};
}

template <typename Code>
void begin_conv_int8(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundConvInt8*>(call.bound);
  const ConvInt8& conv = bound.conv;
  const PackedTensor packed = bound.packed.view(call.in(1), call.has(2) ? &call.in(2) : nullptr);
  constexpr std::int64_t run = ConvInt8Filters<Code>::run;
  const ConvInt8Filters<Code> to = conv_int8_filters<Code>(bound, call.workspace);
  const std::int64_t k = conv.columns(), n = bound.panels * int8_panel;
  std::vector<std::int8_t> codes(static_cast<std::size_t>(int8_panel * k));
  std::vector<float> scales(static_cast<std::size_t>(int8_panel * conv.weight_scales()));
  for (std::int64_t p = bound.panels * call.thread / call.threads;
       p < bound.panels * (call.thread + 1) / call.threads; ++p) {
    const std::int64_t first = p * int8_panel;
    const std::int64_t count = std::min(int8_panel, conv.filters - first);
    filter_codes(conv, packed, first, count, codes.data(), scales.data());
    Code* panel = to.codes + first * k;
    std::fill(panel, panel + int8_panel * k, Code{0});
    for (std::int64_t j = 0; j < int8_panel; ++j) {
      const std::int8_t* own = codes.data() + j * k;
      for (std::int64_t b = 0; b < conv.blocks(); ++b) {
        std::int32_t sum = 0;
        for (std::int64_t i = b * conv.block; j < count && i < (b + 1) * conv.block; ++i) {
          panel[i / run * (int8_panel * run) + j * run + i % run] = own[i];
          sum += own[i];
        }
        to.sums[b * n + first + j] = -conv.zero * sum;
        const float scale =
            conv.weight_layout.fixed
                ? conv.weight_layout.scale
                : scales[static_cast<std::size_t>(j * conv.weight_scales() + conv.weight_scale(b))];
        to.scales[b * n + first + j] = j >= count               ? 0.0f
                                       : conv.data_layout.fixed ? scale * conv.data_layout.scale
                                                                : scale;
      }
    }
  }
}

template std::size_t conv_int8_workspace<std::int8_t>(const KernelQuery& query);
template std::size_t conv_int8_workspace<std::int16_t>(const KernelQuery& query);
template ConvInt8Filters<std::int8_t> conv_int8_filters(const BoundConvInt8&, std::byte*);
template ConvInt8Filters<std::int16_t> conv_int8_filters(const BoundConvInt8&, std::byte*);
template void begin_conv_int8<std::int8_t>(const KernelCall& call);
template void begin_conv_int8<std::int16_t>(const KernelCall& call);

void encode_places(const KernelCall& call, PlaceCodes& to) {
  const ConvInt8& conv = static_cast<const BoundConvInt8*>(call.bound)->conv;
  const std::int64_t places = call.in(0).size() / conv.channels;
  const std::int64_t scales = conv.place_scales();
  to.codes.resize(static_cast<std::size_t>(places * conv.padded));
  if (!conv.data_layout.fixed) to.scales.resize(static_cast<std::size_t>(places * scales));
  constexpr std::int64_t piece = 256;
  parallel_items((places + piece - 1) / piece, [&](std::int64_t item, int) {
    static thread_local std::vector<std::int32_t> zeros;
    static thread_local std::vector<float> unused;
    const std::int64_t first = item * piece, count = std::min(piece, places - first);
    zeros.resize(static_cast<std::size_t>(count));
    unused.resize(static_cast<std::size_t>(count * scales));
    std::uint8_t* codes = to.codes.data() + first * conv.padded;
    conv.data->encode_int8(
        call.in(0).as() + first * conv.channels, count, conv.channels,
        reinterpret_cast<std::int8_t*>(codes), conv.padded,
        conv.data_layout.fixed ? unused.data() : to.scales.data() + first * scales, zeros.data());
    if (!conv.data_layout.has_zero) move_up(codes, count * conv.padded);
  });
}

void gather_windows(const BoundConvInt8& bound, const ConvInt8Sizes& s, const PlaceCodes& places,
                    std::int64_t first, std::int64_t count, WindowRows& rows) {
  const ConvInt8& conv = bound.conv;
  const std::int64_t padded = conv.padded, scales = conv.place_scales();
  const bool fixed = conv.data_layout.fixed;
  const bool places_as_they_are = conv.taps() == 1 && s.stride_h == 1 && s.stride_w == 1 &&
                                  s.out_height == s.height && s.out_width == s.width &&
                                  s.before_h == 0 && s.before_w == 0;
  if (places_as_they_are) {
    rows.codes = places.codes.data() + first * padded;
    rows.scales = fixed ? nullptr : places.scales.data() + first * scales;
    if (fixed || conv.blocks() == scales) return;
  } else {
    rows.own_codes.resize(static_cast<std::size_t>(count * conv.columns()));
    rows.codes = rows.own_codes.data();
  }
  if (!fixed) rows.own_scales.resize(static_cast<std::size_t>(count * conv.blocks()));
  rows.scales = fixed ? nullptr : rows.own_scales.data();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t p = first + i, ow = p % s.out_width, row = p / s.out_width;
    const std::int64_t oh = row % s.out_height, n = row / s.out_height;
    const std::int64_t image = n * s.height * s.width;
    const std::int64_t w0 = ow * s.stride_w - s.before_w;
    std::uint8_t* to = places_as_they_are ? nullptr : rows.own_codes.data() + i * conv.columns();
    float* scale = fixed ? nullptr : rows.own_scales.data() + i * conv.blocks();
    for (std::int64_t r = 0; r < conv.kernel[0]; ++r) {
      const std::int64_t h = oh * s.stride_h - s.before_h + r * s.dilation_h;
      const bool in_height = h >= 0 && h < s.height;
      // The taps of a row lie together.
      if (to != nullptr && fixed && s.dilation_w == 1) {
        const std::int64_t taps = conv.kernel[1];
        const std::int64_t from = in_height ? std::clamp<std::int64_t>(-w0, 0, taps) : taps;
        const std::int64_t end = std::max(from, std::min(taps, s.width - w0));
        std::memset(to, conv.zero, static_cast<std::size_t>(from * padded));
        if (end > from)
          std::memcpy(to + from * padded,
                      places.codes.data() + (image + h * s.width + w0 + from) * padded,
                      static_cast<std::size_t>((end - from) * padded));
        std::memset(to + end * padded, conv.zero, static_cast<std::size_t>((taps - end) * padded));
        to += taps * padded;
        continue;
      }
      for (std::int64_t c = 0; c < conv.kernel[1]; ++c) {
        const std::int64_t w = w0 + c * s.dilation_w;
        const bool inside = in_height && w >= 0 && w < s.width;
        const std::int64_t place = image + h * s.width + w;
        if (to != nullptr) {
          if (inside)
            std::memcpy(to, places.codes.data() + place * padded, static_cast<std::size_t>(padded));
          else
            std::memset(to, conv.zero, static_cast<std::size_t>(padded));
          to += padded;
        }
        if (fixed) continue;
        const std::int64_t tap = r * conv.kernel[1] + c, each = padded / conv.block;
        for (std::int64_t b = tap * each; b < (tap + 1) * each; ++b)
          scale[b] =
              inside ? places.scales[static_cast<std::size_t>(place * scales + conv.place_scale(b))]
                     : 0.0f;
      }
    }
  }
}

void for_conv_pieces(
    std::int64_t places, std::int64_t columns, std::int64_t panels, std::int64_t step,
    const std::function<void(std::int64_t, std::int64_t, std::int64_t, std::int64_t)>& body) {
  if (places == 0 || panels == 0) return;
  constexpr std::int64_t bytes = 256 << 10;
  const std::int64_t wanted = 4 * thread_count();
  std::int64_t chunk = std::clamp(bytes / columns / step, std::int64_t{2}, std::int64_t{32}) * step;
  while (chunk > 2 * step && places < wanted * chunk) chunk = (chunk / 2 + step - 1) / step * step;
  const std::int64_t chunks = (places + chunk - 1) / chunk;
  // Groups of four panels stay together.
  const std::int64_t groups = (panels + 3) / 4;
  const std::int64_t parts = std::clamp((wanted + chunks - 1) / chunks, std::int64_t{1}, groups);
  parallel_items(chunks * parts, [&](std::int64_t item, int) {
    const std::int64_t part = item / chunks, first = item % chunks * chunk;
    body(first, std::min(chunk, places - first), groups * part / parts * 4,
         std::min(panels, groups * (part + 1) / parts * 4));
  });
}

}  // namespace hone
