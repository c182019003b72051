#include "hone/search/importance.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hone/search/detail/axes.hpp"
#include "hone/search/detail/regression_tree.hpp"

namespace hone {
namespace {

// That a tree draws: more make the forest slow, not better.
constexpr std::size_t most_samples = 1000;

const TreeSide* side_of(const TreeLeaf& leaf, std::size_t feature) {
  for (const TreeSide& side : leaf.sides)
    if (side.feature == feature) return &side;
  return nullptr;
}

// What a leaf adds to means over all other features: to `everywhere` where the feature does not cut
// it, else `add` is told to which side how much.
template <typename Add>
void share_leaf(const TreeLeaf& leaf, double amount, std::size_t feature, double& everywhere,
                const Add& add) {
  if (const TreeSide* side = side_of(leaf, feature))
    add(*side, amount / side->width());
  else
    everywhere += amount;
}

// The variance of the mean over all other features. Leaves have the mean 0 over the whole box.
double variance_of_mean(const std::vector<TreeLeaf>& leaves, std::size_t feature,
                        const TreeFeature& of) {
  if (std::none_of(leaves.begin(), leaves.end(),
                   [&](const TreeLeaf& leaf) { return side_of(leaf, feature) != nullptr; }))
    return 0;
  const auto share_all = [&](double& everywhere, const auto& add) {
    for (const TreeLeaf& leaf : leaves)
      share_leaf(leaf, leaf.value * leaf.volume, feature, everywhere, add);
  };
  double everywhere = 0, squares = 0;
  if (of.choices > 0) {
    std::vector<double> means(of.choices, 0);
    share_all(everywhere, [&](const TreeSide& side, double share) {
      for (std::size_t i = 0; i < means.size(); ++i)
        if (side.choices[i]) means[i] += share;
    });
    for (const double mean : means) squares += (mean + everywhere) * (mean + everywhere);
    return squares / static_cast<double>(means.size());
  }
  std::vector<std::pair<double, double>> changes{{0, 0}, {1, 0}};
  share_all(everywhere, [&](const TreeSide& side, double share) {
    changes.emplace_back(side.low, share);
    changes.emplace_back(side.high, -share);
  });
  std::sort(changes.begin(), changes.end());
  double mean = everywhere;
  for (std::size_t i = 0; i + 1 < changes.size(); ++i) {
    mean += changes[i].second;
    squares += mean * mean * (changes[i + 1].first - changes[i].first);
  }
  return squares;
}

}  // namespace

struct ObjectiveForest::Trees {
  const TrialColumns& columns;
  Axes axes;
  std::vector<TreeFeature> features = {};
  std::vector<std::vector<TreeLeaf>> all = {};
  bool known = false;

  // Positions on the axes of all values that trials have, and each trial's by number.
  void grow(std::span<const double> objective, const ForestOptions& options) {
    std::vector<std::size_t> rows;
    std::vector<double> targets;
    for (std::size_t row = 0; row < objective.size(); ++row)
      if (std::isfinite(objective[row])) {
        rows.push_back(row);
        targets.push_back(objective[row]);
      }
    known =
        std::adjacent_find(targets.begin(), targets.end(), std::not_equal_to<>()) != targets.end();
    if (!known) return;
    // (Values of any size have squares.)
    const double mean = std::accumulate(
        targets.begin(), targets.end(), 0.0,
        [&](double sum, double one) { return sum + one / static_cast<double>(targets.size()); });
    double largest = 0;
    for (const double one : targets) largest = std::max(largest, std::abs(one - mean));
    for (double& one : targets) one = (one - mean) / largest;
    offset = mean;
    scale = largest;
    constexpr auto missing = static_cast<std::uint32_t>(-1);
    std::vector<std::vector<std::uint32_t>> codes(axes.size());
    for (std::size_t f = 0; f < axes.size(); ++f) {
      TreeFeature& feature = features.emplace_back();
      std::vector<double> positions;
      for (const std::size_t row : rows)
        if (!std::isnan(columns.values[f][row]))
          positions.push_back(axes[f].unit_of(columns.values[f][row]));
      if (axes[f].categorical) {
        feature.choices = axes[f].count;
      } else {
        feature.positions = positions;
        std::sort(feature.positions.begin(), feature.positions.end());
        feature.positions.erase(std::unique(feature.positions.begin(), feature.positions.end()),
                                feature.positions.end());
        // (No trial that counts has it.)
        if (feature.positions.empty()) feature.positions.push_back(0);
      }
      for (const std::size_t row : rows) {
        const double value = columns.values[f][row];
        codes[f].push_back(std::isnan(value) ? missing : code_at(f, axes[f].unit_of(value)));
      }
    }
    for (int tree = 0; tree < options.trees; ++tree) {
      RandomStream random(options.seed, static_cast<std::uint32_t>(tree));
      std::vector<std::vector<std::uint32_t>> filled = codes;
      for (std::size_t f = 0; f < axes.size(); ++f)
        for (std::uint32_t& code : filled[f])
          if (code == missing) code = any_code(f, random);
      std::vector<std::uint32_t> samples(options.bootstrap ? std::min(rows.size(), most_samples)
                                                           : rows.size());
      std::iota(samples.begin(), samples.end(), 0u);
      if (options.bootstrap)
        for (std::uint32_t& sample : samples)
          sample = random.below(static_cast<std::uint32_t>(rows.size()));
      all.push_back(grow_tree({features, filled, targets}, std::move(samples), random));
    }
  }

