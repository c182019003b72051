#include "hone/backend/cpu/detail/conv_int8.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "hone/backend/cpu/detail/conv.hpp"
#include "hone/backend/cpu/detail/int8_product.hpp"
#include "hone/core/round_up.hpp"

namespace hone {
namespace {

std::size_t in_lines(std::int64_t bytes) { return static_cast<std::size_t>(round_up(bytes, 64)); }

WindowNumbers window_numbers(const ConvInt8& conv, const Window& window) {
  const std::int64_t width = conv.kernel[1];
  if (conv.blocks() != 1 || window.dilations[1] != 1)
    return {conv.padded, conv.padded, 1, conv.columns()};
  const std::int64_t run = round_up(width * conv.channels, 2);
  return {conv.channels, run, width, conv.kernel[0] * run};
}

BoundConvInt8 bind(const KernelQuery& query) {
  const Options& attributes = query.node.attributes;
  BoundConvInt8 bound;
  bound.conv = bind_conv_int8(attributes);
  bound.packed = {bound.conv.weight, parse_shape(attributes.text("shape")),
                  static_cast<int>(attributes.integer("bits"))};
  bound.window = window_of(attributes, bound.conv.kernel, "conv_int8");
  bound.numbers = window_numbers(bound.conv, bound.window);
  bound.panels = (bound.conv.filters + int8_panel - 1) / int8_panel;
  bound.relu = attributes.boolean("relu");
  bound.high = largest_result(attributes.real("high"));
  bound.given = bind_given_codes(attributes);
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

float filter_scale(const ConvInt8& conv, const float* scales, std::int64_t filter,
                   std::int64_t block) {
  const float scale = conv.weight_layout.fixed
                          ? conv.weight_layout.scale
                          : scales[filter * conv.weight_scales() + conv.weight_scale(block)];
  return conv.data_layout.fixed ? scale * conv.data_layout.scale : scale;
}

template <typename Code>
void begin_conv_int8(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundConvInt8*>(call.bound);
  const ConvInt8& conv = bound.conv;
  const PackedTensor packed = bound.packed.view(call.in(1), call.has(2) ? &call.in(2) : nullptr);
  constexpr std::int64_t run = ConvInt8Filters<Code>::run;
  const ConvInt8Filters<Code> to = conv_int8_filters<Code>(bound, call.workspace);
  const std::int64_t k = conv.columns(), n = bound.panels * int8_panel;
  const WindowNumbers lie =
      run == 4 ? WindowNumbers{conv.padded, conv.padded, 1, k} : bound.numbers;
  std::vector<std::int8_t> codes(static_cast<std::size_t>(int8_panel * k));
  std::vector<float> scales(static_cast<std::size_t>(int8_panel * conv.weight_scales()));
  for (std::int64_t p = bound.panels * call.thread / call.threads;
       p < bound.panels * (call.thread + 1) / call.threads; ++p) {
    const std::int64_t first = p * int8_panel;
    const std::int64_t count = std::min(int8_panel, conv.filters - first);
    filter_codes(conv, packed, first, count, codes.data(), scales.data());
    Code* panel = to.codes + first * lie.columns;
    std::fill(panel, panel + int8_panel * lie.columns, Code{0});
    for (std::int64_t j = 0; j < int8_panel; ++j) {
      const std::int8_t* own = codes.data() + j * k;
      for (std::int64_t b = 0; b < conv.blocks(); ++b) {
        std::int32_t sum = 0;
        for (std::int64_t i = b * conv.block; j < count && i < (b + 1) * conv.block; ++i) {
          if (i % conv.padded >= conv.channels) continue;
          const std::int64_t at = lie.column(i / conv.padded, i % conv.padded);
          panel[at / run * (int8_panel * run) + j * run + at % run] = own[i];
          sum += own[i];
        }
        to.sums[b * n + first + j] = -conv.zero * sum;
        to.scales[b * n + first + j] = j < count ? filter_scale(conv, scales.data(), j, b) : 0.0f;
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

void encode_planes(const KernelCall& call, CodePlanes& planes) {
  const auto& bound = *static_cast<const BoundConvInt8*>(call.bound);
  const ConvInt8& conv = bound.conv;
  const Window& window = bound.window;
  const auto &x = call.in(0).dims, &y = call.out(0).dims;
  planes.images = x[0];
  planes.height = x[1];
  planes.width = x[2];
  planes.out_height = y[1];
  planes.out_width = y[2];
  const auto reach = [&](std::size_t d, std::int64_t size, std::int64_t out) {
    return std::max(window.before[d] + size, (out - 1) * window.strides[d] + window.reach(d));
  };
  planes.padded_height = reach(0, x[1], y[1]);
  planes.padded_width = reach(1, x[2], y[2]);
  const std::int64_t rows = planes.images * planes.padded_height;
  const std::int64_t padded = conv.padded, scales = conv.place_scales();
  const std::int64_t row_codes = planes.padded_width * padded;
  const bool fixed = conv.data_layout.fixed, coded = call.in(0).dtype == DType::u8;
  if (coded && planes.padded_height == x[1] && planes.padded_width == x[2]) {
    planes.codes = call.in(0).as<std::uint8_t>();
    return;
  }
  const auto bytes = static_cast<std::size_t>(rows * row_codes);
  if (planes.room < bytes) {
    planes.own = hwy::AllocateAligned<std::uint8_t>(bytes);
    if (planes.own == nullptr) throw std::bad_alloc();
    planes.room = bytes;
  }
  planes.codes = planes.own.get();
  if (!fixed) planes.scales.resize(static_cast<std::size_t>(rows * planes.padded_width * scales));
  const auto zero = static_cast<std::uint8_t>(conv.zero);
  parallel_ranges(rows, [&](std::int64_t from, std::int64_t to, int) {
    std::vector<std::int32_t> zeros(static_cast<std::size_t>(planes.width));
    std::vector<float> unused(static_cast<std::size_t>(fixed ? planes.width * scales : 0));
    for (std::int64_t row = from; row < to; ++row) {
      std::uint8_t* codes = planes.own.get() + row * row_codes;
      const std::int64_t h = row % planes.padded_height - window.before[0];
      if (h < 0 || h >= planes.height) {
        std::fill(codes, codes + row_codes, zero);
        continue;
      }
      const std::int64_t first = window.before[1];
      std::uint8_t* own = codes + first * padded;
      std::fill(codes, own, zero);
      std::fill(own + planes.width * padded, codes + row_codes, zero);
      const std::int64_t image = row / planes.padded_height;
      const std::int64_t at = (image * planes.height + h) * planes.width;
      if (coded) {
        std::memcpy(own, call.in(0).as<std::uint8_t>() + at * padded,
                    static_cast<std::size_t>(planes.width * padded));
        continue;
      }
      float* own_scales = fixed
                              ? unused.data()
                              : planes.scales.data() + (row * planes.padded_width + first) * scales;
      conv.data->encode_int8(call.in(0).as() + at * conv.channels, planes.width, conv.channels,
                             reinterpret_cast<std::int8_t*>(own), padded, own_scales, zeros.data());
      if (!conv.data_layout.has_zero) move_up(own, planes.width * padded);
      // (Columns that fill up meet weights of zero.)
    }
  });
}

WindowRuns window_runs(const BoundConvInt8& bound, const CodePlanes& planes) {
  const ConvInt8& conv = bound.conv;
  const Window& window = bound.window;
  const bool together = window.dilations[1] == 1;
  WindowRuns made;
  made.length = together ? conv.kernel[1] * conv.padded : conv.padded;
  for (std::int64_t r = 0; r < conv.kernel[0]; ++r)
    for (std::int64_t c = 0; c < conv.kernel[1]; ++c) {
      const std::int64_t place =
          r * window.dilations[0] * planes.padded_width + c * window.dilations[1];
      made.taps.push_back(place);
      if (!together || c == 0) made.runs.push_back(place * conv.padded);
    }
  return made;
}

void window_places(const BoundConvInt8& bound, const CodePlanes& planes, std::int64_t first,
                   std::int64_t count, std::vector<std::int64_t>& places) {
  places.resize(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t p = first + i, w = p % planes.out_width, row = p / planes.out_width;
    const std::int64_t h = row % planes.out_height, n = row / planes.out_height;
    places[static_cast<std::size_t>(i)] =
        (n * planes.padded_height + h * bound.window.strides[0]) * planes.padded_width +
        w * bound.window.strides[1];
  }
}

void give_codes(const GivenCodes& given, std::int64_t filters, const float* y, std::int64_t count,
                std::int64_t first, std::int64_t end, std::uint8_t* codes) {
  const std::int64_t padded = code_columns(filters);
  encode_given(given, y + first, filters, count, end - first, codes + first, padded,
               (end == filters ? padded : end) - first);
}

ConvPieces::ConvPieces(std::int64_t all_places, std::int64_t row_bytes, std::int64_t all_panels,
                       std::int64_t step)
    : places(all_places), panels(all_panels) {
  constexpr std::int64_t bytes = 256 << 10;
  const std::int64_t wanted = 4 * thread_count();
  const std::int64_t steps = row_bytes == 0 ? 32 : bytes / row_bytes / step;
  chunk = std::clamp(steps, std::int64_t{2}, std::int64_t{32}) * step;
  while (chunk > 2 * step && places < wanted * chunk) chunk = round_up(chunk / 2, step);
  chunks = panels == 0 ? 0 : (places + chunk - 1) / chunk;
  parts = chunks == 0
              ? 1
              : std::clamp((wanted + chunks - 1) / chunks, std::int64_t{1}, (panels + 3) / 4);
}

}  // namespace hone
