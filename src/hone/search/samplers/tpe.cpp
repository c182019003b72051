// Tree-structured Parzen estimator (Bergstra et al., "Algorithms for hyper-parameter optimization",
// 2011): the best trials make one density, the others another; of points drawn from the first, the
// one where it is largest beside the second is the next trial. What differs from other programs:
// one density over all branches of a space with conditions, narrow kernels, candidates that join
// values of several good trials, and no configuration twice while there are others.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "hone/search/detail/draw.hpp"
#include "hone/search/detail/pareto.hpp"
#include "hone/search/detail/parzen.hpp"
#include "hone/search/detail/sequences.hpp"
#include "hone/search/sampler.hpp"

namespace hone {
namespace {
namespace tpe_sampler {

using Rows = std::vector<std::size_t>;
using Values = std::vector<double>;

// Good trials are this share of all, in studies with one objective at most so many (Bergstra et al.
// use the same bound).
constexpr double good_share = 0.1;
constexpr std::size_t most_good = 25;
// Trials this old or newer weigh the same, older ones less, down to nothing.
constexpr std::size_t remembered = 25;
// How often all candidates are drawn again where each is a configuration that there was.
constexpr int most_attempts = 5;

struct Part {
  Rows rows;
  Values weights;
};

class TpeSampling : public Sampling {
public:
  explicit TpeSampling(const Options& options)
      : startup_(static_cast<std::size_t>(options.integer("n_startup_trials"))),
        candidates_(static_cast<std::size_t>(options.integer("n_ei_candidates"))),
        multivariate_(options.text("multivariate")),
        group_(options.boolean("group")),
        liar_(options.boolean("constant_liar")) {
    rules_.prior_weight = options.real("prior_weight");
  }

  Sample sample(const SampleCall& call) override {
    history_.update(call);
    const Axes& axes = history_.axes();
    const Values given = axes.row(call.fixed);
    const Rows usable = history_.usable();
    RandomStream random = call.random("tpe");
    Values point;
    if (usable.size() < startup_) {
      point = draw_new(call, given, random);
    } else {
      const auto [good, bad] = split(usable, call.directions.size());
      const std::vector<Rows> parts = parts_of(call.directions.size());
      for (int attempt = 0; attempt < most_attempts; ++attempt) {
        point.assign(axes.size(), absent);
        for (std::size_t i = 0; i < parts.size(); ++i)
          if (parts.size() == 1 || axes.exists(parts[i].front(), point))
            choose(i, parts, good, bad, given, random, point);
        if (!history_.contains(point)) break;
      }
      if (history_.contains(point)) point = draw_new(call, given, random);
    }
    return {axes.assignment(point)};
  }

private:
  // A point of Sobol's sequence; where there was that configuration, others uniformly until one is
  // new, unless many draws find none.
  Values draw_new(const SampleCall& call, const Values& given, RandomStream& random) const {
    Values point;
    for (int attempt = 0; attempt < 100; ++attempt) {
      point.assign(history_.axes().size(), absent);
      for (std::size_t i = 0; i < point.size(); ++i) {
        if (!history_.axes().exists(i, point)) continue;
        const double share =
            attempt > 0 ? random.uniform()
                        : sobol(static_cast<std::uint32_t>(call.number), i, call.seed, true);
        point[i] =
            std::isnan(given[i]) ? value_at(history_.axes()[i].distribution(), share) : given[i];
      }
      if (!history_.contains(point)) break;
    }
    return point;
  }

