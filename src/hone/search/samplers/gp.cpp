// Bayesian optimization with Gaussian processes, for few trials that are dear: the next trial is
// where an improvement is most to be expected.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "hone/search/detail/draw.hpp"
#include "hone/search/detail/gaussian.hpp"
#include "hone/search/detail/history.hpp"
#include "hone/search/detail/pareto.hpp"
#include "hone/search/detail/sequences.hpp"
#include "hone/search/detail/truncated_normal.hpp"
#include "hone/search/sampler.hpp"

namespace hone {
namespace {
namespace gp_sampler {

using Values = std::vector<double>;
using Rows = std::vector<std::size_t>;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int fit_steps = 40;

// What the next point is to be good at.
class Acquisition {
public:
  std::vector<GaussianProcess> objectives, constraints;
  // One objective: the best mean that keeps the constraints; infinite where there is none.
  double best = infinity;
  // Two objectives.
  std::vector<Point> front = {};
  Point reference = {};

  double at(const Values& units) const {
    double value = 0;
    for (const GaussianProcess& constraint : constraints) {
      const auto [mean, variance] = constraint.at(units);
      value += log_normal_cdf(-mean / std::sqrt(variance));
    }
    if (objectives.size() == 1) {
      if (best == infinity) return value;
      const auto [mean, variance] = objectives[0].at(units);
      return value + log_expected_improvement(best, mean, std::sqrt(variance));
    }
    Values means, deviations;
    for (const GaussianProcess& one : objectives) {
      const auto [mean, variance] = one.at(units);
      means.push_back(mean);
      deviations.push_back(std::sqrt(variance));
    }
    return value + log_expected_volume(front, reference, means, deviations);
  }
};

class GpSampling : public Sampling {
public:
  explicit GpSampling(const Options& options)
      : startup_(static_cast<std::size_t>(options.integer("n_startup_trials"))),
        candidates_(static_cast<std::size_t>(options.integer("n_candidates"))),
        starts_(static_cast<std::size_t>(options.integer("n_local_searches"))),
        points_(static_cast<std::size_t>(options.integer("n_points"))) {}

  Sample sample(const SampleCall& call) override {
    history_.update(call);
    const Axes& axes = history_.axes();
    const Values given = axes.row(call.fixed);
    RandomStream random = call.random("gp");
    const Rows usable = history_.usable();
    if (usable.size() < std::max<std::size_t>(startup_, 1))
      return {axes.assignment(first(call, given, random))};
    const Rows rows = narrowed(usable, call.directions.size());
    const Acquisition acquisition = make_acquisition(call, rows, random);
    return {axes.assignment(search(acquisition, rows, given, random))};
  }

private:
  // A point of Sobol's sequence; where there was that configuration, uniformly one that is new,
  // unless many draws find none.
  Values first(const SampleCall& call, const Values& given, RandomStream& random) const {
    Values point;
    for (int attempt = 0; attempt < 100; ++attempt) {
      Values shares(history_.axes().size());
      for (std::size_t i = 0; i < shares.size(); ++i)
        shares[i] = attempt > 0
                        ? random.uniform()
                        : sobol(static_cast<std::uint32_t>(call.number), i, call.seed, true);
      point = existing(all_values(shares, given));
      if (!history_.contains(point)) break;
    }
    return point;
  }

  // Values of all axes, as if each existed.
  Values all_values(const Values& shares, const Values& given) const {
    Values values(shares.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] =
          std::isnan(given[i]) ? value_at(history_.axes()[i].distribution(), shares[i]) : given[i];
    return values;
  }

  Values existing(Values values) const {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!history_.axes().exists(i, values)) values[i] = absent;
    return values;
  }

  // Coordinates of what exists.
  Values units_of(const Values& values) const {
    Values units = existing(values);
    for (std::size_t i = 0; i < units.size(); ++i)
      if (!std::isnan(units[i])) units[i] = history_.axes()[i].unit_of(units[i]);
    return units;
  }

