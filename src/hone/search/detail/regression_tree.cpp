#include "hone/search/detail/regression_tree.hpp"

#include <algorithm>
#include <numeric>

namespace hone {
namespace {

constexpr std::size_t most_depth = 64;

// Samples with one value of a feature.
struct Bin {
  std::uint32_t code = 0;
  double count = 0, sum = 0;
  double mean() const { return sum / count; }
};

struct Split {
  double score = 0;  // sum of sum^2 / count of both sides: more is better
  std::uint32_t feature = 0;
  double threshold = 0;         // of a numeric feature: left is below
  std::vector<bool> left = {};  // of a categorical one
  bool found = false;
};

class Grower {
public:
  Grower(const TreeData& data, RandomStream& random) : data_(data), random_(random) {
    order_.resize(data.features.size());
    std::iota(order_.begin(), order_.end(), 0u);
    std::size_t most = 0;
    for (const TreeFeature& feature : data.features)
      most = std::max({most, feature.positions.size(), feature.choices});
    table_.resize(most);
  }

  void grow(std::span<std::uint32_t> samples, std::size_t depth) {
    const double first = data_.targets[samples.front()];
    const bool same = std::all_of(samples.begin(), samples.end(), [&](std::uint32_t sample) {
      return data_.targets[sample] == first;
    });
    const Split split = same || depth == most_depth ? Split{} : best_split(samples);
    if (!split.found) {
      double sum = 0;
      for (const std::uint32_t sample : samples) sum += data_.targets[sample];
      TreeLeaf leaf{.value = same ? first : sum / static_cast<double>(samples.size()),
                    .sides = box_};
      for (const TreeSide& side : box_) leaf.volume *= side.width();
      leaves_.push_back(std::move(leaf));
      return;
    }
    const std::vector<std::uint32_t>& codes = data_.codes[split.feature];
    const TreeFeature& feature = data_.features[split.feature];
    const auto middle = std::partition(samples.begin(), samples.end(), [&](std::uint32_t sample) {
      return split.left.empty() ? feature.positions[codes[sample]] < split.threshold
                                : bool{split.left[codes[sample]]};
    });
    const auto left = static_cast<std::size_t>(middle - samples.begin());
    const std::vector<TreeSide> whole = box_;
    cut(split, true);
    grow(samples.first(left), depth + 1);
    box_ = whole;
    cut(split, false);
    grow(samples.subspan(left), depth + 1);
    box_ = whole;
  }

  std::vector<TreeLeaf> take() { return std::move(leaves_); }

private:
  // Bins of a feature, in the order of their codes.
  void fill_bins(std::uint32_t feature, std::span<const std::uint32_t> samples) {
    const std::vector<std::uint32_t>& codes = data_.codes[feature];
    bins_.clear();
    const std::size_t values =
        std::max(data_.features[feature].positions.size(), data_.features[feature].choices);
    if (samples.size() * 4 < values) {
      pairs_.clear();
      for (const std::uint32_t sample : samples)
        pairs_.emplace_back(codes[sample], data_.targets[sample]);
      std::sort(pairs_.begin(), pairs_.end());
      for (const auto& [code, target] : pairs_) {
        if (bins_.empty() || bins_.back().code != code) bins_.push_back({code});
        bins_.back().count += 1;
        bins_.back().sum += target;
      }
      return;
    }
    for (std::size_t code = 0; code < values; ++code)
      table_[code] = {static_cast<std::uint32_t>(code)};
    for (const std::uint32_t sample : samples) {
      table_[codes[sample]].count += 1;
      table_[codes[sample]].sum += data_.targets[sample];
    }
    for (std::size_t code = 0; code < values; ++code)
      if (table_[code].count > 0) bins_.push_back(table_[code]);
  }

  Split best_split(std::span<const std::uint32_t> samples) {
    Split best;
    // Features that split equally well take turns, so that none gets all of the noise.
    for (std::size_t i = order_.size(); i > 1; --i)
      std::swap(order_[i - 1], order_[random_.below(static_cast<std::uint32_t>(i))]);
    for (const std::uint32_t feature : order_) {
      fill_bins(feature, samples);
      if (bins_.size() < 2) continue;
      const bool categorical = data_.features[feature].choices > 0;
      // The best two sets of choices are neighbours in the order of their means (Breiman et al.,
      // 1984).
      if (categorical)
        std::sort(bins_.begin(), bins_.end(), [](const Bin& a, const Bin& b) {
          return a.mean() != b.mean() ? a.mean() < b.mean() : a.code < b.code;
        });
      double count = 0, sum = 0;
      double all_count = 0, all_sum = 0;
      for (const Bin& bin : bins_) {
        all_count += bin.count;
        all_sum += bin.sum;
      }
      std::size_t at = 0;
      double score = -1;
      for (std::size_t i = 0; i + 1 < bins_.size(); ++i) {
        count += bins_[i].count;
        sum += bins_[i].sum;
        const double rest = all_sum - sum;
        const double now = sum * sum / count + rest * rest / (all_count - count);
        if (now <= score) continue;
        score = now;
        at = i;
      }
      if (best.found && score <= best.score) continue;
      best = {.score = score, .feature = feature, .found = true};
      if (categorical)
        best.left = choices_of(feature, at);
      else
        best.threshold = (data_.features[feature].positions[bins_[at].code] +
                          data_.features[feature].positions[bins_[at + 1].code]) /
                         2;
    }
    return best;
  }

  // The choices of the bins up to `last`; those that no sample has go with the larger part.
  std::vector<bool> choices_of(std::uint32_t feature, std::size_t last) const {
    double left = 0, right = 0;
    for (std::size_t i = 0; i < bins_.size(); ++i) (i <= last ? left : right) += bins_[i].count;
    std::vector<bool> chosen(data_.features[feature].choices, left >= right);
    for (std::size_t i = 0; i < bins_.size(); ++i) chosen[bins_[i].code] = i <= last;
    return chosen;
  }

  void cut(const Split& split, bool left) {
    auto side = std::find_if(box_.begin(), box_.end(),
                             [&](const TreeSide& one) { return one.feature == split.feature; });
    if (side == box_.end()) {
      box_.push_back({.feature = split.feature});
      side = box_.end() - 1;
      side->choices.assign(data_.features[split.feature].choices, true);
    }
    if (split.left.empty())
      (left ? side->high : side->low) = split.threshold;
    else
      for (std::size_t i = 0; i < split.left.size(); ++i)
        side->choices[i] = side->choices[i] && split.left[i] == left;
  }

  const TreeData& data_;
  RandomStream& random_;
  std::vector<std::uint32_t> order_;
  std::vector<Bin> bins_, table_;
  std::vector<std::pair<std::uint32_t, double>> pairs_;
  std::vector<TreeSide> box_;
  std::vector<TreeLeaf> leaves_;
};

}  // namespace

double TreeSide::width() const {
  if (choices.empty()) return high - low;
  return static_cast<double>(std::count(choices.begin(), choices.end(), true)) /
         static_cast<double>(choices.size());
}

bool TreeSide::holds(double position) const {
  if (choices.empty()) return position >= low && (position < high || high == 1);
  return choices[static_cast<std::size_t>(position)];
}

std::vector<TreeLeaf> grow_tree(const TreeData& data, std::vector<std::uint32_t> samples,
                                RandomStream& random) {
  Grower grower(data, random);
  grower.grow(samples, 0);
  return grower.take();
}

}  // namespace hone
