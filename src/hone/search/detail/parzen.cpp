#include "hone/search/detail/parzen.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>

#include "hone/search/detail/truncated_normal.hpp"

namespace hone {
namespace {

// Masses of all pairs of cells are kept for axes with at most this many.
constexpr std::size_t most_kept_cells = 64;
// A cell narrower than this share of the width has its density in the middle times its width as
// mass: an error of at most 0.3 % within two widths of the centre.
constexpr double narrow_cell = 0.25;

// e^x for x <= 0, relative error 1e-12; loops over it become vector code.
inline double exp_of_negative(double x) {
  x = std::max(x, -700.0);
  constexpr double shift = 0x1.8p52;
  const double rounded = x * std::numbers::log2e + shift;
  const double power = rounded - shift;
  const double rest = (x - power * 0x1.62e42fee00000p-1) - power * 0x1.a39ef35793c76p-33;
  double sum = 1.0 / 3628800;
  sum = sum * rest + 1.0 / 362880;
  sum = sum * rest + 1.0 / 40320;
  sum = sum * rest + 1.0 / 5040;
  sum = sum * rest + 1.0 / 720;
  sum = sum * rest + 1.0 / 120;
  sum = sum * rest + 1.0 / 24;
  sum = sum * rest + 1.0 / 6;
  sum = sum * rest + 0.5;
  sum = sum * rest + 1;
  sum = sum * rest + 1;
  return sum * std::bit_cast<double>((std::bit_cast<std::uint64_t>(rounded) + 1023) << 52);
}

double cell_index(const Axis& axis, double internal) {
  return std::round((internal - axis.distribution().low) / axis.distribution().step);
}

}  // namespace

void AxisKernels::prepare(const Axis& axis, double width) {
  if (width == width_ && cells_ == axis.count) return;
  width_ = width;
  cells_ = axis.count;
  centres_.clear();
  norms_.clear();
  masses_.clear();
  if (!axis.cells || axis.count == 0 || axis.count > most_kept_cells) return;
  const Distribution& of = axis.distribution();
  masses_.resize(axis.count * axis.count);
  for (std::size_t i = 0; i < axis.count; ++i) {
    const double centre = axis.unit_of(of.low + static_cast<double>(i) * of.step);
    const double all = log_normal_mass((0 - centre) / width, (1 - centre) / width);
    for (std::size_t j = 0; j < axis.count; ++j) {
      const auto [first, last] = axis.cell_of(of.low + static_cast<double>(j) * of.step);
      masses_[i * axis.count + j] =
          log_normal_mass((first - centre) / width, (last - centre) / width) - all;
    }
  }
}

double AxisKernels::log_norm(std::size_t row, double centre) {
  if (row >= norms_.size()) {
    norms_.resize(row + 1, 0);
    centres_.resize(row + 1, absent);
  }
  if (centres_[row] != centre) {
    centres_[row] = centre;
    norms_[row] = log_normal_mass((0 - centre) / width_, (1 - centre) / width_);
  }
  return norms_[row];
}

double Parzen::Column::read(const History& history, const Axis& of,
                            std::span<const std::size_t> rows) {
  const std::span<const double> units = history.units(axis), internals = history.column(axis);
  for (auto* const one : {&centre, &value, &scale, &sharpness, &index, &internal})
    one->resize(rows.size());
  double count = 0;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const double unit = units[rows[k]];
    const bool flat = std::isnan(unit);
    centre[k] = unit;
    value[k] = flat ? 0 : unit;
    internal[k] = internals[rows[k]];
    index[k] = flat             ? -1
               : of.categorical ? internal[k]
               : of.cells       ? cell_index(of, internal[k])
                                : 0;
    count += flat ? 0 : 1;
  }
  return count;
}

