// NSGA-II (Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002): the
// best trials by front and crowding are parents, a trial is a child of two of them. Parents are
// chosen anew for every trial unless `generational` is set (steady-state selection converges
// faster: Durillo et al., "On the effect of the steady-state selection scheme in multi-objective
// genetic algorithms", 2009). Which trials there are says all: the generation of each is a system
// attribute.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "hone/search/detail/draw.hpp"
#include "hone/search/detail/history.hpp"
#include "hone/search/detail/pareto.hpp"
#include "hone/search/detail/sequences.hpp"
#include "hone/search/sampler.hpp"

namespace hone {
namespace {
namespace nsga2_sampler {

using Values = std::vector<double>;

const char* const generation_attribute = "nsga2:generation";

struct Parent {
  std::size_t row = 0;
  std::size_t rank = 0;
  double distance = 0;  // to its neighbours in the front

  bool better_than(const Parent& other) const {
    if (rank != other.rank) return rank < other.rank;
    if (distance != other.distance) return distance > other.distance;
    return row < other.row;
  }
};

class Nsga2Sampling : public Sampling {
public:
  explicit Nsga2Sampling(const Options& options)
      : population_(static_cast<std::size_t>(options.integer("population"))),
        sbx_(options.text("crossover") == "sbx"),
        share_(options.real("parent_share")),
        crossover_(options.real("crossover_prob")),
        crossover_eta_(options.real("crossover_eta")),
        mutation_(options.real("mutation_prob")),
        mutation_eta_(options.real("mutation_eta")),
        generational_(options.boolean("generational")) {}

  Sample sample(const SampleCall& call) override {
    history_.update(call);
    const Axes& axes = history_.axes();
    const std::vector<std::int64_t> generations = generations_of(call);
    const std::int64_t generation = next_generation(generations);
    std::vector<std::size_t> rows = history_.usable();
    if (generational_)
      std::erase_if(rows, [&](std::size_t row) { return generations[row] >= generation; });
    const Values given = axes.row(call.fixed);
    RandomStream random = call.random("nsga2");
    Values point;
    if (generation == 0) {
      point = first(call, given, random);
    } else {
      const std::vector<Parent> parents = select(rows, call.directions.size());
      for (int attempt = 0; attempt < 50; ++attempt) {
        point = child(parents, given, random, attempt / 10);
        if (!history_.contains(point)) break;
      }
      if (history_.contains(point)) point = first(call, given, random);
    }
    return {axes.assignment(point), {{generation_attribute, generation}}};
  }

private:
  // By row; trials of other samplers belong to the first one.
  static std::vector<std::int64_t> generations_of(const SampleCall& call) {
    std::vector<std::int64_t> generations;
    for (const Trial& trial : call.trials) {
      const auto found = trial.system_attributes.find(generation_attribute);
      generations.push_back(found == trial.system_attributes.end() ||
                                    !found->second.is_number_integer()
                                ? 0
                                : found->second.get<std::int64_t>());
    }
    return generations;
  }

  // The first one that does not have its trials yet.
  std::int64_t next_generation(const std::vector<std::int64_t>& generations) const {
    std::map<std::int64_t, std::size_t> finished;
    for (std::size_t row = 0; row < generations.size(); ++row)
      if (history_[row].usable()) ++finished[generations[row]];
    std::int64_t generation = 0;
    for (const auto& [one, count] : finished)
      if (count >= population_) generation = std::max(generation, one + 1);
    return generation;
  }

  // A point of Sobol's sequence; where there was that configuration, uniformly one that is new,
  // unless many draws find none.
  Values first(const SampleCall& call, const Values& given, RandomStream& random) const {
    const Axes& axes = history_.axes();
    Values point;
    for (int attempt = 0; attempt < 100; ++attempt) {
      point.assign(axes.size(), absent);
      for (std::size_t i = 0; i < point.size(); ++i) {
        if (!axes.exists(i, point)) continue;
        const double share =
            attempt > 0 ? random.uniform()
                        : sobol(static_cast<std::uint32_t>(call.number), i, call.seed, true);
        point[i] = std::isnan(given[i]) ? value_at(axes[i].distribution(), share) : given[i];
      }
      if (!history_.contains(point)) break;
    }
    return point;
  }