  // Axes whose values are chosen together.
  std::vector<Rows> parts_of(std::size_t objectives) const {
    const Axes& axes = history_.axes();
    const bool together =
        multivariate_ == "auto" ? objectives == 1 || group_ : multivariate_ == "yes";
    if (together && group_) return axes.groups();
    Rows all(axes.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    if (together) return {all};
    std::vector<Rows> parts;
    for (const std::size_t i : all) parts.push_back({i});
    return parts;
  }

  // Trials of `part` that have one of the axes.
  Part having(const Part& part, const Rows& axes) const {
    if (axes.size() == history_.axes().size()) return part;
    Part found;
    for (std::size_t k = 0; k < part.rows.size(); ++k) {
      if (std::all_of(axes.begin(), axes.end(),
                      [&](std::size_t i) { return std::isnan(history_.column(i)[part.rows[k]]); }))
        continue;
      found.rows.push_back(part.rows[k]);
      found.weights.push_back(part.weights[k]);
    }
    return found;
  }

  void choose(std::size_t index, const std::vector<Rows>& parts, const Part& all_good,
              const Part& all_bad, const Values& given, RandomStream& random, Values& point) {
    const Rows& axes = parts[index];
    const Part good_part = having(all_good, axes), bad_part = having(all_bad, axes);
    kept_good_.resize(parts.size());
    kept_bad_.resize(parts.size());
    const Parzen good(history_, axes, good_part.rows, good_part.weights, rules_, kept_good_[index]);
    const Parzen bad(history_, axes, bad_part.rows, bad_part.weights, rules_, kept_bad_[index]);
    std::vector<Values> candidates(candidates_, point);
    for (std::size_t c = 0; c < candidates.size(); ++c)
      good.sample(random, given, c >= candidates.size() / 10, candidates[c]);
    Values scores = good.log_densities(candidates);
    const Values others = bad.log_densities(candidates);
    for (std::size_t c = 0; c < scores.size(); ++c) scores[c] -= others[c];
    while (true) {
      const auto best = std::max_element(scores.begin(), scores.end());
      const Values& candidate = candidates[static_cast<std::size_t>(best - scores.begin())];
      // (Where only some of the axes are chosen here, the rest decides whether it is new.)
      if (axes.size() < history_.axes().size() || !std::isfinite(*best) ||
          !history_.contains(candidate)) {
        point = candidate;
        return;
      }
      *best = -std::numeric_limits<double>::infinity();
    }
  }

  std::pair<Part, Part> split(Rows usable, std::size_t objectives) const {
    const auto share =
        static_cast<std::size_t>(std::ceil(good_share * static_cast<double>(usable.size())));
    const std::size_t count =
        std::min(usable.size(), objectives == 1 ? std::min(share, most_good) : share);
    std::vector<bool> is_good(history_.size(), false);
    if (objectives == 1) {
      std::partial_sort(usable.begin(), usable.begin() + static_cast<std::ptrdiff_t>(count),
                        usable.end(),
                        [&](std::size_t a, std::size_t b) { return better(history_, a, b); });
      for (std::size_t k = 0; k < count; ++k) is_good[usable[k]] = true;
    } else {
      for (const std::size_t row : best_of_front(usable, count)) is_good[row] = true;
    }
    Part good, bad;
    for (std::size_t row = 0; row < history_.size(); ++row) {
      const Outcome& outcome = history_[row];
      if (outcome.state == TrialState::waiting) continue;
      if (outcome.state == TrialState::running && !liar_) continue;
      // Running trials count as bad, so that others go elsewhere; failed ones are bad.
      (is_good[row] ? good : bad).rows.push_back(row);
    }
    good.weights.assign(good.rows.size(), 1);
    const std::size_t bads = bad.rows.size();
    const std::size_t old = bads > remembered ? bads - remembered : 0;
    for (std::size_t k = 0; k < bads; ++k)
      bad.weights.push_back(k < old ? (static_cast<double>(k) + 1) / static_cast<double>(old + 1)
                                    : 1);
    return {good, bad};
  }

  // With several objectives (Ozaki et al., "Multiobjective tree-structured Parzen estimator",
  // 2022): front by front; of the one that does not fit, those that dominate most together.
  Rows best_of_front(const Rows& usable, std::size_t count) const {
    Rows found;
    // Those that keep the constraints first, the others by how much they break them.
    Rows feasible, rest;
    for (const std::size_t row : usable)
      (history_[row].feasible() ? feasible : rest).push_back(row);
    std::stable_sort(rest.begin(), rest.end(), [&](std::size_t a, std::size_t b) {
      return history_[a].violation < history_[b].violation;
    });
    std::vector<Point> points;
    for (const std::size_t row : feasible) points.push_back(history_[row].losses);
    const std::size_t wanted = std::min(count, points.size());
    const Rows ranks = front_ranks(points, wanted);
    for (std::size_t rank = 0; found.size() < wanted; ++rank) {
      std::vector<Point> front;
      Rows members;
      for (std::size_t k = 0; k < points.size(); ++k) {
        if (ranks[k] != rank) continue;
        front.push_back(points[k]);
        members.push_back(feasible[k]);
      }
      if (found.size() + members.size() <= wanted)
        found.insert(found.end(), members.begin(), members.end());
      else
        for (const std::size_t k :
             most_volume(front, wanted - found.size(), reference_beyond(points)))
          found.push_back(members[k]);
    }
    found.insert(found.end(), rest.begin(),
                 rest.begin() + static_cast<std::ptrdiff_t>(count - found.size()));
    return found;
  }

  std::size_t startup_, candidates_;
  std::string multivariate_;
  bool group_, liar_;
  Parzen::Rules rules_;
  History history_;
  std::vector<Parzen::Kept> kept_good_, kept_bad_;  // by part
};

std::unique_ptr<Sampling> make(const Options& options) {
  return std::make_unique<TpeSampling>(options);
}

}  // namespace tpe_sampler
}  // namespace

Sampler sampler_tpe() {
  using namespace tpe_sampler;
  Sampler sampler{
      {"tpe", "tree-structured Parzen estimator: like the best trials, unlike the others"}};
  sampler.options = {
      {"n_startup_trials", OptionType::integer, std::int64_t{10},
       "finished trials before which values are drawn uniformly", 0, 1e9},
      {"n_ei_candidates", OptionType::integer, std::int64_t{24},
       "points drawn from the density of good trials, of which one is taken", 1, 100000},
      {"multivariate",
       OptionType::text,
       std::string("auto"),
       "parameters together, or each by itself; auto: together where there is one objective",
       -std::numeric_limits<double>::infinity(),
       std::numeric_limits<double>::infinity(),
       {"auto", "yes", "no"}},
      {"group", OptionType::boolean, false,
       "parameters together only where they exist under the same conditions"},
      {"constant_liar", OptionType::boolean, true,
       "running trials count as bad, so that parallel ones differ"},
      {"prior_weight", OptionType::real, 1.0, "of the uniform density, beside 1 of a trial", 0,
       1e9}};
  sampler.make = make;
  return sampler;
}

}  // namespace hone
