#include "hone/search/detail/pareto.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace hone {
namespace {

// Only points that no other dominates, each once.
void keep_front(std::vector<Point>& points) {
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  std::vector<Point> kept;
  // (In this order no point is dominated by a later one.)
  for (Point& point : points)
    if (std::none_of(kept.begin(), kept.end(),
                     [&](const Point& one) { return dominates(one, point); }))
      kept.push_back(std::move(point));
  points = std::move(kept);
}

double box(const Point& point, const Point& reference) {
  double volume = 1;
  for (std::size_t i = 0; i < point.size(); ++i) volume *= reference[i] - point[i];
  return volume;
}

double volume_of_front(const std::vector<Point>& front, const Point& reference) {
  if (front.empty()) return 0;
  if (reference.size() == 1) return reference[0] - front.front()[0];
  double volume = 0;
  if (reference.size() == 2) {
    double above = reference[1];
    for (const Point& point : front) {
      volume += (reference[0] - point[0]) * (above - point[1]);
      above = point[1];
    }
    return volume;
  }
  for (std::size_t i = 0; i < front.size(); ++i) {
    // What the later points dominate of this one's box.
    std::vector<Point> within;
    for (std::size_t j = i + 1; j < front.size(); ++j) {
      Point worse = front[j];
      for (std::size_t m = 0; m < worse.size(); ++m) worse[m] = std::max(worse[m], front[i][m]);
      within.push_back(std::move(worse));
    }
    keep_front(within);
    volume += box(front[i], reference) - volume_of_front(within, reference);
  }
  return volume;
}

}  // namespace

bool dominates(const Point& a, const Point& b) {
  bool better = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    better = better || a[i] < b[i];
  }
  return better;
}

std::vector<std::size_t> front_ranks(const std::vector<Point>& points, std::size_t enough) {
  std::vector<std::size_t> left(points.size());
  std::iota(left.begin(), left.end(), std::size_t{0});
  // By lexicographic order only earlier points can dominate later ones.
  std::sort(left.begin(), left.end(), [&](std::size_t a, std::size_t b) {
    return points[a] != points[b] ? points[a] < points[b] : a < b;
  });
  std::vector<std::size_t> ranks(points.size());
  std::size_t rank = 0, done = 0;
  for (; !left.empty() && done < enough; ++rank) {
    std::vector<std::size_t> front, rest;
    for (const std::size_t i : left) {
      // Later members of the front are nearer to i: they are asked first.
      const bool dominated = std::any_of(front.rbegin(), front.rend(), [&](std::size_t other) {
        return dominates(points[other], points[i]);
      });
      (dominated ? rest : front).push_back(i);
    }
    for (const std::size_t i : front) ranks[i] = rank;
    done += front.size();
    left = std::move(rest);
  }
  for (const std::size_t i : left) ranks[i] = rank;
  return ranks;
}

std::vector<double> crowding_distances(const std::vector<Point>& points) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::vector<double> distances(points.size(), 0);
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t objectives = points.empty() ? 0 : points.front().size();
  for (std::size_t m = 0; m < objectives; ++m) {
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return points[a][m] != points[b][m] ? points[a][m] < points[b][m] : a < b;
    });
    const double range = points[order.back()][m] - points[order.front()][m];
    distances[order.front()] = distances[order.back()] = infinity;
    if (!(range > 0) || !std::isfinite(range)) continue;
    for (std::size_t i = 1; i + 1 < order.size(); ++i)
      distances[order[i]] += (points[order[i + 1]][m] - points[order[i - 1]][m]) / range;
  }
  return distances;
}

double hypervolume(std::vector<Point> points, const Point& reference) {
  std::erase_if(points, [&](const Point& point) {
    for (std::size_t i = 0; i < point.size(); ++i)
      if (!(point[i] < reference[i])) return true;
    return false;
  });
  keep_front(points);
  return volume_of_front(points, reference);
}

Point reference_beyond(const std::vector<Point>& points) {
  Point reference = points.front(), best = points.front();
  for (const Point& point : points)
    for (std::size_t i = 0; i < point.size(); ++i) {
      reference[i] = std::max(reference[i], point[i]);
      best[i] = std::min(best[i], point[i]);
    }
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double range = reference[i] - best[i];
    reference[i] += range > 0 ? 0.1 * range : std::max(1e-12, 1e-6 * std::abs(reference[i]));
  }
  return reference;
}

std::vector<double> exclusive_volumes(const std::vector<Point>& points, const Point& reference) {
  const double all = hypervolume(points, reference);
  std::vector<double> volumes;
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::vector<Point> others = points;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    volumes.push_back(std::max(0.0, all - hypervolume(std::move(others), reference)));
  }
  return volumes;
}

std::vector<std::size_t> most_volume(const std::vector<Point>& points, std::size_t count,
                                     const Point& reference) {
  std::vector<std::size_t> chosen;
  std::vector<Point> front;
  double volume = 0;
  // What a point adds never grows: it is computed again only where its last figure is the largest.
  std::vector<double> gain(points.size(), std::numeric_limits<double>::infinity());
  std::vector<std::size_t> computed_at(points.size(), points.size() + 1);
  while (chosen.size() < std::min(count, points.size())) {
    const auto best =
        static_cast<std::size_t>(std::max_element(gain.begin(), gain.end()) - gain.begin());
    if (computed_at[best] == chosen.size()) {
      chosen.push_back(best);
      front.push_back(points[best]);
      volume += gain[best];
      gain[best] = -1;
      continue;
    }
    std::vector<Point> with = front;
    with.push_back(points[best]);
    gain[best] = std::max(0.0, hypervolume(std::move(with), reference) - volume);
    computed_at[best] = chosen.size();
  }
  return chosen;
}

}  // namespace hone
