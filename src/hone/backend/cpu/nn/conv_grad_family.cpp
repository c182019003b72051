// Gradients of convolutions over planes whose channels lie together, as small products. What a tap
// reads for a line of places lies in x with equal steps: it is multiplied where it lies. Where
// lines are short or channels few, it is gathered into rows first. Elsewhere: depthwise ones
// (conv_grad_depthwise_family.cpp), kernels of 3 x 3 (conv_grad_weight_winograd.cpp).
#include <algorithm>
#include <cstring>
#include <vector>

#include "hone/backend/cpu/detail/conv.hpp"
#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace conv_grad_family {

constexpr std::int64_t chunk_places = 256;  // whose part of x and dy stays in cache
constexpr std::int64_t shortest_line = 8, fewest_channels = 8;
// Places that make a copy of the sums of its own worth it.
constexpr std::int64_t split_places = 512;

// A range of columns of the rows that are gathered: whole taps, or channels of one.
struct ColumnBlock {
  std::int64_t tap, taps, channel, channels;

  std::int64_t columns() const { return taps * channels; }
};

std::vector<ColumnBlock> column_blocks(const ConvSizes& s) {
  const std::int64_t channels = s.group_channels();
  std::vector<ColumnBlock> blocks;
  if (channels >= gemm_block) {
    const std::int64_t parts = (channels + gemm_block - 1) / gemm_block;
    for (std::int64_t t = 0; t < s.taps(); ++t)
      for (std::int64_t p = 0; p < parts; ++p) {
        const std::int64_t first = channels * p / parts;
        blocks.push_back({t, 1, first, channels * (p + 1) / parts - first});
      }
    return blocks;
  }
  const std::int64_t together = std::max<std::int64_t>(1, gemm_block / channels);
  for (std::int64_t t = 0; t < s.taps(); t += together)
    blocks.push_back({t, std::min(together, s.taps() - t), 0, channels});
  return blocks;
}

std::int64_t splits_of(const ConvSizes& s, int threads) {
  return std::clamp<std::int64_t>(s.places() / split_places, 1, threads);
}

// x at the taps of a block, for `count` places from `first`: rows of its columns.
void gather(const ConvSizes& s, const float* x, std::int64_t group, const ColumnBlock& block,
            std::int64_t first, std::int64_t count, float* to) {
  const auto bytes = static_cast<std::size_t>(block.channels) * sizeof(float);
  const std::int64_t offset = group * s.group_channels() + block.channel;
  const std::int64_t columns = block.columns();
  std::int64_t ow = first % s.out_width, row = first / s.out_width;
  std::int64_t oh = row % s.out_height, n = row / s.out_height;
  // Where all channels are taken, what the taps of a line read lies together.
  const bool lines = s.dilation_w == 1 && block.channels == s.channels &&
                     block.tap % s.kernel_width == 0 && block.taps % s.kernel_width == 0;
  const std::int64_t line = s.kernel_width * s.channels;
  for (std::int64_t i = 0; i < count; ++i, to += columns) {
    const float* image = x + n * s.height * s.width * s.channels + offset;
    const std::int64_t w0 = ow * s.stride_w - s.before_w;
    const bool inside = lines && w0 >= 0 && w0 + s.kernel_width <= s.width;
    for (std::int64_t r = 0; inside && r < block.taps / s.kernel_width; ++r) {
      const std::int64_t h =
          oh * s.stride_h - s.before_h + (block.tap / s.kernel_width + r) * s.dilation_h;
      const float* from = image + (h * s.width + w0) * s.channels;
      const bool there = h >= 0 && h < s.height;
      float* at = to + r * line;
      for (std::int64_t c = 0; c < line; ++c) at[c] = there ? from[c] : 0.0f;
    }
    for (std::int64_t k = 0; !inside && k < block.taps; ++k) {
      const std::int64_t tap = block.tap + k;
      const std::int64_t h = oh * s.stride_h - s.before_h + tap / s.kernel_width * s.dilation_h;
      const std::int64_t w = ow * s.stride_w - s.before_w + tap % s.kernel_width * s.dilation_w;
      float* at = to + k * block.channels;
      if (h >= 0 && h < s.height && w >= 0 && w < s.width)
        std::memcpy(at, image + (h * s.width + w) * s.channels, bytes);
      else
        std::memset(at, 0, bytes);
    }
    if (++ow < s.out_width) continue;
    ow = 0;
    if (++oh < s.out_height) continue;
    oh = 0;
    ++n;
  }
}

