// Waiting for what others hold: a little longer each time, by chance, until patience ends.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

namespace hone {

class Patience {
public:
  explicit Patience(double seconds)
      : end_(std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds)) {}

  // Sleeps; false: it was long enough.
  bool wait() {
    if (std::chrono::steady_clock::now() >= end_) return false;
    // Processes that wait for the same thing must not all come back at once.
    thread_local std::minstd_rand random{std::random_device{}()};
    std::uniform_real_distribution<double> share(0.5, 1.0);
    std::this_thread::sleep_for(std::chrono::duration<double>(share(random) * pause_));
    pause_ = std::min(pause_ * 1.5, longest_);
    return true;
  }

private:
  std::chrono::time_point<std::chrono::steady_clock, std::chrono::duration<double>> end_;
  double pause_ = 0.0005;  // seconds
  double longest_ = 0.05;
};

}  // namespace hone
