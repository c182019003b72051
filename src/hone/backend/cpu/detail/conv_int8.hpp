// What the kernels of conv_int8 share: planes of codes with their pads, panels of filters, windows.
#pragma once

#include <algorithm>
#include <vector>

#include <hwy/aligned_allocator.h>

#include "hone/backend/cpu/detail/bound_quantizer.hpp"
#include "hone/backend/cpu/detail/int8_product.hpp"
#include "hone/core/threads.hpp"
#include "hone/ops/detail/conv_int8.hpp"

namespace hone {

// Planes of x as codes: with the zero around them that windows reach, so that all of a window's
// codes lie at fixed distances from its first.
struct CodePlanes {
  std::int64_t images = 0, height = 0, width = 0;    // of x
  std::int64_t padded_height = 0, padded_width = 0;  // of the codes
  std::int64_t out_height = 0, out_width = 0;        // of y
  // [images][padded_height][padded_width][padded]: `own`, or x where those are codes without pads.
  const std::uint8_t* codes = nullptr;
  std::vector<float> scales = {};  // [..][place_scales]; none where there is one for all
  hwy::AlignedFreeUniquePtr<std::uint8_t[]> own = nullptr;
  std::size_t room = 0;  // of `own`

  std::int64_t places() const { return images * out_height * out_width; }
  std::int64_t count(const ConvInt8& conv) const {
    return images * padded_height * padded_width * conv.padded;
  }
};

// How windows of 16-bit numbers lie: a place has `place` of them (its channels alone where taps lie
// together and no block ends inside), and `run` (even) go on without a gap.
struct WindowNumbers {
  std::int64_t place = 0, run = 0, taps_of_run = 0, columns = 0;

  // Of channel c of a tap.
  std::int64_t column(std::int64_t tap, std::int64_t c) const {
    return tap / taps_of_run * run + tap % taps_of_run * place + c;
  }
};

struct BoundConvInt8 {
  ConvInt8 conv;
  WindowNumbers numbers;
  BoundPacked packed;
  Window window;
  std::int64_t panels = 0;  // of int8_panel filters
  bool relu = false;
  float high = 0;
  GivenCodes given;
};

// The filters in the workspace, in this order. Code is i8, four of a filter beside each other, or
// i16, two of them (of WindowNumbers::columns, which may be fewer).
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
// The scale of a filter's block, from the scales of filter_codes; times the data's where there is
// one for all places.
float filter_scale(const ConvInt8& conv, const float* scales, std::int64_t filter,
                   std::int64_t block);
// Kernel::begin: each thread encodes a share of the panels.
template <typename Code>
void begin_conv_int8(const KernelCall& call);

// Rounds x on all threads, or takes its codes.
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

// Some places of y and what their tiles read.
template <typename Code>
struct ConvInt8Piece {
  const BoundConvInt8* bound;
  ConvInt8Filters<Code> filters;
  const CodePlanes* planes;
  const WindowRuns* windows;
  std::int64_t count = 0;                       // places
  const std::int64_t* places = nullptr;         // where their windows begin
  std::int64_t first_panel = 0, end_panel = 0;  // of filters
  const float *bias = nullptr, *add = nullptr;  // add: as y
  float* y = nullptr;  // of the first place; where it is not given: scratch
};

// Cuts places and panels into pieces for the threads, such that windows stay in cache while they
// meet panels: whole multiples of `step` places where there are as many.
struct ConvPieces {
  std::int64_t places, panels, chunk, chunks, parts;

  ConvPieces(std::int64_t places, std::int64_t row_bytes, std::int64_t panels, std::int64_t step);
};

// Filters [first, end) of `count` places from the y of the first place to its codes.
void give_codes(const GivenCodes& given, std::int64_t filters, const float* y, std::int64_t count,
                std::int64_t first, std::int64_t end, std::uint8_t* codes);

// Calls body(piece) on all threads; x has been rounded to `planes`. What is given as codes is
// rounded while it is in cache.
template <typename Code, typename Body>
void for_conv_pieces(const KernelCall& call, const CodePlanes& planes, std::int64_t step,
                     const Body& body) {
  const auto& bound = *static_cast<const BoundConvInt8*>(call.bound);
  const WindowRuns windows = window_runs(bound, planes);
  const std::int64_t filters = bound.conv.filters;
  const GivenCodes& given = bound.given;
  const ConvPieces cut(planes.places(),
                       bound.conv.columns() * static_cast<std::int64_t>(sizeof(Code)), bound.panels,
                       step);
  parallel_items(cut.chunks * cut.parts, [&](std::int64_t item, int) {
    static thread_local std::vector<std::int64_t> places;
    static thread_local std::vector<float> scratch;
    const std::int64_t part = item / cut.chunks, first = item % cut.chunks * cut.chunk;
    ConvInt8Piece<Code> piece{&bound, conv_int8_filters<Code>(bound, call.workspace), &planes,
                              &windows};
    piece.count = std::min(cut.chunk, cut.places - first);
    window_places(bound, planes, first, piece.count, places);
    piece.places = places.data();
    // Groups of four panels stay together.
    const std::int64_t groups = (cut.panels + 3) / 4;
    piece.first_panel = groups * part / cut.parts * 4;
    piece.end_panel = std::min(cut.panels, groups * (part + 1) / cut.parts * 4);
    if (call.has(3)) piece.bias = call.in(3).as();
    if (call.has(4)) piece.add = call.in(4).as() + first * filters;
    if (!given.values)
      scratch.resize(std::max(scratch.size(), static_cast<std::size_t>(piece.count * filters)));
    piece.y = given.values ? call.out(0).as() + first * filters : scratch.data();
    body(piece);
    if (given.quantizer == nullptr) return;
    give_codes(given, filters, piece.y, piece.count, piece.first_panel * int8_panel,
               std::min(filters, piece.end_panel * int8_panel),
               call.out(given.values ? 1 : 0).as<std::uint8_t>() + first * code_columns(filters));
  });
}

}  // namespace hone