  Values units_of_row(std::size_t row) const {
    Values units;
    for (std::size_t i = 0; i < history_.axes().size(); ++i)
      units.push_back(history_.units(i)[row]);
    return units;
  }

  // Of many trials the best and the newest.
  Rows narrowed(Rows rows, std::size_t objectives) const {
    if (rows.size() <= points_) return rows;
    const Rows newest(rows.end() - static_cast<std::ptrdiff_t>(points_ / 2), rows.end());
    rows.resize(rows.size() - newest.size());
    if (objectives == 1) {
      std::sort(rows.begin(), rows.end(),
                [&](std::size_t a, std::size_t b) { return better(history_, a, b); });
    } else {
      std::vector<Point> points;
      for (const std::size_t row : rows) points.push_back(history_[row].losses);
      const Rows ranks = front_ranks(points, points_);
      Rows order(rows.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](std::size_t a, std::size_t b) { return ranks[a] < ranks[b]; });
      for (std::size_t& one : order) one = rows[one];
      rows = order;
    }
    rows.resize(points_ - newest.size());
    rows.insert(rows.end(), newest.begin(), newest.end());
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  Acquisition make_acquisition(const SampleCall& call, const Rows& rows,
                               RandomStream& random) const {
    std::vector<bool> categorical;
    for (const Axis& axis : history_.axes()) categorical.push_back(axis.categorical);
    std::vector<Values> points;
    for (const std::size_t row : rows) points.push_back(units_of_row(row));
    const auto fitted = [&](Values values) {
      GaussianProcess process(categorical, points, std::move(values));
      process.fit(fit_steps);
      return process;
    };

    Acquisition made;
    // Three objectives and more: a random weighting a trial (Knowles, "ParEGO", 2006).
    const std::size_t objectives = call.directions.size() <= 2 ? call.directions.size() : 1;
    for (std::size_t m = 0; m < objectives; ++m) {
      Values losses;
      for (const std::size_t row : rows) losses.push_back(history_[row].losses[m]);
      if (call.directions.size() > 2) losses = weighted(rows, random);
      made.objectives.push_back(fitted(made_normal(std::move(losses))));
    }
    if (history_.constrained()) add_constraints(call, rows, fitted, made);

    // What runs is taken to be as it is expected (Ginsbourger et al., "Kriging is well-suited to
    // parallelize optimization", 2010).
    for (std::size_t row = 0; row < history_.size(); ++row) {
      if (history_[row].state != TrialState::running) continue;
      const Values units = units_of_row(row);
      for (auto* const group : {&made.objectives, &made.constraints})
        for (GaussianProcess& one : *group) one.add(units, one.at(units).first);
    }
    set_goal(rows, made);
    return made;
  }

  // The largest weighted loss and a little of their sum, of losses as shares of their range.
  Values weighted(const Rows& rows, RandomStream& random) const {
    const std::size_t objectives = history_[rows.front()].losses.size();
    Values weights;
    double sum = 0;
    for (std::size_t m = 0; m < objectives; ++m) {
      weights.push_back(-std::log(random.uniform()));
      sum += weights.back();
    }
    Values joined(rows.size(), -infinity), sums(rows.size(), 0);
    for (std::size_t m = 0; m < objectives; ++m) {
      Values losses;
      for (const std::size_t row : rows) losses.push_back(history_[row].losses[m]);
      losses = made_normal(std::move(losses));
      const double low = *std::min_element(losses.begin(), losses.end());
      const double high = *std::max_element(losses.begin(), losses.end());
      for (std::size_t k = 0; k < rows.size(); ++k) {
        const double share = weights[m] / sum * (high > low ? (losses[k] - low) / (high - low) : 0);
        joined[k] = std::max(joined[k], share);
        sums[k] += share;
      }
    }
    for (std::size_t k = 0; k < rows.size(); ++k) joined[k] += 0.05 * sums[k];
    return joined;
  }

