#include "hone/search/detail/axes.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace hone {
namespace {

double along(const Distribution& of, double value) { return of.log ? std::log(value) : value; }

Axis axis_of(const Dimension& dimension) {
  const Distribution& of = dimension.distribution();
  Axis axis{&dimension};
  axis.categorical = of.kind == DistributionKind::categorical;
  axis.count = static_cast<std::size_t>(of.count());
  axis.single = axis.count == 1;
  if (axis.categorical) return axis;
  axis.cells = of.step > 0;
  axis.begin = along(of, of.low - of.step / 2);
  axis.extent = along(of, of.high + of.step / 2) - axis.begin;
  // (A range whose ends are neighbours may have no length by its logarithm.)
  if (!(axis.extent > 0)) axis.extent = 1;
  return axis;
}

}  // namespace

double Axis::unit_of(double internal) const {
  if (categorical) return internal;
  return std::clamp((along(distribution(), internal) - begin) / extent, 0.0, 1.0);
}

double Axis::internal_at(double unit) const {
  if (categorical) return unit;
  const double value = begin + unit * extent;
  return distribution().nearest(distribution().log ? std::exp(value) : value);
}

std::pair<double, double> Axis::cell_of(double internal) const {
  const double half = distribution().step / 2;
  return {unit_of(internal - half), unit_of(internal + half)};
}

double Axis::volume_of(double internal) const {
  if (categorical) return 1.0 / static_cast<double>(count);
  if (!cells) return 1;
  const auto [first, last] = cell_of(internal);
  return last - first;
}

Axes::Axes(const Space& space) {
  std::map<std::string, std::size_t> indices;
  for (const Dimension& dimension : space.dimensions()) {
    Axis axis = axis_of(dimension);
    for (const Condition& condition : dimension.when) {
      Axis::Condition compiled{indices.at(condition.parameter), {}};
      const Distribution& parent = axes_[compiled.parent].distribution();
      for (const Json& value : condition.values)
        compiled.internals.push_back(parent.internal_of(value, condition.parameter));
      axis.when.push_back(std::move(compiled));
      conditional_ = true;
    }
    indices[dimension.name()] = axes_.size();
    axes_.push_back(std::move(axis));
  }
}

bool Axes::exists(std::size_t i, std::span<const double> internals) const {
  return std::all_of(axes_[i].when.begin(), axes_[i].when.end(), [&](const Axis::Condition& one) {
    const double value = internals[one.parent];
    return std::find(one.internals.begin(), one.internals.end(), value) != one.internals.end();
  });
}

std::size_t Axes::find(const std::string& name) const {
  return static_cast<std::size_t>(
      std::find_if(axes_.begin(), axes_.end(),
                   [&](const Axis& axis) { return axis.dimension->name() == name; }) -
      axes_.begin());
}

std::vector<double> Axes::row(const Assignment& values) const {
  std::vector<double> internals(size(), absent);
  for (std::size_t i = 0; i < size(); ++i) {
    const auto found = values.find(axes_[i].dimension->name());
    if (found != values.end() && axes_[i].distribution().contains(found->second))
      internals[i] = found->second;
  }
  return internals;
}

Assignment Axes::assignment(std::span<const double> internals) const {
  Assignment values;
  for (std::size_t i = 0; i < size(); ++i)
    if (!std::isnan(internals[i])) values[axes_[i].dimension->name()] = internals[i];
  return values;
}

std::vector<std::vector<std::size_t>> Axes::groups() const {
  using Key = std::vector<std::pair<std::size_t, std::vector<double>>>;
  std::map<Key, std::vector<std::size_t>> by_conditions;
  for (std::size_t i = 0; i < size(); ++i) {
    Key key;
    for (const Axis::Condition& one : axes_[i].when) {
      key.emplace_back(one.parent, one.internals);
      std::sort(key.back().second.begin(), key.back().second.end());
    }
    std::sort(key.begin(), key.end());
    by_conditions[key].push_back(i);
  }
  std::vector<std::vector<std::size_t>> found;
  for (auto& [key, members] : by_conditions) found.push_back(std::move(members));
  // Parents before children.
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace hone
