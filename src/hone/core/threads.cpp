#include "hone/core/threads.hpp"

#include <exception>
#include <mutex>

#include <omp.h>

namespace hone {
namespace {

int configured_count = 0;

// Keeps the first exception of a parallel region; exceptions must not leave it.
class FirstError {
public:
  template <typename Body>
  void guard(const Body& body) {
    try {
      body();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

private:
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

void set_thread_count(int count) { configured_count = count; }

int thread_count() { return configured_count > 0 ? configured_count : omp_get_num_procs(); }

void parallel_ranges(std::int64_t count,
                     const std::function<void(std::int64_t, std::int64_t, int)>& body) {
  const int threads = thread_count();
  if (threads == 1 || omp_in_parallel()) {
    for (int t = 0; t < threads; ++t) body(count * t / threads, count * (t + 1) / threads, t);
    return;
  }
  FirstError first;
#pragma omp parallel num_threads(threads)
  {
    const int t = omp_get_thread_num();
    first.guard([&] { body(count * t / threads, count * (t + 1) / threads, t); });
  }
  first.rethrow();
}

void parallel_items(std::int64_t count, const std::function<void(std::int64_t, int)>& body) {
  const int threads = thread_count();
  if (threads == 1 || count == 1 || omp_in_parallel()) {
    for (std::int64_t i = 0; i < count; ++i) body(i, 0);
    return;
  }
  FirstError first;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::int64_t i = 0; i < count; ++i) {
    first.guard([&] { body(i, omp_get_thread_num()); });
  }
  first.rethrow();
}

}  // namespace hone