bool reads_lines(const ConvSizes& s) {
  return s.out_width >= shortest_line && s.group_channels() >= fewest_channels;
}

// A few lines of y, of one group, as panels of filters [places, up to 64] one after the other: in
// products, numbers that lie a power of two apart would push each other out of the cache.
struct OutputGrads {
  std::int64_t first_line, lines, places;
  const float* panels;

  const float* panel(std::int64_t filter) const { return panels + filter * places; }
};

OutputGrads pack_output_grads(const ConvSizes& s, const float* dy, std::int64_t first_line,
                              std::int64_t lines, std::vector<float>& panels) {
  const std::int64_t own = s.group_filters(), places = lines * s.out_width;
  panels.resize(static_cast<std::size_t>(places * own));
  float* to = panels.data();
  for (std::int64_t o = 0; o < own; o += gemm_block) {
    const std::int64_t width = std::min(gemm_block, own - o);
    const float* from = dy + first_line * s.out_width * s.filters + o;
    for (std::int64_t i = 0; i < places; ++i, from += s.filters, to += width)
      std::copy_n(from, width, to);
  }
  return {first_line, lines, places, panels.data()};
}

// tile[columns, width] += the product of one tap of a block, line by line.
void add_lines(const ConvSizes& s, const float* x, const OutputGrads& grads, std::int64_t tap,
               std::int64_t offset, std::int64_t channels, const float* panel, std::int64_t width,
               float* tile) {
  const std::int64_t shift = tap % s.kernel_width * s.dilation_w - s.before_w;
  // Places of the line whose tap lies inside.
  const std::int64_t begin = shift >= 0 ? 0 : (-shift + s.stride_w - 1) / s.stride_w;
  const std::int64_t end =
      s.width - 1 < shift ? 0 : std::min(s.out_width, (s.width - 1 - shift) / s.stride_w + 1);
  if (begin >= end) return;
  for (std::int64_t i = 0; i < grads.lines; ++i) {
    const std::int64_t line = grads.first_line + i;
    const std::int64_t h =
        line % s.out_height * s.stride_h - s.before_h + tap / s.kernel_width * s.dilation_h;
    if (h < 0 || h >= s.height) continue;
    const float* row = x + (line / s.out_height * s.height + h) * s.width * s.channels + offset;
    for (std::int64_t k = begin; k < end; k += gemm_block)
      gemm({channels, width, std::min(gemm_block, end - k), s.stride_w * s.channels, width, width,
            true, true},
           row + (k * s.stride_w + shift) * s.channels, panel + (i * s.out_width + k) * width,
           tile);
  }
}

// What a thread needs for products of one group.
struct ProductScratch {
  std::vector<float> rows, panels, tile;
};

// sums[columns, own filters] += the product of one block with a few lines of y.
void add_product(const ConvSizes& s, const float* x, std::int64_t group, const ColumnBlock& block,
                 const OutputGrads& grads, ProductScratch& scratch, float* sums) {
  const std::int64_t own = s.group_filters(), columns = block.columns();
  const bool by_lines = reads_lines(s);
  if (!by_lines) {
    scratch.rows.resize(static_cast<std::size_t>(grads.places * columns));
    gather(s, x, group, block, grads.first_line * s.out_width, grads.places, scratch.rows.data());
  }
  sums += (block.tap * s.group_channels() + block.channel) * s.filters + group * own;
  scratch.tile.resize(static_cast<std::size_t>(columns * gemm_block));
  float* tile = scratch.tile.data();
  for (std::int64_t o = 0; o < own; o += gemm_block) {
    const std::int64_t width = std::min(gemm_block, own - o);
    const float* panel = grads.panel(o);
    std::fill(tile, tile + columns * width, 0.0f);
    if (by_lines)
      for (std::int64_t k = 0; k < block.taps; ++k)
        add_lines(s, x, grads, block.tap + k, group * s.group_channels() + block.channel,
                  block.channels, panel, width, tile + k * block.channels * width);
    else
      for (std::int64_t k = 0; k < grads.places; k += gemm_block)
        gemm({columns, width, std::min(gemm_block, grads.places - k), columns, width, width, true,
              true},
             scratch.rows.data() + k * columns, panel + k * width, tile);
    for (std::int64_t r = 0; r < columns; ++r)
      for (std::int64_t c = 0; c < width; ++c) sums[r * s.filters + o + c] += tile[r * width + c];
  }
}