  std::size_t parents_of(std::size_t objectives) const {
    // Few parents find one optimum sooner; a front needs more to stay wide.
    const double share = share_ > 0 ? share_ : objectives == 1 ? 0.25 : 0.5;
    return std::max<std::size_t>(
        3, static_cast<std::size_t>(share * static_cast<double>(population_)));
  }

  // The best trials: constrained domination, then distance.
  std::vector<Parent> select(const std::vector<std::size_t>& rows, std::size_t objectives) const {
    std::vector<Parent> parents;
    if (objectives == 1) {
      std::vector<std::size_t> sorted = rows;
      std::sort(sorted.begin(), sorted.end(),
                [&](std::size_t a, std::size_t b) { return better(history_, a, b); });
      for (const std::size_t row : sorted) parents.push_back({row, parents.size(), 0});
    } else {
      std::vector<std::size_t> feasible, rest;
      for (const std::size_t row : rows)
        (history_[row].feasible() ? feasible : rest).push_back(row);
      std::vector<Point> points;
      for (const std::size_t row : feasible) points.push_back(history_[row].losses);
      const std::vector<std::size_t> ranks = front_ranks(points, points.size());
      const std::size_t fronts =
          ranks.empty() ? 0 : *std::max_element(ranks.begin(), ranks.end()) + 1;
      for (std::size_t rank = 0; rank < fronts; ++rank) {
        std::vector<Point> front;
        for (std::size_t k = 0; k < points.size(); ++k)
          if (ranks[k] == rank) front.push_back(points[k]);
        const std::vector<double> distances = crowding_distances(front);
        std::size_t next = 0;
        for (std::size_t k = 0; k < points.size(); ++k)
          if (ranks[k] == rank) parents.push_back({feasible[k], rank, distances[next++]});
      }
      // Those that break constraints come after, by how much.
      std::stable_sort(rest.begin(), rest.end(), [&](std::size_t a, std::size_t b) {
        return history_[a].violation < history_[b].violation;
      });
      for (std::size_t k = 0; k < rest.size(); ++k) parents.push_back({rest[k], fronts + k, 0});
    }
    std::sort(parents.begin(), parents.end(),
              [](const Parent& a, const Parent& b) { return a.better_than(b); });
    parents.resize(std::min(parents.size(), parents_of(objectives)));
    return parents;
  }

  // The better of two.
  static const Parent& tournament(const std::vector<Parent>& parents, RandomStream& random) {
    const auto count = static_cast<std::uint32_t>(parents.size());
    const Parent& a = parents[random.below(count)];
    const Parent& b = parents[random.below(count)];
    return a.better_than(b) ? a : b;
  }

  // `more` adds to the number of values that change (where children were no new configurations).
  Values child(const std::vector<Parent>& parents, const Values& given, RandomStream& random,
               int more) const {
    const Axes& axes = history_.axes();
    const std::size_t mother = tournament(parents, random).row;
    std::size_t father = tournament(parents, random).row;
    for (int i = 0; i < 5 && father == mother; ++i) father = tournament(parents, random).row;
    const bool crossed = random.uniform() < crossover_;
    double existing = 0;
    for (std::size_t i = 0; i < axes.size(); ++i)
      existing += !axes[i].single && !std::isnan(history_.column(i)[mother]);
    const double rate =
        std::min(1.0, (mutation_ > 0 ? mutation_ : 1 / std::max(existing, 1.0)) * (1 + more));
    Values point(axes.size(), absent);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (!axes.exists(i, point)) continue;
      if (!std::isnan(given[i])) {
        point[i] = given[i];
        continue;
      }
      const double from_mother = history_.column(i)[mother];
      const double from_father = history_.column(i)[crossed ? father : mother];
      double value = std::isnan(from_mother) ? from_father : from_mother;
      if (!std::isnan(from_mother) && !std::isnan(from_father) && from_mother != from_father)
        value = joined(axes[i], from_mother, from_father, random);
      // Neither has it: uniformly.
      if (std::isnan(value))
        value = draw(axes[i].distribution(), random);
      else if (!axes[i].single && random.uniform() < rate)
        value = mutated(axes[i], value, random);
      point[i] = value;
    }
    return point;
  }