  template <typename Fit>
  void add_constraints(const SampleCall& call, const Rows& rows, const Fit& fitted,
                       Acquisition& made) const {
    std::vector<Values> told;
    std::size_t count = 0;
    for (const std::size_t row : rows) {
      told.push_back(constraints_of(call.trials[row]));
      count = std::max(count, told.back().size());
    }
    for (std::size_t c = 0; c < count; ++c) {
      Values values;
      double scale = 0;
      for (const Values& one : told) {
        // (A trial that did not tell it is taken to break it.)
        values.push_back(c < one.size() && !std::isnan(one[c]) ? one[c] : infinity);
        if (std::isfinite(values.back())) scale = std::max(scale, std::abs(values.back()));
      }
      // 0 stays 0; large values, whose size says nothing, are drawn in.
      Values sizes;
      for (const double one : values)
        if (one != 0 && std::isfinite(one)) sizes.push_back(std::abs(one));
      if (!sizes.empty()) {
        std::nth_element(sizes.begin(),
                         sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2),
                         sizes.end());
        scale = sizes[sizes.size() / 2];
      }
      for (double& one : values)
        one = scale > 0 ? std::clamp(std::asinh(one / scale), -3.0, 3.0) : (one > 0 ? 1.0 : -1.0);
      made.constraints.push_back(fitted(std::move(values)));
    }
  }

  void set_goal(const Rows& rows, Acquisition& made) const {
    std::vector<Point> means;
    for (std::size_t k = 0; k < made.objectives.front().size(); ++k) {
      // (Rows first, then what runs.)
      if (k < rows.size() && !history_[rows[k]].feasible()) continue;
      if (k >= rows.size() && !made.constraints.empty()) continue;
      Point mean;
      for (const GaussianProcess& one : made.objectives) mean.push_back(one.mean_at_own(k));
      means.push_back(std::move(mean));
    }
    if (made.objectives.size() == 1) {
      for (const Point& one : means) made.best = std::min(made.best, one[0]);
      return;
    }
    std::vector<Point> all;
    for (std::size_t k = 0; k < made.objectives.front().size(); ++k)
      all.push_back({made.objectives[0].mean_at_own(k), made.objectives[1].mean_at_own(k)});
    made.reference = reference_beyond(all);
    const Rows ranks = front_ranks(means, means.empty() ? 0 : 1);
    for (std::size_t k = 0; k < means.size(); ++k)
      if (ranks[k] == 0) made.front.push_back(means[k]);
    std::sort(made.front.begin(), made.front.end());
    made.front.erase(std::unique(made.front.begin(), made.front.end()), made.front.end());
  }

  // Values of a row where it has them, else drawn.
  Values from_row(std::size_t row, const Values& given, RandomStream& random) const {
    Values values;
    for (std::size_t i = 0; i < history_.axes().size(); ++i) {
      double value = history_.column(i)[row];
      if (std::isnan(value)) value = draw(history_.axes()[i].distribution(), random);
      values.push_back(std::isnan(given[i]) ? value : given[i]);
    }
    return values;
  }

  Values search(const Acquisition& acquisition, const Rows& rows, const Values& given,
                RandomStream& random) const {
    struct Candidate {
      double value = 0;
      Values values;
    };
    std::vector<Candidate> candidates;
    const auto add = [&](Values values) {
      const double value = acquisition.at(units_of(values));
      candidates.push_back({value, std::move(values)});
    };
    const std::size_t axes = history_.axes().size();
    for (std::size_t k = 0; k < candidates_; ++k) {
      Values shares(axes);
      for (double& one : shares) one = random.uniform();
      add(all_values(shares, given));
    }
    // Around the best trials so far.
    Rows best = rows;
    const std::size_t tops = std::min<std::size_t>(best.size(), 5);
    if (acquisition.objectives.size() == 1 && history_[rows.front()].losses.size() == 1)
      std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(tops), best.end(),
                        [&](std::size_t a, std::size_t b) { return better(history_, a, b); });
    else
      for (std::size_t k = 0; k < tops; ++k)
        std::swap(best[k], best[k + random.below(static_cast<std::uint32_t>(best.size() - k))]);
    for (std::size_t k = 0; k < tops * 20; ++k) {
      Values values = from_row(best[k % tops], given, random);
      const double chance = 2.0 / static_cast<double>(axes + 1),
                   width = std::exp(-4 * random.uniform());
      for (std::size_t i = 0; i < axes; ++i) {
        const Axis& axis = history_.axes()[i];
        if (!std::isnan(given[i]) || random.uniform() > chance) continue;
        values[i] = axis.categorical
                        ? draw(axis.distribution(), random)
                        : axis.internal_at(std::clamp(
                              axis.unit_of(values[i]) + width * random.normal(), 0.0, 1.0));
      }
      add(std::move(values));
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.value > b.value; });
    candidates.resize(std::min(candidates.size(), starts_ + 20));

