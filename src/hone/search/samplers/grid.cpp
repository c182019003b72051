// All combinations of countable parameters, each once. What a trial of the study has already,
// whoever sampled it, is left out.
#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/search/detail/history.hpp"
#include "hone/search/sampler.hpp"

namespace hone {
namespace {
namespace grid_sampler {

constexpr double most_combinations = 0x1p53;
constexpr std::size_t most_branches = 1u << 20;

using Values = std::vector<double>;

// Axes that are bound by conditions, directly or not, and all combinations of theirs; or one axis.
struct Component {
  std::vector<std::size_t> axes;
  std::vector<Values> combinations;  // values by axis, `absent` where it does not exist
};

Values values_of(const Axis& axis, double given) {
  if (!std::isnan(given)) return {given};
  if (axis.count == 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("sampler 'grid': parameter '{}' has values without number",
                            axis.dimension->name()),
                "give it a step, or a list of values");
  Values values(axis.count);
  for (std::size_t k = 0; k < axis.count; ++k) {
    values[k] = static_cast<double>(k);
    if (!axis.categorical)
      values[k] = axis.distribution().nearest(axis.distribution().low +
                                              static_cast<double>(k) * axis.distribution().step);
  }
  return values;
}

class Grid {
public:
  Grid(const Axes& axes, const Values& given) : size_(axes.size()) {
    for (const std::vector<std::size_t>& members : components_of(axes)) {
      Component component{members, {}};
      Values point(axes.size(), absent);
      add(axes, given, component, 0, point);
      count_ *= static_cast<double>(component.combinations.size());
      components_.push_back(std::move(component));
      if (count_ > most_combinations)
        throw Error(ErrorCode::invalid_argument,
                    "sampler 'grid': the space has more than 2^53 combinations",
                    "use another sampler, or fewer values");
    }
  }

  std::uint64_t count() const { return static_cast<std::uint64_t>(count_); }
  // The last axis changes first.
  Values at(std::uint64_t index) const {
    Values point(size_, absent);
    for (auto component = components_.rbegin(); component != components_.rend(); ++component) {
      const std::uint64_t own = component->combinations.size();
      const Values& values = component->combinations[index % own];
      index /= own;
      for (std::size_t i = 0; i < values.size(); ++i) point[component->axes[i]] = values[i];
    }
    return point;
  }

private:
  static std::vector<std::vector<std::size_t>> components_of(const Axes& axes) {
    std::vector<std::size_t> root(axes.size());
    for (std::size_t i = 0; i < root.size(); ++i) {
      root[i] = i;
      for (const Axis::Condition& one : axes[i].when) {
        const std::size_t from = root[i], to = root[one.parent];
        for (std::size_t j = 0; j <= i; ++j)
          if (root[j] == from) root[j] = to;
      }
    }
    std::vector<std::vector<std::size_t>> found;
    for (std::size_t r = 0; r < root.size(); ++r) {
      std::vector<std::size_t> members;
      for (std::size_t i = 0; i < root.size(); ++i)
        if (root[i] == r) members.push_back(i);
      if (!members.empty()) found.push_back(std::move(members));
    }
    return found;
  }

  static void add(const Axes& axes, const Values& given, Component& component, std::size_t next,
                  Values& point) {
    if (next == component.axes.size()) {
      Values own;
      for (const std::size_t i : component.axes) own.push_back(point[i]);
      component.combinations.push_back(std::move(own));
      if (component.combinations.size() > most_branches)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("sampler 'grid': parameter '{}' and those whose conditions are "
                                "bound to it have more than {} combinations",
                                axes[component.axes.front()].dimension->name(), most_branches),
                    "use another sampler, or fewer values");
      return;
    }
    const std::size_t i = component.axes[next];
    point[i] = absent;
    if (!axes.exists(i, point)) {
      add(axes, given, component, next + 1, point);
      return;
    }
    for (const double value : values_of(axes[i], given[i])) {
      point[i] = value;
      add(axes, given, component, next + 1, point);
    }
    point[i] = absent;
  }

  std::size_t size_;
  double count_ = 1;
  std::vector<Component> components_;
};

// A permutation of 0 to count - 1 by the seed: a Feistel network over the next even number of bits,
// walked until it is below the count (Black and Rogaway, "Ciphers with arbitrary finite domains",
// 2002).
std::uint64_t shuffled(std::uint64_t index, std::uint64_t count, std::uint64_t seed) {
  const int half = std::max(1, (static_cast<int>(std::bit_width(count - 1)) + 1) / 2);
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  do {
    std::uint64_t left = index >> half, right = index & mask;
    for (std::uint32_t round = 0; round < 6; ++round) {
      const PhiloxBlock mixed =
          philox({static_cast<std::uint32_t>(right), stream_of("grid"), round, 0},
                 {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
      const std::uint64_t next = left ^ (mixed[0] & mask);
      left = right;
      right = next;
    }
    index = left << half | right;
  } while (index >= count);
  return index;
}

struct Hash {
  std::size_t operator()(const Values& values) const {
    std::uint64_t hash = 14695981039346656037u;
    for (const double value : values)
      hash =
          (hash ^ std::bit_cast<std::uint64_t>(std::isnan(value) ? -1.0 : value)) * 1099511628211u;
    return hash ^ hash >> 32;
  }
};
struct Same {
  bool operator()(const Values& a, const Values& b) const {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) {
      return x == y || (std::isnan(x) && std::isnan(y));
    });
  }
};

class GridSampling : public Sampling {
public:
  explicit GridSampling(const Options& options) : shuffle_(options.text("order") == "shuffled") {}

  Sample sample(const SampleCall& call) override {
    history_.update(call);
    const Axes& axes = history_.axes();
    const Grid grid(axes, axes.row(call.fixed));
    std::unordered_set<Values, Hash, Same> seen;
    for (std::size_t row = 0; row < history_.size(); ++row) {
      if (history_[row].state == TrialState::waiting) continue;
      Values values(axes.size());
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = history_.column(i)[row];
      seen.insert(std::move(values));
    }
    // (Of the first n + 1 combinations one at least is in none of n trials.)
    const std::uint64_t last = std::min<std::uint64_t>(grid.count(), seen.size() + 1);
    Values point;
    for (std::uint64_t k = 0; k < last; ++k) {
      point = grid.at(shuffle_ ? shuffled(k, grid.count(), call.seed) : k);
      if (!seen.contains(point)) return {axes.assignment(point)};
    }
    Sample made{axes.assignment(point)};
    made.exhausted = true;
    return made;
  }

private:
  bool shuffle_;
  History history_;
};

std::unique_ptr<Sampling> make(const Options& options) {
  return std::make_unique<GridSampling>(options);
}

}  // namespace grid_sampler
}  // namespace

Sampler sampler_grid() {
  using namespace grid_sampler;
  Sampler sampler{{"grid", "all combinations, each once"}};
  sampler.options = {{"order",
                      OptionType::text,
                      std::string("shuffled"),
                      "shuffled by the seed, or space: the last parameter changes first",
                      -std::numeric_limits<double>::infinity(),
                      std::numeric_limits<double>::infinity(),
                      {"shuffled", "space"}}};
  sampler.make = make;
  return sampler;
}

}  // namespace hone
