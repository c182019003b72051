#include "hone/search/progress.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hone/search/detail/pareto.hpp"

namespace hone {
namespace {

bool is_finite(const Point& point) {
  return std::all_of(point.begin(), point.end(), [](double one) { return std::isfinite(one); });
}

}  // namespace

ObjectiveBox box_of(std::span<const Trial* const> trials,
                    const std::vector<Direction>& directions) {
  std::vector<Point> points;
  for (const Trial* trial : trials)
    if (can_be_best(*trial, directions))
      if (Point losses = losses_of(*trial, directions); is_finite(losses))
        points.push_back(std::move(losses));
  ObjectiveBox box;
  if (points.empty()) return box;
  box.best = points.front();
  for (const Point& point : points)
    for (std::size_t i = 0; i < point.size(); ++i) box.best[i] = std::min(box.best[i], point[i]);
  box.beyond = reference_beyond(points);
  return box;
}

std::vector<double> best_so_far(std::span<const Trial* const> trials,
                                const std::vector<Direction>& directions, const ObjectiveBox& box) {
  std::vector<double> found;
  double now = std::numeric_limits<double>::quiet_NaN();
  std::vector<Point> front;
  for (const Trial* trial : trials) {
    found.push_back(now);
    if (!can_be_best(*trial, directions)) continue;
    Point losses = losses_of(*trial, directions);
    if (directions.size() == 1) {
      const double before = directions[0] == Direction::maximize ? -now : now;
      if (std::isnan(now) || losses[0] < before) now = trial->values[0];
    } else if (is_finite(losses) && !box.best.empty()) {
      for (std::size_t i = 0; i < losses.size(); ++i) {
        const double range = box.beyond[i] - box.best[i];
        losses[i] = range > 0 ? (losses[i] - box.best[i]) / range : 0;
      }
      const bool adds = std::none_of(front.begin(), front.end(), [&](const Point& one) {
        return one == losses || dominates(one, losses);
      });
      if (adds) {
        std::erase_if(front, [&](const Point& one) { return dominates(losses, one); });
        front.push_back(std::move(losses));
        now = hypervolume(front, Point(directions.size(), 1));
      }
    }
    found.back() = now;
  }
  return found;
}

}  // namespace hone
