#include "hone/sparsity/mask.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

using Kind = MaskGranularity::Kind;

constexpr float lowest = -std::numeric_limits<float>::infinity();

struct NamedKind {
  const char* name;
  Kind kind;
};
constexpr NamedKind named_kinds[] = {{"element", Kind::element}, {"row", Kind::row},
                                     {"column", Kind::column},   {"head", Kind::head},
                                     {"neuron", Kind::neuron},   {"channel", Kind::channel},
                                     {"layer", Kind::layer}};

// "16x32" at 'x' as two numbers from 1; false: it is no such text.
bool parse_pair(const std::string& text, char between, std::int64_t& first, std::int64_t& second) {
  const std::size_t at = text.find(between);
  if (at == std::string::npos || at == 0 || at > 6 || text.size() - at - 1 > 6 ||
      at + 1 == text.size())
    return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i != at && (text[i] < '0' || text[i] > '9')) return false;
  first = std::stoll(text.substr(0, at));
  second = std::stoll(text.substr(at + 1));
  return first > 0 && second > 0;
}

std::int64_t rows_of(const Tensor& tensor) {
  return tensor.shape().empty() ? 1 : tensor.shape()[0];
}
std::int64_t columns_of(const Tensor& tensor) {
  return rows_of(tensor) == 0 ? 0 : tensor.size() / rows_of(tensor);
}

std::int64_t count_of(double sparsity, std::size_t groups) {
  return static_cast<std::int64_t>(std::floor(sparsity * static_cast<double>(groups) + 0.5));
}

// The scores with what was dropped before at the bottom; refuses NaN.
std::vector<float> ranked_scores(const ScoredWeight& weight) {
  const auto scores = weight.scores.span<float>();
  std::vector<float> ranked(scores.begin(), scores.end());
  if (!weight.before.empty() && weight.before.shape() != weight.scores.shape())
    refuse(fmt::format("{}: its mask is {}, its numbers {}", weight.name,
                       to_string(weight.before.shape()), to_string(weight.scores.shape())));
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    if (!weight.before.empty() && weight.before.as<std::uint8_t>()[i] == 0) {
      ranked[i] = lowest;
      continue;
    }
    if (std::isnan(ranked[i]))
      throw Error(ErrorCode::numeric,
                  fmt::format("{}: number {} has no score: it is NaN", weight.name, i),
                  "the weights, or the data that they are scored on, are damaged");
  }
  return ranked;
}

// The numbers of those that go: the `count` lowest scores, of equal ones the last.
std::vector<std::size_t> lowest_of(const std::vector<float>& scores, std::int64_t count) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto goes_first = [&](std::size_t a, std::size_t b) {
    return scores[a] != scores[b] ? scores[a] < scores[b] : a > b;
  };
  if (count < static_cast<std::int64_t>(order.size()))
    std::nth_element(order.begin(), order.begin() + count, order.end(), goes_first);
  order.resize(static_cast<std::size_t>(count));
  return order;
}

class Maker {
public:
  Maker(const std::vector<ScoredWeight>& weights, const MaskOptions& options)
      : weights_(weights), options_(options) {
    for (const ScoredWeight& weight : weights) {
      scores_.push_back(ranked_scores(weight));
      masks_.emplace_back(DType::u8, weight.scores.shape());
      std::memset(masks_.back().data(), 1, masks_.back().bytes());
    }
  }