void run_weight(const KernelCall& call) {
  const ConvSizes s = conv_grad_weight_sizes(call);
  const std::int64_t size = call.out(0).size(), places = s.places();
  float* out = call.out(0).as();
  if (places == 0) {
    std::fill(out, out + size, 0.0f);
    return;
  }
  const std::vector<ColumnBlock> blocks = column_blocks(s);
  const std::int64_t splits = splits_of(s, thread_count()), count = std::ssize(blocks) * s.groups;
  float* partial = reinterpret_cast<float*>(call.workspace);
  // More parts than threads where that is possible: they need not end at once.
  const std::int64_t parts =
      std::clamp<std::int64_t>((3 * thread_count() + splits - 1) / splits, 1, count);
  // Whole lines of y; each split begins with zeros.
  const std::int64_t lines = s.images * s.out_height;
  const std::int64_t together = std::max<std::int64_t>(1, chunk_places / s.out_width);
  const std::int64_t own = s.group_filters();
  parallel_items(splits * parts, [&](std::int64_t item, int) {
    const std::int64_t split = item % splits, part = item / splits;
    float* sums = split == 0 ? out : partial + (split - 1) * size;
    const std::int64_t begin = count * part / parts, end = count * (part + 1) / parts;
    const auto block_of = [&](std::int64_t b) {
      return blocks[static_cast<std::size_t>(b % std::ssize(blocks))];
    };
    for (std::int64_t b = begin; b < end; ++b) {
      const ColumnBlock block = block_of(b);
      float* to = sums + (block.tap * s.group_channels() + block.channel) * s.filters +
                  b / std::ssize(blocks) * own;
      for (std::int64_t r = 0; r < block.columns(); ++r, to += s.filters)
        std::fill(to, to + own, 0.0f);
    }
    static thread_local ProductScratch scratch;
    const std::int64_t last = lines * (split + 1) / splits;
    for (std::int64_t line = lines * split / splits; line < last; line += together) {
      OutputGrads grads{};
      std::int64_t packed = -1;  // the group that is packed
      for (std::int64_t b = begin; b < end; ++b) {
        const std::int64_t group = b / std::ssize(blocks);
        if (group != packed)
          grads = pack_output_grads(s, call.in(1).as() + group * own, line,
                                    std::min(together, last - line), scratch.panels);
        packed = group;
        add_product(s, call.in(0).as(), group, block_of(b), grads, scratch, sums);
      }
    }
  });
  if (splits == 1) return;
  parallel_ranges(size, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t split = 1; split < splits; ++split) {
      const float* from = partial + (split - 1) * size;
      for (std::int64_t i = begin; i < end; ++i) out[i] += from[i];
    }
  });
}

// The kernel's taps, transposed: [taps, filters, channels of a group].
void begin_input(const KernelCall& call) {
  const TensorView& w = call.in(1);
  const std::int64_t taps = w.dims[0] * w.dims[1], channels = w.dims[2], filters = w.dims[3];
  float* to = reinterpret_cast<float*>(call.workspace);
  for (std::int64_t t = taps * call.thread / call.threads;
       t < taps * (call.thread + 1) / call.threads; ++t)
    transpose_into(w.as() + t * channels * filters, channels, filters, filters,
                   to + t * channels * filters, channels, 1.0f);
}