  std::uint32_t code_at(std::size_t f, double position) const {
    const std::vector<double>& positions = features[f].positions;
    if (features[f].choices > 0) return static_cast<std::uint32_t>(position);
    const auto next = std::lower_bound(positions.begin(), positions.end(), position);
    if (next == positions.end()) return static_cast<std::uint32_t>(positions.size() - 1);
    const bool before = next != positions.begin() && position - *(next - 1) < *next - position;
    return static_cast<std::uint32_t>(next - positions.begin() - (before ? 1 : 0));
  }
  std::uint32_t any_code(std::size_t f, RandomStream& random) const {
    if (features[f].choices > 0)
      return random.below(static_cast<std::uint32_t>(features[f].choices));
    const double position = random.uniform();
    return code_at(f, position);
  }

  // Every leaf with what it adds to the mean over the whole box, of all trees.
  template <class Add>
  void for_each_leaf(const Add& add) const {
    for (const std::vector<TreeLeaf>& leaves : all)
      for (const TreeLeaf& leaf : leaves)
        add(leaf, leaf.value * leaf.volume / static_cast<double>(all.size()));
  }
  double told(double value) const { return offset + scale * value; }

  double offset = 0, scale = 1;
};

ObjectiveForest::ObjectiveForest(const TrialColumns& columns, std::span<const double> objective,
                                 const ForestOptions& options)
    : trees_(std::make_unique<Trees>(Trees{columns, Axes(columns.space)})) {
  trees_->grow(objective, options);
}
ObjectiveForest::~ObjectiveForest() = default;
ObjectiveForest::ObjectiveForest(ObjectiveForest&&) noexcept = default;

bool ObjectiveForest::is_known() const { return trees_->known; }

std::vector<Importance> ObjectiveForest::importances() const {
  std::vector<Importance> found(trees_->axes.size());
  std::vector<std::vector<double>> shares(found.size());
  for (std::vector<TreeLeaf> leaves : trees_->all) {
    double mean = 0, variance = 0;
    for (const TreeLeaf& leaf : leaves) mean += leaf.value * leaf.volume;
    for (TreeLeaf& leaf : leaves) {
      leaf.value -= mean;
      variance += leaf.value * leaf.value * leaf.volume;
    }
    // (A tree may have drawn equal trials only.)
    if (!(variance > 0)) continue;
    for (std::size_t f = 0; f < found.size(); ++f)
      shares[f].push_back(variance_of_mean(leaves, f, trees_->features[f]) / variance);
  }
  for (std::size_t f = 0; f < found.size(); ++f) {
    const auto count = static_cast<double>(shares[f].size());
    if (shares[f].empty()) continue;
    for (const double share : shares[f]) found[f].share += share / count;
    double squares = 0;
    for (const double share : shares[f])
      squares += (share - found[f].share) * (share - found[f].share);
    found[f].deviation = count > 1 ? std::sqrt(squares / (count - 1)) : 0;
  }
  return found;
}

std::vector<double> ObjectiveForest::means(std::size_t parameter,
                                           std::span<const double> at) const {
  std::vector<double> positions;
  for (const double value : at) positions.push_back(trees_->axes[parameter].unit_of(value));
  std::vector<double> means(at.size(), 0);
  double everywhere = 0;
  trees_->for_each_leaf([&](const TreeLeaf& leaf, double amount) {
    share_leaf(leaf, amount, parameter, everywhere, [&](const TreeSide& side, double share) {
      for (std::size_t i = 0; i < positions.size(); ++i)
        if (side.holds(positions[i])) means[i] += share;
    });
  });
  for (double& mean : means) mean = trees_->told(mean + everywhere);
  return means;
}

std::vector<double> ObjectiveForest::means(std::size_t first, std::span<const double> at_first,
                                           std::size_t second,
                                           std::span<const double> at_second) const {
  std::vector<double> rows, columns;
  for (const double value : at_first) rows.push_back(trees_->axes[first].unit_of(value));
  for (const double value : at_second) columns.push_back(trees_->axes[second].unit_of(value));
  std::vector<double> means(rows.size() * columns.size(), 0);
  trees_->for_each_leaf([&](const TreeLeaf& leaf, double amount) {
    const TreeSide* of_first = side_of(leaf, first);
    const TreeSide* of_second = side_of(leaf, second);
    const double share = amount / (of_first == nullptr ? 1 : of_first->width()) /
                         (of_second == nullptr ? 1 : of_second->width());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (of_first != nullptr && !of_first->holds(rows[i])) continue;
      for (std::size_t j = 0; j < columns.size(); ++j)
        if (of_second == nullptr || of_second->holds(columns[j]))
          means[i * columns.size() + j] += share;
    }
  });
  for (double& mean : means) mean = trees_->told(mean);
  return means;
}

}  // namespace hone
