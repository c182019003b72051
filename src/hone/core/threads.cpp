#include "hone/core/threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>

#include <hwy/cache_control.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

namespace hone {
namespace {

int configured_count = 0;
// Whether this thread runs a part of a loop: loops inside it are its own work.
thread_local bool inside_loop = false;

// Keeps the first exception of a loop; exceptions must not leave a thread of the team.
class FirstError {
public:
  // After an exception nothing else is begun.
  template <typename Body>
  void guard(const Body& body) {
    if (failed_.load(std::memory_order_relaxed)) return;
    try {
      body();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      failed_ = true;
    }
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

private:
  std::mutex mutex_;
  std::exception_ptr error_;
  std::atomic<bool> failed_ = false;
};

// How long a thread looks before it sleeps. Waking one takes tens of microseconds, so a short wait
// is better spent looking; but where waits are long, somebody else needs the core, and looking is
// shortened.
class Patience {
public:
  // Returns when `word` is no longer `old`.
  template <typename T>
  void wait(const std::atomic<T>& word, T old) {
    const Clock::time_point begin = Clock::now();
    if (!look(word, old, begin + limit_)) word.wait(old, std::memory_order_acquire);
    if (Clock::now() - begin < short_wait)
      limit_ = std::min<Clock::duration>(longest, limit_ * 2);
    else
      limit_ = std::max<Clock::duration>(shortest, limit_ / 2);
  }

private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::microseconds shortest{2}, longest{500}, short_wait{500};

  template <typename T>
  static bool look(const std::atomic<T>& word, T old, Clock::time_point end) {
    do {
      for (int i = 0; i < 16; ++i) {
        if (word.load(std::memory_order_acquire) != old) return true;
        hwy::Pause();
      }
    } while (Clock::now() < end);
    return false;
  }

  Clock::duration limit_ = longest;
};

// The calling thread and its helpers. Helpers come to a job while it is open; the caller closes it
// when it has done its own part, so a helper that never got a core is not waited for.
class Team {
public:
  void run(int threads, const std::function<void(int)>& body) {
    std::unique_lock lock(running_, std::defer_lock);
    if (inside_loop || threads <= 1 || !lock.try_lock()) {
      run_part(body, 0);
      return;
    }
    while (helpers_ < threads - 1) start_helper();
    body_ = &body;
    threads_ = threads;
    inside_.store(0, std::memory_order_release);
    job_.fetch_add(1, std::memory_order_release);
    job_.notify_all();
    run_part(body, 0);
    int inside = inside_.fetch_add(closed, std::memory_order_acq_rel) + closed;
    while (inside != closed) {
      patience_.wait(inside_, inside);
      inside = inside_.load(std::memory_order_acquire);
    }
  }

private:
  static constexpr int closed = std::numeric_limits<int>::min() / 2;

  static void run_part(const std::function<void(int)>& body, int thread) {
    const bool before = inside_loop;
    inside_loop = true;
    body(thread);
    inside_loop = before;
  }

  void start_helper() {
    // Signals are for the threads of the program.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([this, number = helpers_ + 1] { help(number); }).detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ++helpers_;
  }

  // Joins the job that is open, if one is.
  bool enter() {
    int inside = inside_.load(std::memory_order_acquire);
    while (inside >= 0)
      if (inside_.compare_exchange_weak(inside, inside + 1, std::memory_order_acq_rel)) return true;
    return false;
  }

  [[noreturn]] void help(int number) {
    Patience patience;
    std::uint32_t seen = 0;
    for (;;) {
      patience.wait(job_, seen);
      seen = job_.load(std::memory_order_acquire);
      if (!enter()) continue;
      seen = job_.load(std::memory_order_acquire);  // it may be a later one; it stays while this
                                                    // thread is inside
      if (number < threads_) run_part(*body_, number);
      if (inside_.fetch_sub(1, std::memory_order_acq_rel) == closed + 1) inside_.notify_one();
    }
  }

  std::mutex running_;
  int helpers_ = 0;
  int threads_ = 0;
  const std::function<void(int)>* body_ = nullptr;
  Patience patience_;
  // On lines of their own: helpers look at the first while the others change.
  alignas(128) std::atomic<std::uint32_t> job_ = 0;
  alignas(128) std::atomic<int> inside_ = closed;
};

// Never destroyed: its threads sleep until the process ends.
Team* the_team = nullptr;

Team& team() {
  static const bool once = [] {
    the_team = new Team;
    // A forked process has none of the threads.
    pthread_atfork(nullptr, nullptr, [] { the_team = new Team; });
    return true;
  }();
  (void)once;
  return *the_team;
}

}  // namespace

void set_thread_count(int count) { configured_count = count; }

int core_count() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int thread_count() { return configured_count > 0 ? configured_count : core_count(); }

void parallel_team(int threads, const std::function<void(int)>& body) {
  FirstError first;
  team().run(threads, [&](int thread) { first.guard([&] { body(thread); }); });
  first.rethrow();
}

void parallel_ranges(std::int64_t count,
                     const std::function<void(std::int64_t, std::int64_t, int)>& body) {
  const int threads = thread_count();
  std::atomic<int> next = 0;
  FirstError first;
  team().run(threads, [&](int) {
    for (int r = next.fetch_add(1); r < threads; r = next.fetch_add(1))
      first.guard([&] { body(count * r / threads, count * (r + 1) / threads, r); });
  });
  first.rethrow();
}

void parallel_items(std::int64_t count, const std::function<void(std::int64_t, int)>& body) {
  std::atomic<std::int64_t> next = 0;
  FirstError first;
  team().run(static_cast<int>(std::min<std::int64_t>(thread_count(), count)), [&](int thread) {
    for (std::int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1))
      first.guard([&] { body(i, thread); });
  });
  first.rethrow();
}

}  // namespace hone