  // Simulated binary crossover (Deb and Agrawal 1995), or the value of one of them.
  double joined(const Axis& axis, double a, double b, RandomStream& random) const {
    const bool second = random.uniform() < 0.5;
    if (axis.categorical || !sbx_ || random.uniform() < 0.5) return second ? b : a;
    const double u = random.uniform();
    const double spread = u <= 0.5 ? std::pow(2 * u, 1 / (crossover_eta_ + 1))
                                   : std::pow(1 / (2 * (1 - u)), 1 / (crossover_eta_ + 1));
    const double x = axis.unit_of(second ? b : a), y = axis.unit_of(second ? a : b);
    return axis.internal_at(std::clamp(0.5 * ((1 + spread) * x + (1 - spread) * y), 0.0, 1.0));
  }

  // Polynomial mutation (Deb and Goyal 1996) in the form that keeps to the bounds; another choice.
  double mutated(const Axis& axis, double value, RandomStream& random) const {
    if (axis.categorical) {
      const double other = random.below(static_cast<std::uint32_t>(axis.count - 1));
      return other < value ? other : other + 1;
    }
    const double x = axis.unit_of(value), u = random.uniform(), power = 1 / (mutation_eta_ + 1);
    const double to_side = u < 0.5 ? 1 - x : x;
    const double share = u < 0.5 ? u : 1 - u;
    const double step =
        1 - std::pow(2 * share + (1 - 2 * share) * std::pow(to_side, mutation_eta_ + 1), power);
    const double moved = axis.internal_at(std::clamp(u < 0.5 ? x - step : x + step, 0.0, 1.0));
    if (moved != value || !axis.cells) return moved;
    // A step at least.
    const double next = value + (u < 0.5 ? -1 : 1) * axis.distribution().step;
    return axis.distribution().contains(next) ? axis.distribution().nearest(next)
                                              : axis.distribution().nearest(2 * value - next);
  }

  std::size_t population_;
  bool sbx_;
  double share_, crossover_, crossover_eta_, mutation_, mutation_eta_;
  bool generational_;
  History history_;
};

std::unique_ptr<Sampling> make(const Options& options) {
  return std::make_unique<Nsga2Sampling>(options);
}

}  // namespace nsga2_sampler
}  // namespace

Sampler sampler_nsga2() {
  using namespace nsga2_sampler;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Sampler sampler{{"nsga2", "a genetic algorithm for several objectives, by fronts and crowding"}};
  sampler.options = {
      {"population", OptionType::integer, std::int64_t{50},
       "trials of the first generation, from Sobol's sequence, and of every later one", 2, 1e6},
      {"parent_share", OptionType::real, 0.0,
       "so many of the best trials are parents, as a share of the population; 0: a quarter where "
       "there is one objective, half where there are several",
       0, 1},
      {"crossover",
       OptionType::text,
       std::string("uniform"),
       "how numbers of two parents are joined: one of them, or by simulated binary crossover",
       -infinity,
       infinity,
       {"sbx", "uniform"}},
      {"crossover_prob", OptionType::real, 0.9, "of a child to have two parents", 0, 1},
      {"crossover_eta", OptionType::real, 10.0, "larger: numbers nearer to those of the parents", 0,
       1000},
      {"mutation_prob", OptionType::real, 0.0, "of each value; 0: one value of a child on average",
       0, 1},
      {"mutation_eta", OptionType::real, 10.0, "larger: mutations are smaller", 0, 1000},
      {"generational", OptionType::boolean, false,
       "parents are chosen once a generation, not after every trial"}};
  sampler.make = make;
  return sampler;
}

}  // namespace hone
