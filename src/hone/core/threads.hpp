// Threads: one team behind two loops. The number of threads is set once, by the program.
//
// A thread that waits looks for work for a moment, then sleeps: where another process needs the
// core, it gets it. Work is handed out as threads get free, so a thread that was taken off its core
// holds up only what it has begun.
#pragma once

#include <cstdint>
#include <functional>

namespace hone {

// Number of threads parallel loops use; set_thread_count(0) means all cores this process may use.
void set_thread_count(int count);
int thread_count();
// Cores that this process may use.
int core_count();

// Calls body(begin, end, range) on `thread_count()` contiguous ranges that cover [0, count); where
// ranges begin depends only on count and the thread count, so sums by range are reproducible. Which
// thread takes a range does not matter.
void parallel_ranges(std::int64_t count,
                     const std::function<void(std::int64_t, std::int64_t, int)>& body);
// Calls body(index, thread) for each index in [0, count), handing out indices as threads get free.
// The first exception thrown by a body is rethrown after the loop.
void parallel_items(std::int64_t count, const std::function<void(std::int64_t, int)>& body);
// Calls body(thread) once on each of the first `threads` threads of the team; not at all on those
// that come after the others are done (then there is nothing left for them). Inside a parallel
// loop, and while another thread of the program runs one, the calling thread alone runs it. The
// first exception is rethrown.
void parallel_team(int threads, const std::function<void(int)>& body);

}  // namespace hone