Parzen::Parzen(const History& history, std::span<const std::size_t> axes,
               std::span<const std::size_t> rows, std::span<const double> weights,
               const Rules& rules, Kept& kept)
    : axes_(history.axes()), weights_(weights.begin(), weights.end()) {
  weights_.push_back(rules.prior_weight);
  double sum = 0;
  for (const double weight : weights_) sum += weight;
  if (!(sum > 0)) sum = weights_.back() = 1;
  double total = 0;
  for (double& weight : weights_) cumulative_.push_back(total += weight /= sum);

  double numeric = 0;
  for (const std::size_t i : axes) numeric += axes_[i].single || axes_[i].categorical ? 0 : 1;
  for (const std::size_t i : axes) {
    const Axis& axis = axes_[i];
    Column& column = columns_.emplace_back(Column{i});
    if (axis.single) continue;
    const double count = column.read(history, axis, rows);
    if (axis.categorical) {
      add_choices(column, axis, std::max(1e-9, rules.softness * rules.prior_weight / (count + 1)));
      continue;
    }
    const double rounded = std::exp2(std::floor(4 * std::log2(std::max(count, 1.0))) / 4);
    const double cell = axis.cells ? 0.5 / static_cast<double>(axis.count) : 0;
    const double width = std::clamp(rules.width * std::pow(rounded, -1 / (numeric + 4)),
                                    std::max(rules.least_width, cell), 1.0);
    column.kernels = &kept[i];
    column.kernels->prepare(axis, width);
    add_normals(column, rows, width);
  }
}

void Parzen::add_choices(Column& column, const Axis& axis, double softness) const {
  const auto choices = static_cast<double>(axis.count);
  const double sum = 1 + softness * choices;
  column.own = std::log((1 + softness) / sum);
  column.other = std::log(softness / sum);
  for (std::size_t k = 0; k < column.index.size(); ++k) {
    column.scale[k] = column.index[k] < 0 ? -std::log(choices) : column.other;
    // Added where the choice is the own one.
    column.sharpness[k] = column.own - column.other;
  }
}

void Parzen::add_normals(Column& column, std::span<const std::size_t> rows, double width) const {
  // Of the density in coordinates, before the truncation.
  const double peak = -std::log(width) - 0.5 * std::log(2 * std::numbers::pi);
  const bool table = !column.kernels->masses().empty();
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const bool flat = column.index[k] < 0;
    column.scale[k] =
        flat || table ? 0 : peak - column.kernels->log_norm(rows[k], column.centre[k]);
    column.sharpness[k] = flat ? 0 : 0.5 / (width * width);
  }
}

std::size_t Parzen::pick(RandomStream& random) const {
  const double share = random.uniform() * cumulative_.back();
  const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), share);
  return std::min(static_cast<std::size_t>(found - cumulative_.begin()), kernels() - 1);
}

double Parzen::draw_from(const Column& column, std::size_t kernel, RandomStream& random) const {
  const Axis& axis = axes_[column.axis];
  const double share = random.uniform();
  const bool flat = kernel + 1 == kernels() || std::isnan(column.centre[kernel]);
  if (axis.categorical) {
    const auto choices = static_cast<double>(axis.count);
    if (flat) return std::min(std::floor(share * choices), choices - 1);
    // The own choice first, then the others in turn.
    const double centre = column.centre[kernel], own = std::exp(column.own);
    if (share < own) return centre;
    const double other =
        std::min(std::floor((share - own) / (1 - own) * (choices - 1)), choices - 2);
    return other < centre ? other : other + 1;
  }
  if (flat) return axis.internal_at(share);
  const double centre = column.centre[kernel], width = column.kernels->width();
  return axis.internal_at(
      centre + width * truncated_quantile((0 - centre) / width, (1 - centre) / width, share));
}

