// What the kernels of conv_int8 share: codes of the places, panels of filters, rows of windows.
#pragma once

#include <functional>
#include <vector>

#include "hone/backend/cpu/detail/bound_quantizer.hpp"
#include "hone/ops/detail/conv_int8.hpp"

namespace hone {

struct ConvInt8Sizes {
  std::int64_t images, height, width;  // of x
  std::int64_t out_height, out_width;
  std::int64_t stride_h, stride_w, before_h, before_w, dilation_h, dilation_w;
  bool relu;
  float high;

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
ConvInt8Sizes conv_int8_sizes(const KernelCall& call);
template <typename Code>
std::size_t conv_int8_workspace(const KernelQuery& query);
template <typename Code>
ConvInt8Filters<Code> conv_int8_filters(const BoundConvInt8& bound, std::byte* workspace);
// Kernel::begin: each thread encodes a share of the panels.
template <typename Code>
void begin_conv_int8(const KernelCall& call);

// x as codes.
struct PlaceCodes {
  std::vector<std::uint8_t> codes = {};  // [places][padded]
  std::vector<float> scales = {};        // [places][place_scales]; none where there is one for all
};
// On all threads.
void encode_places(const KernelCall& call, PlaceCodes& to);

// The windows of some places in a row each.
struct WindowRows {
  const std::uint8_t* codes = nullptr;  // [count][columns]
  const float* scales = nullptr;        // [count][blocks]; null: one for all
  std::vector<std::uint8_t> own_codes = {};
  std::vector<float> own_scales = {};
};
// Of places [first, first + count) of y; x itself where a window is a place.
void gather_windows(const BoundConvInt8& bound, const ConvInt8Sizes& sizes,
                    const PlaceCodes& places, std::int64_t first, std::int64_t count,
                    WindowRows& rows);

// Calls body(first place, count, first panel, end) in pieces for the threads: windows stay in cache
// while they meet the panels.
void for_conv_pieces(
    std::int64_t places, std::int64_t columns, std::int64_t panels, std::int64_t step,
    const std::function<void(std::int64_t, std::int64_t, std::int64_t, std::int64_t)>& body);

}  // namespace hone