  std::vector<Tensor> make(const std::vector<std::vector<MaskGroup>>& families) {
    switch (options_.granularity.kind) {
      case Kind::element: drop_elements(); break;
      case Kind::n_of_m: drop_of_every_m(); break;
      default: drop_groups(options_.granularity.is_structural() ? families : families_of_weights());
    }
    for (std::size_t i = 0; i < masks_.size(); ++i) keep_dropped(masks_[i], weights_[i].before);
    // (That layers go is what was asked for; all of them is refused below.)
    if (!options_.allow_empty && options_.granularity.kind != Kind::layer)
      for (std::size_t i = 0; i < masks_.size(); ++i)
        if (leaves_empty(masks_[i], weights_[i].before))
          refuse(fmt::format("{}: sparsity {:g} leaves it no number at all", weights_[i].name,
                             options_.sparsity),
                 "lower the sparsity, or allow empty weights (--allow-empty)");
    return std::move(masks_);
  }

private:
  void drop_elements() {
    if (options_.scope == MaskScope::local) {
      for (std::size_t i = 0; i < scores_.size(); ++i)
        for (const std::size_t at :
             lowest_of(scores_[i], count_of(options_.sparsity, scores_[i].size())))
          masks_[i].as<std::uint8_t>()[at] = 0;
      return;
    }
    std::vector<float> all;
    std::vector<std::size_t> begins;
    for (const auto& scores : scores_) {
      begins.push_back(all.size());
      all.insert(all.end(), scores.begin(), scores.end());
    }
    for (const std::size_t at : lowest_of(all, count_of(options_.sparsity, all.size()))) {
      const auto i = static_cast<std::size_t>(std::upper_bound(begins.begin(), begins.end(), at) -
                                              begins.begin() - 1);
      masks_[i].as<std::uint8_t>()[at - begins[i]] = 0;
    }
  }

  void drop_of_every_m() {
    const std::int64_t n = options_.granularity.first;
    const std::int64_t m = options_.granularity.second;
    for (std::size_t i = 0; i < scores_.size(); ++i) {
      if (columns_of(masks_[i]) % m != 0)
        refuse(fmt::format("{}: its rows of {} numbers are no multiple of {}", weights_[i].name,
                           columns_of(masks_[i]), m));
      for (std::size_t begin = 0; begin < scores_[i].size(); begin += static_cast<std::size_t>(m)) {
        const auto first = scores_[i].begin() + static_cast<std::ptrdiff_t>(begin);
        for (const std::size_t at : lowest_of({first, first + m}, m - n))
          masks_[i].as<std::uint8_t>()[begin + at] = 0;
      }
    }
  }

  // Rows, columns or blocks of each weight.
  std::vector<std::vector<MaskGroup>> families_of_weights() const {
    const MaskGranularity& g = options_.granularity;
    std::vector<std::vector<MaskGroup>> families;
    for (std::size_t i = 0; i < masks_.size(); ++i) {
      const std::int64_t rows = rows_of(masks_[i]);
      const std::int64_t columns = columns_of(masks_[i]);
      const std::int64_t height = g.kind == Kind::row      ? 1
                                  : g.kind == Kind::column ? std::max<std::int64_t>(rows, 1)
                                                           : g.first;
      const std::int64_t width = g.kind == Kind::row      ? std::max<std::int64_t>(columns, 1)
                                 : g.kind == Kind::column ? 1
                                                          : g.second;
      if (rows % height != 0 || columns % width != 0)
        refuse(fmt::format("{}: blocks of {}x{} do not divide its {}x{} numbers", weights_[i].name,
                           height, width, rows, columns));
      families.emplace_back();
      for (std::int64_t r = 0; r < rows; r += height)
        for (std::int64_t c = 0; c < columns; c += width)
          families.back().push_back({{i, r, height, c, width}});
    }
    return families;
  }

  template <typename Do>
  void each_number(const MaskGroup& group, const Do& act) {
    for (const MaskRegion& region : group) {
      const std::int64_t columns = columns_of(masks_[region.tensor]);
      for (std::int64_t r = region.row; r < region.row + region.rows; ++r)
        for (std::int64_t c = region.column; c < region.column + region.columns; ++c)
          act(region.tensor, static_cast<std::size_t>(r * columns + c));
    }
  }

  // The norm of a group's scores per number, so that groups of different sizes compare. One that
  // is dropped already is the lowest; of others what is dropped counts nothing.
  float score_of(const MaskGroup& group) {
    double sum = 0;
    std::int64_t count = 0, alive = 0;
    each_number(group, [&](std::size_t tensor, std::size_t at) {
      ++count;
      const float score = scores_[tensor][at];
      if (score == lowest) return;
      ++alive;
      sum += options_.root_mean_square ? static_cast<double>(score) * score : score;
    });
    if (alive == 0) return lowest;
    const double mean = sum / static_cast<double>(count);
    return static_cast<float>(options_.root_mean_square ? std::sqrt(mean) : mean);
  }