void Parzen::sample(RandomStream& random, std::span<const double> given, bool recombined,
                    std::span<double> internals) const {
  // The share of values that come from another trial, and of those that stay as they are.
  constexpr double crossed = 0.8, most_kept = 0.9;
  const std::size_t flat = kernels() - 1;
  const std::size_t kernel = pick(random);
  const double kept = recombined ? most_kept * random.uniform() : 0;
  for (const Column& column : columns_) {
    const Axis& axis = axes_[column.axis];
    double& value = internals[column.axis];
    value = absent;
    if (!axes_.exists(column.axis, internals)) continue;
    if (!std::isnan(given[column.axis])) {
      value = given[column.axis];
      continue;
    }
    if (axis.single) {
      value = axis.categorical ? 0 : axis.distribution().low;
      continue;
    }
    std::size_t own = kernel;
    if (recombined && random.uniform() < crossed) own = pick(random);
    // One that has this axis.
    for (int i = 0; i < 8 && own != flat && std::isnan(column.centre[own]); ++i) own = pick(random);
    const bool has = own != flat && !std::isnan(column.centre[own]);
    if (recombined && has && random.uniform() < kept)
      value = column.internal[own];
    else
      value = draw_from(column, own, random);
  }
}

void Parzen::add_log(const Column& column, double internal, std::span<double> sums) const {
  const Axis& axis = axes_[column.axis];
  const std::size_t count = sums.size();
  const double* const scale = column.scale.data();
  const double* const sharpness = column.sharpness.data();
  const double* const index = column.index.data();
  double* const sum = sums.data();
  if (axis.categorical) {
    for (std::size_t k = 0; k < count; ++k)
      sum[k] += scale[k] + (index[k] == internal ? sharpness[k] : 0.0);
    return;
  }
  const auto [first, last] = axis.cells ? axis.cell_of(internal) : std::pair{0.0, 1.0};
  const double log_cell = std::log(last - first);
  if (const std::span<const double> masses = column.kernels->masses(); !masses.empty()) {
    const auto at = static_cast<std::size_t>(cell_index(axis, internal));
    for (std::size_t k = 0; k < count; ++k)
      sum[k] +=
          index[k] < 0 ? log_cell : masses[static_cast<std::size_t>(index[k]) * axis.count + at];
    return;
  }
  const double width = column.kernels->width();
  if (axis.cells && last - first > narrow_cell * width) {
    const double peak = -std::log(width) - 0.5 * std::log(2 * std::numbers::pi);
    for (std::size_t k = 0; k < count; ++k)
      sum[k] += index[k] < 0 ? log_cell
                             : scale[k] - peak +
                                   log_normal_mass((first - column.centre[k]) / width,
                                                   (last - column.centre[k]) / width);
    return;
  }
  const double at = axis.cells ? (first + last) / 2 : axis.unit_of(internal);
  const double* const value = column.value.data();
  for (std::size_t k = 0; k < count; ++k) {
    const double away = at - value[k];
    sum[k] += scale[k] + log_cell - sharpness[k] * away * away;
  }
}

std::vector<double> Parzen::log_densities(std::span<const std::vector<double>> points) const {
  const std::size_t count = kernels() - 1;
  std::vector<double> log_weights(count);
  for (std::size_t k = 0; k < count; ++k) log_weights[k] = std::log(weights_[k]);
  std::vector<double> found, sums(count);
  for (const std::vector<double>& point : points) {
    std::copy(log_weights.begin(), log_weights.end(), sums.begin());
    double flat = std::log(weights_.back());
    for (const Column& column : columns_) {
      const double internal = point[column.axis];
      if (std::isnan(internal) || axes_[column.axis].single) continue;
      flat += std::log(axes_[column.axis].volume_of(internal));
      add_log(column, internal, sums);
    }
    double most = flat;
    for (const double one : sums) most = std::max(most, one);
    double total = std::exp(flat - most);
    // Eight sums side by side: vector code without reordering one long sum.
    std::array<double, 8> parts{};
    std::size_t k = 0;
    for (; k + 8 <= count; k += 8)
      for (std::size_t j = 0; j < 8; ++j) parts[j] += exp_of_negative(sums[k + j] - most);
    for (; k < count; ++k) total += exp_of_negative(sums[k] - most);
    for (const double part : parts) total += part;
    found.push_back(most + std::log(total));
  }
  return found;
}

}  // namespace hone