// Image by image: a product for each tap, whose rows are added where the tap read.
void run_input(const KernelCall& call) {
  const ConvSizes s = conv_grad_input_sizes(call);
  const auto* turned = reinterpret_cast<const float*>(call.workspace);
  const std::int64_t channels = s.group_channels(), own = s.group_filters();
  const std::int64_t plane = s.height * s.width * s.channels;
  const std::int64_t rows_at_once =
      std::max<std::int64_t>(1, chunk_places / std::max<std::int64_t>(1, s.out_width));
  parallel_items(s.images, [&](std::int64_t n, int) {
    static thread_local std::vector<float> product;
    product.resize(static_cast<std::size_t>(rows_at_once * s.out_width * channels));
    float* dx = call.out(0).as() + n * plane;
    std::fill(dx, dx + plane, 0.0f);
    for (std::int64_t first = 0; first < s.out_height; first += rows_at_once) {
      const std::int64_t rows = std::min(rows_at_once, s.out_height - first);
      const float* dy = call.in(0).as() + (n * s.out_height + first) * s.out_width * s.filters;
      for (std::int64_t group = 0; group < s.groups; ++group)
        for (std::int64_t t = 0; t < s.taps(); ++t) {
          gemm({rows * s.out_width, channels, own, s.filters, channels, channels}, dy + group * own,
               turned + (t * s.filters + group * own) * channels, product.data());
          for (std::int64_t r = 0; r < rows; ++r) {
            const std::int64_t h =
                (first + r) * s.stride_h - s.before_h + t / s.kernel_width * s.dilation_h;
            if (h < 0 || h >= s.height) continue;
            for (std::int64_t o = 0; o < s.out_width; ++o) {
              const std::int64_t w =
                  o * s.stride_w - s.before_w + t % s.kernel_width * s.dilation_w;
              if (w < 0 || w >= s.width) continue;
              float* to = dx + (h * s.width + w) * s.channels + group * channels;
              const float* from = product.data() + (r * s.out_width + o) * channels;
              for (std::int64_t c = 0; c < channels; ++c) to[c] += from[c];
            }
          }
        }
    }
  });
}

void run_turn(const KernelCall& call) {
  const TensorView& w = call.in(0);
  const std::int64_t taps = w.dims[0] * w.dims[1], channels = w.dims[2], filters = w.dims[3];
  // (Pieces of taps: there may be one only.)
  constexpr std::int64_t piece = 64;
  const std::int64_t pieces = (channels + piece - 1) / piece;
  parallel_items(taps * pieces, [&](std::int64_t i, int) {
    const std::int64_t t = i / pieces, first = i % pieces * piece;
    transpose_into(w.as() + (t * channels + first) * filters, std::min(piece, channels - first),
                   filters, filters, call.out(0).as() + (taps - 1 - t) * channels * filters + first,
                   channels, 1.0f);
  });
}

constexpr const char* depthwise_text = "every channel is a group of its own";

Kernel weight_kernel() {
  Kernel kernel{{"cpu.conv_grad_weight", "rows that the taps read, gathered in cache, in products"},
                "conv_channels_last_grad_weight",
                RowRule::whole,
                10};
  kernel.refuse = [](const KernelQuery& query) -> std::string {
    return is_depthwise(conv_grad_weight_sizes(query)) ? depthwise_text : "";
  };
  kernel.workspace = [](const KernelQuery& query) {
    const Shape w = query.output_shape(0);
    const ConvSizes s = conv_grad_weight_sizes(query);
    return static_cast<std::size_t>((splits_of(s, query.threads) - 1) * element_count(w)) *
           sizeof(float);
  };
  kernel.run = run_weight;
  return kernel;
}

Kernel input_kernel() {
  Kernel kernel{{"cpu.conv_grad_input", "a product for each tap, added where the tap read"},
                "conv_channels_last_grad_input",
                RowRule::whole,
                10};
  kernel.refuse = [](const KernelQuery& query) -> std::string {
    return is_depthwise(conv_grad_input_sizes(query)) ? depthwise_text : "";
  };
  kernel.workspace = [](const KernelQuery& query) {
    return static_cast<std::size_t>(element_count(query.input_shape(1))) * sizeof(float);
  };
  kernel.begin = begin_input;
  kernel.run = run_input;
  return kernel;
}

}  // namespace conv_grad_family
}  // namespace

std::vector<Kernel> cpu_kernel_conv_grad_family() {
  using namespace conv_grad_family;
  Kernel turn{{"cpu.turn_kernel", "squares that stay in cache"}, "turn_kernel", RowRule::whole, 10};
  turn.run = run_turn;
  return {weight_kernel(), input_kernel(), turn};
}

}  // namespace hone