    for (std::size_t k = 0; k < std::min(starts_, candidates.size()); ++k)
      candidates[k].value = climb(acquisition, given, candidates[k].value, candidates[k].values);
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.value > b.value; });
    for (const Candidate& candidate : candidates)
      if (Values point = existing(candidate.values); !history_.contains(point)) return point;
    // Every good configuration was there: one that was not, if it can be found.
    Values point;
    for (int attempt = 0; attempt < 100; ++attempt) {
      Values shares(axes);
      for (double& one : shares) one = random.uniform();
      point = existing(all_values(shares, given));
      if (!history_.contains(point)) break;
    }
    return point;
  }

  // Axis by axis, steps to both sides that become smaller; every other choice.
  double climb(const Acquisition& acquisition, const Values& given, double value,
               Values& values) const {
    const Axes& axes = history_.axes();
    const auto try_value = [&](std::size_t i, double to) {
      if (to == values[i]) return false;
      Values next = values;
      next[i] = to;
      if (history_.contains(existing(next))) return false;
      const double found = acquisition.at(units_of(next));
      if (!(found > value + 1e-9)) return false;
      value = found;
      values = std::move(next);
      return true;
    };
    for (double step = 0.2; step > 0.0015; step /= 2.5) {
      bool moved = true;
      for (int round = 0; round < 4 && moved; ++round) {
        moved = false;
        for (std::size_t i = 0; i < axes.size(); ++i) {
          const Axis& axis = axes[i];
          if (axis.single || !std::isnan(given[i]) || !axes.exists(i, existing(values))) continue;
          if (axis.categorical) {
            // (Choices do not become finer: at the first step and the last are enough.)
            if (step < 0.19 && step > 0.004) continue;
            for (std::size_t c = 0; c < axis.count; ++c)
              moved = try_value(i, static_cast<double>(c)) || moved;
            continue;
          }
          const double unit = axis.unit_of(values[i]);
          const bool up = try_value(i, axis.internal_at(std::min(1.0, unit + step)));
          const bool down = !up && try_value(i, axis.internal_at(std::max(0.0, unit - step)));
          moved = up || down || moved;
        }
      }
    }
    return value;
  }

  std::size_t startup_, candidates_, starts_, points_;
  History history_;
};

std::unique_ptr<Sampling> make(const Options& options) {
  return std::make_unique<GpSampling>(options);
}

}  // namespace gp_sampler
}  // namespace

Sampler sampler_gp() {
  using namespace gp_sampler;
  Sampler sampler{
      {"gp", "Gaussian process and expected improvement, for few trials that are dear"}};
  sampler.options = {
      {"n_startup_trials", OptionType::integer, std::int64_t{10},
       "finished trials before which points of Sobol's sequence are taken", 1, 1e9},
      {"n_candidates", OptionType::integer, std::int64_t{500},
       "random points where the improvement is looked at", 1, 1e6},
      {"n_local_searches", OptionType::integer, std::int64_t{6},
       "of the best of them, climbed from to the next maximum", 0, 1000},
      {"n_points", OptionType::integer, std::int64_t{300},
       "of more trials the best half and the newest half are used: the time grows with the cube", 2,
       5000}};
  sampler.make = make;
  return sampler;
}

}  // namespace hone
