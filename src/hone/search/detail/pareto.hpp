// Several objectives, less is better in each.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace hone {

using Point = std::vector<double>;

// Whether a is at least as good everywhere and better somewhere.
bool dominates(const Point& a, const Point& b);
// The front of each point: 0 where none dominates it, 1 where none but those of front 0, ... (Deb
// et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002). Stops when
// `enough` points have one; the rest get the next number.
std::vector<std::size_t> front_ranks(const std::vector<Point>& points, std::size_t enough);
// By point: infinite at the ends of an objective, else the sum of the gaps to its neighbours as
// shares of the range (the same paper).
std::vector<double> crowding_distances(const std::vector<Point>& points);

// The volume that the points dominate up to the reference (those that are not below it in every
// objective count nothing). Two objectives by a sweep, more by the exclusive parts of each point
// (While, Bradstreet and Barone, "A fast way of calculating exact hypervolumes", 2012).
double hypervolume(std::vector<Point> points, const Point& reference);
// Beyond all points: a tenth of the range past the worst of each objective.
Point reference_beyond(const std::vector<Point>& points);
// What each point adds to the volume of the others.
std::vector<double> exclusive_volumes(const std::vector<Point>& points, const Point& reference);
// Indices of `count` points that together dominate much: each the one that adds most to those
// before (greedy, at least 1 - 1/e of the most possible: Nemhauser, Wolsey and Fisher 1978).
std::vector<std::size_t> most_volume(const std::vector<Point>& points, std::size_t count,
                                     const Point& reference);

}  // namespace hone
