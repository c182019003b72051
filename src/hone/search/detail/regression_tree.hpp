// One regression tree over axes of unit length: its leaves as boxes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hone/core/philox.hpp"

namespace hone {

// What the tree is grown on. A feature's values are the numbers of its distinct positions.
struct TreeFeature {
  std::vector<double> positions = {};  // ascending, in [0, 1]; of a choice: its number
  std::size_t choices = 0;             // of a categorical feature; 0: numeric
};
struct TreeData {
  std::span<const TreeFeature> features;
  std::span<const std::vector<std::uint32_t>> codes;  // [feature][sample]
  std::span<const double> targets;
};

// A side of a box: from `low` to `high` on a numeric feature, or the choices of a mask.
struct TreeSide {
  std::uint32_t feature = 0;
  double low = 0, high = 1;
  std::vector<bool> choices = {};

  // Its share of the feature's range.
  double width() const;
  bool holds(double position) const;
};
struct TreeLeaf {
  double value = 0;
  double volume = 1;
  std::vector<TreeSide> sides = {};  // those that are less than the whole range
};

// Least squares, every feature tried at each split in a random order, until all targets of a leaf
// are equal or no feature tells its samples apart. `samples` may hold one several times.
std::vector<TreeLeaf> grow_tree(const TreeData& data, std::vector<std::uint32_t> samples,
                                RandomStream& random);

}  // namespace hone
