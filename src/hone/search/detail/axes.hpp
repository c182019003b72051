// The space as numbers: every parameter as an axis of unit length, conditions by index.
#pragma once

#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "hone/search/space.hpp"

namespace hone {

inline constexpr double absent = std::numeric_limits<double>::quiet_NaN();

// A numeric parameter goes from 0 to 1, by its logarithm where it is a range with `log`; a value
// with a step has a cell of half a step to each side, the cells fill the axis. A categorical
// parameter's coordinate is the index of its choice.
struct Axis {
  struct Condition {
    std::size_t parent = 0;
    std::vector<double> internals;
  };
  const Dimension* dimension = nullptr;
  bool categorical = false;
  bool cells = false;     // numeric, with a step
  bool single = false;    // there is one value only
  std::size_t count = 0;  // of values; 0: not countable
  double begin = 0;       // of the range, its logarithm where it goes by that
  double extent = 1;
  std::vector<Condition> when = {};

  const Distribution& distribution() const { return dimension->distribution(); }
  double unit_of(double internal) const;
  // The nearest value to a coordinate.
  double internal_at(double unit) const;
  // Where the value's cell begins and ends on the axis.
  std::pair<double, double> cell_of(double internal) const;
  // The volume that a value has: the width of its cell, 1 / choices, or 1 where there is no step.
  double volume_of(double internal) const;
};

// Axes in the order of the space's dimensions. Valid as long as the space is.
class Axes {
public:
  Axes() = default;
  explicit Axes(const Space& space);

  std::size_t size() const { return axes_.size(); }
  const Axis& operator[](std::size_t i) const { return axes_[i]; }
  auto begin() const { return axes_.begin(); }
  auto end() const { return axes_.end(); }
  bool conditional() const { return conditional_; }
  // Whether axis `i` exists by the internal values of those before it (`absent`: not there).
  bool exists(std::size_t i, std::span<const double> internals) const;
  // Index by name; size() where there is none.
  std::size_t find(const std::string& name) const;

  // Internal values, `absent` where the assignment has none. Values outside of a distribution are
  // absent too.
  std::vector<double> row(const Assignment& values) const;
  Assignment assignment(std::span<const double> internals) const;
  // Axes that exist under the same conditions, hence together: lists of indices.
  std::vector<std::vector<std::size_t>> groups() const;

private:
  std::vector<Axis> axes_;
  bool conditional_ = false;
};

}  // namespace hone
