// Winograd's F(4 x 4, 3 x 3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
// 2015): 4 x 4 places of y, y = A^T [(G w G^T) * (B^T x B)] A, of 6 x 6 of x; * multiplies each of
// the 36 planes by itself.
#pragma once

#include <cstdint>

#include "hone/backend/cpu/detail/conv.hpp"

namespace hone::winograd {

constexpr int tile_out = 4, tile_in = 6, planes = 36;

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

// Why a convolution cannot be done by tiles, whatever its size; "" where it can.
inline const char* refuse_shape(const ConvSizes& s) {
  if (s.kernel_height != 3 || s.kernel_width != 3) return "its kernel is not 3 x 3";
  if (s.stride_h != 1 || s.stride_w != 1 || s.dilation_h != 1 || s.dilation_w != 1)
    return "its steps are not 1";
  if (s.groups != 1) return "it has groups";
  if (s.channels < 16 || s.filters < 16) return "it has few channels";
  return "";
}

}  // namespace hone::winograd
