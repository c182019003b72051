// What the kernels of conv_int8 share: planes of codes with their pads, panels of filters, windows.
#pragma once

#include <functional>
#include <vector>

#include "hone/backend/cpu/detail/bound_quantizer.hpp"
#include "hone/ops/detail/conv_int8.hpp"

namespace hone {

// Planes of x as codes: with the zero around them that windows reach, so that all of a window's
// codes lie at fixed distances from its first.
struct CodePlanes {
  std::int64_t images = 0, height = 0, width = 0;    // of x
  std::int64_t padded_height = 0, padded_width = 0;  // of the codes
  std::int64_t out_height = 0, out_width = 0;        // of y
  std::vector<std::uint8_t> codes = {};  // [images][padded_height][padded_width][padded]
  std::vector<float> scales = {};        // [..][place_scales]; none where there is one for all

  std::int64_t places() const { return images * out_height * out_width; }
};

struct BoundConvInt8 {
  ConvInt8 conv;
  BoundPacked packed;
  Window window;
  std::int64_t panels = 0;  // of int8_panel filters
  bool relu = false;
  float high = 0;
};

// The filters in the workspace, in this order. Code is i8, four of a filter beside each other, or
// i16, two of them.
template <typename Code>
struct ConvInt8Filters {
  static constexpr std::int64_t run = 4 / static_cast<std::int64_t>(sizeof(Code));
  Code* codes;         // [panels][columns / run][16][run]
  std::int32_t* sums;  // [blocks][panels * 16]: what the zero of the data adds
  float* scales;       // [blocks][panels * 16]; with the data's where that has one
};

std::shared_ptr<const void> bind_node_conv_int8(const KernelQuery& query);
template <typename Code>
std::size_t conv_int8_workspace(const KernelQuery& query);
template <typename Code>
ConvInt8Filters<Code> conv_int8_filters(const BoundConvInt8& bound, std::byte* workspace);
// Kernel::begin: each thread encodes a share of the panels.
template <typename Code>
void begin_conv_int8(const KernelCall& call);

// Rounds x, on all threads.
void encode_planes(const KernelCall& call, CodePlanes& planes);

// What lies together of a window: runs of `length` codes, at these distances from its first; a tap
// begins at `taps[t]`.
struct WindowRuns {
  std::int64_t length = 0;
  std::vector<std::int64_t> runs = {}, taps = {};
};
WindowRuns window_runs(const BoundConvInt8& bound, const CodePlanes& planes);
// Where the windows of places [first, first + count) of y begin, in places of the planes.
void window_places(const BoundConvInt8& bound, const CodePlanes& planes, std::int64_t first,
                   std::int64_t count, std::vector<std::int64_t>& places);

// Calls body(first place, count, first panel, end) in pieces for the threads: windows stay in cache
// while they meet the panels.
void for_conv_pieces(
    std::int64_t places, std::int64_t columns, std::int64_t panels, std::int64_t step,
    const std::function<void(std::int64_t, std::int64_t, std::int64_t, std::int64_t)>& body);

}  // namespace hone
