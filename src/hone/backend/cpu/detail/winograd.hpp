// Winograd's F(4 x 4, 3 x 3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
// 2015): a tile of 4 x 4 places of y is A^T [(G w G^T) * (B^T x B)] A, x the 6 x 6 places that it
// reads; * multiplies each of the 36 elements by itself, 36 products a channel instead of 144.
//
//         4  0 -5  0  1  0             1/4   0    0
//         0 -4 -4  1  1  0            -1/6 -1/6 -1/6            1  1  1  1  1  0
//   B^T = 0  4 -4 -1  1  0       G =  -1/6  1/6 -1/6      A^T = 0  1 -1  2 -2  0
//         0 -2 -1  2  1  0            1/24 1/12  1/6            0  1  1  4  4  0
//         0  2 -1 -2  1  0            1/24 -1/12 1/6            0  1 -1  8 -8  1
//         0  4  0 -5  0  1             0    0    1
#pragma once

#include <algorithm>
#include <cstdint>

#include "hone/backend/cpu/detail/conv.hpp"

namespace hone::winograd {

constexpr int tile_out = 4, tile_in = 6, tile_elements = 36;

struct Tiles {
  std::int64_t down, across, all;
};
inline Tiles tiles_of(const ConvSizes& s) {
  const std::int64_t down = (s.out_height + tile_out - 1) / tile_out;
  const std::int64_t across = (s.out_width + tile_out - 1) / tile_out;
  return {down, across, s.images * down * across};
}

// Where a tile lies: its image and the first of its places of y.
struct TilePlace {
  std::int64_t image, h, w;
};
inline TilePlace place_of_tile(const Tiles& tiles, std::int64_t tile) {
  return {tile / (tiles.down * tiles.across), tile / tiles.across % tiles.down * tile_out,
          tile % tiles.across * tile_out};
}

// Places of y that a tile at the edge has.
struct TileSize {
  int height, width;
};
inline TileSize size_of_tile(const ConvSizes& s, const TilePlace& at) {
  return {static_cast<int>(std::min<std::int64_t>(tile_out, s.out_height - at.h)),
          static_cast<int>(std::min<std::int64_t>(tile_out, s.out_width - at.w))};
}

// Why tiles cannot do a convolution or do not pay, whatever its planes; "" where they may.
inline const char* refuse_shape(const ConvSizes& s) {
  if (s.kernel_height != 3 || s.kernel_width != 3) return "its kernel is not 3 x 3";
  if (s.stride_h != 1 || s.stride_w != 1 || s.dilation_h != 1 || s.dilation_w != 1)
    return "its steps are not 1";
  if (s.groups != 1) return "it has groups";
  if (s.channels < 16 || s.filters < 16) return "it has few channels";
  return "";
}

}  // namespace hone::winograd
