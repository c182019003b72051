// A smooth function's minimum between bounds.
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <vector>

namespace hone {

// L-BFGS (Liu and Nocedal, "On the limited memory BFGS method", 1989) with steps cut at the bounds
// and halved until they bring enough. `function` gives the value and fills the gradient; a value
// that is not finite counts as too far. Returns the value at `x`.
inline double minimize(const std::function<double(const std::vector<double>& x,
                                                  std::vector<double>& gradient)>& function,
                       std::vector<double>& x, const std::vector<double>& low,
                       const std::vector<double>& high, int most_steps) {
  const std::size_t size = x.size();
  const auto product = [size](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i) sum += a[i] * b[i];
    return sum;
  };
  constexpr std::size_t memory = 8;
  std::deque<std::vector<double>> moves, turns;
  std::vector<double> gradient(size), next_gradient(size);
  double value = function(x, gradient);
  for (int step = 0; step < most_steps; ++step) {
    // Coordinates that push against their bound stay.
    std::vector<double> direction = gradient;
    for (std::size_t i = 0; i < size; ++i)
      if ((x[i] <= low[i] && gradient[i] > 0) || (x[i] >= high[i] && gradient[i] < 0))
        direction[i] = 0;
    if (std::sqrt(product(direction, direction)) < 1e-5) break;
    const std::vector<double> free = direction;
    std::vector<double> shares(moves.size());
    for (std::size_t k = moves.size(); k-- > 0;) {
      shares[k] = product(moves[k], direction) / product(moves[k], turns[k]);
      for (std::size_t i = 0; i < size; ++i) direction[i] -= shares[k] * turns[k][i];
    }
    const double scale =
        moves.empty() ? 1 / std::max(1.0, std::sqrt(product(free, free)))
                      : product(moves.back(), turns.back()) / product(turns.back(), turns.back());
    for (double& one : direction) one *= scale;
    for (std::size_t k = 0; k < moves.size(); ++k) {
      const double share = product(turns[k], direction) / product(moves[k], turns[k]);
      for (std::size_t i = 0; i < size; ++i) direction[i] += (shares[k] - share) * moves[k][i];
    }
    for (std::size_t i = 0; i < size; ++i)
      if (free[i] == 0) direction[i] = 0;
    if (product(direction, free) <= 0) direction = free;

    double length = 1;
    bool moved = false;
    for (int halving = 0; halving < 25 && !moved; ++halving, length /= 2) {
      std::vector<double> next(size), move(size), turn(size);
      for (std::size_t i = 0; i < size; ++i) {
        next[i] = std::clamp(x[i] - length * direction[i], low[i], high[i]);
        move[i] = next[i] - x[i];
      }
      const double next_value = function(next, next_gradient);
      if (!std::isfinite(next_value) || next_value > value + 1e-4 * product(move, gradient))
        continue;
      for (std::size_t i = 0; i < size; ++i) turn[i] = next_gradient[i] - gradient[i];
      if (product(move, turn) > 1e-10 * product(turn, turn)) {
        moves.push_back(move);
        turns.push_back(turn);
        if (moves.size() > memory) {
          moves.pop_front();
          turns.pop_front();
        }
      }
      moved = value - next_value > 1e-9 * std::abs(value);
      x = next;
      value = next_value;
      gradient = next_gradient;
      break;
    }
    if (!moved) break;
  }
  return value;
}

}  // namespace hone