  void drop_groups(const std::vector<std::vector<MaskGroup>>& families) {
    std::vector<const MaskGroup*> pool;
    std::vector<float> scores;
    const auto drop = [&] {
      if (!options_.allow_empty && options_.granularity.kind == Kind::layer && !pool.empty() &&
          count_of(options_.sparsity, pool.size()) == static_cast<std::int64_t>(pool.size()))
        refuse(fmt::format("sparsity {:g} leaves no layer at all", options_.sparsity),
               "lower the sparsity, or allow empty weights (--allow-empty)");
      for (const std::size_t at : lowest_of(scores, count_of(options_.sparsity, scores.size())))
        each_number(*pool[at], [&](std::size_t tensor, std::size_t number) {
          masks_[tensor].as<std::uint8_t>()[number] = 0;
        });
      pool.clear();
      scores.clear();
    };
    for (const auto& family : families) {
      for (const MaskGroup& group : family) {
        pool.push_back(&group);
        scores.push_back(score_of(group));
      }
      if (options_.scope == MaskScope::local) drop();
    }
    if (options_.scope == MaskScope::global) drop();
  }

  const std::vector<ScoredWeight>& weights_;
  const MaskOptions& options_;
  std::vector<std::vector<float>> scores_;
  std::vector<Tensor> masks_;
};

}  // namespace

MaskGranularity parse_mask_granularity(const std::string& text) {
  for (const NamedKind& named : named_kinds)
    if (text == named.name) return {named.kind, 0, 0};
  MaskGranularity granularity;
  if (parse_pair(text, ':', granularity.first, granularity.second)) {
    granularity.kind = Kind::n_of_m;
    if (granularity.first < granularity.second) return granularity;
    refuse(fmt::format("granularity '{}' drops nothing", text),
           "N:M keeps N of every M numbers, for example 2:4");
  }
  if (parse_pair(text, 'x', granularity.first, granularity.second)) {
    granularity.kind = Kind::block;
    return granularity;
  }
  refuse(
      fmt::format("unknown granularity '{}'", text),
      "element, row, column, head, neuron, channel, layer, N:M such as 2:4, or blocks such as 4x4");
}

std::string to_string(const MaskGranularity& granularity) {
  for (const NamedKind& named : named_kinds)
    if (granularity.kind == named.kind) return named.name;
  return fmt::format("{}{}{}", granularity.first, granularity.kind == Kind::block ? "x" : ":",
                     granularity.second);
}

void check_sparsity(double sparsity, const MaskGranularity& granularity) {
  if (!(sparsity >= 0 && sparsity <= 1))
    refuse(fmt::format("sparsity {:g} is outside 0 to 1", sparsity),
           "it is the share of the numbers that go");
  if (granularity.kind != Kind::n_of_m) return;
  const double share =
      1 - static_cast<double>(granularity.first) / static_cast<double>(granularity.second);
  if (std::abs(sparsity - share) > 1e-9)
    refuse(fmt::format("sparsity {:g}: {} drops {:g} of the numbers", sparsity,
                       to_string(granularity), share),
           fmt::format("leave the sparsity out, or give {:g}", share));
}

std::vector<Tensor> make_masks(const std::vector<ScoredWeight>& weights, const MaskOptions& options,
                               const std::vector<std::vector<MaskGroup>>& families) {
  check_sparsity(options.sparsity, options.granularity);
  return Maker(weights, options).make(families);
}

bool leaves_empty(const Tensor& mask, const Tensor& before) {
  const auto is_empty = [](const Tensor& one) { return dropped_count(one) == one.size(); };
  return mask.size() > 0 && is_empty(mask) && (before.empty() || !is_empty(before));
}

void keep_dropped(Tensor& mask, const Tensor& before) {
  if (before.empty()) return;
  for (std::int64_t i = 0; i < mask.size(); ++i)
    if (before.as<std::uint8_t>()[i] == 0) mask.as<std::uint8_t>()[i] = 0;
}

std::int64_t dropped_count(const Tensor& mask) {
  std::int64_t dropped = 0;
  for (const std::uint8_t keep : mask.span<std::uint8_t>()) dropped += keep == 0;
  return dropped;
}

double mask_sparsity(const Tensor& mask) {
  return mask.size() == 0
             ? 0
             : static_cast<double>(dropped_count(mask)) / static_cast<double>(mask.size());
}

}  // namespace hone
