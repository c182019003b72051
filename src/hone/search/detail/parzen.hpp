// A density over the space, estimated from trials: a mixture of one kernel a trial and a flat one.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "hone/search/detail/history.hpp"

namespace hone {

// The normal kernels of one axis, all of one width, truncated to the axis.
class AxisKernels {
public:
  // What was computed for another width or axis is dropped.
  void prepare(const Axis& axis, double width);
  double width() const { return width_; }
  // The logarithm of what a kernel's density (axes without cells) or masses are divided by.
  double log_norm(std::size_t row, double centre);
  // By the index of the centre's value: the logarithms of its kernel's masses in every cell. Of
  // axes with few cells, otherwise empty.
  std::span<const double> masses() const { return masses_; }

private:
  double width_ = -1;
  std::size_t cells_ = 0;
  std::vector<double> centres_, norms_;  // by row; NaN: not computed yet
  std::vector<double> masses_;
};

// Kernels are products over axes: of a numeric axis a normal distribution truncated to it (where it
// has steps, its mass in a value's cell), of a categorical one the kernel of Aitchison and Aitken
// (Biometrika 63, 1976). On an axis that its trial does not have a kernel is flat: trials from all
// branches of a space with conditions form one density over the whole of it.
//
// The width on an axis is `width` n^(-1/(d + 4)) of its length for n kernels in d dimensions
// (Scott, "Multivariate density estimation", 1992), n rounded down to a power of 2^(1/4), at least
// `least_width` and at least half of a cell.
class Parzen {
public:
  struct Rules {
    double prior_weight = 1;  // of the flat kernel; the others' weights are about 1
    double width = 0.07;
    double least_width = 0.01;
    // Of a choice, beside the trial's own with 1: this by the number of kernels.
    double softness = 0.3;
  };
  // One a history and set of axes, kept to be faster.
  using Kept = std::map<std::size_t, AxisKernels>;

  // `rows` of the history with their weights.
  Parzen(const History& history, std::span<const std::size_t> axes,
         std::span<const std::size_t> rows, std::span<const double> weights, const Rules& rules,
         Kept& kept);

  std::size_t kernels() const { return weights_.size(); }
  // Draws a value for every axis of this density that exists; values of `given` are taken instead.
  // With `recombined`, many are those of trials, and not all from the same one.
  void sample(RandomStream& random, std::span<const double> given, bool recombined,
              std::span<double> internals) const;
  // The logarithms of the density at points, over those of the axes that each has (a density in
  // coordinates; the mass of a value where an axis is not continuous).
  std::vector<double> log_densities(std::span<const std::vector<double>> points) const;

private:
  // Of kernel k, the flat one left out.
  struct Column {
    std::size_t axis = 0;
    std::vector<double> centre = {};     // coordinate; NaN: the kernel is flat here
    std::vector<double> value = {};      // what is compared: 0 instead of NaN
    std::vector<double> scale = {};      // the logarithm at the centre; 0 where it is flat
    std::vector<double> sharpness = {};  // 1 / (2 width^2), 0 where it is flat
    std::vector<double> index = {};      // of the value among the cells or choices; -1: flat
    std::vector<double> internal = {};   // the trial's value
    AxisKernels* kernels = nullptr;
    // Fills the vectors but for `scale` and `sharpness`. How many kernels are not flat here.
    double read(const History& history, const Axis& of, std::span<const std::size_t> rows);
    double own = 0, other = 0;  // of choices: logarithms
  };
  void add_choices(Column& column, const Axis& axis, double softness) const;
  void add_normals(Column& column, std::span<const std::size_t> rows, double width) const;
  std::size_t pick(RandomStream& random) const;
  double draw_from(const Column& column, std::size_t kernel, RandomStream& random) const;
  // Adds the column's logarithm at a value to `sums`, a kernel each.
  void add_log(const Column& column, double internal, std::span<double> sums) const;

  const Axes& axes_;
  std::vector<double> weights_;  // sum to 1; the last is the flat kernel's
  std::vector<double> cumulative_;
  std::vector<Column> columns_;
};

}  // namespace hone
