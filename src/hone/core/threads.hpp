// Threads: OpenMP's pool behind two loops. The number of threads is set once, by the program.
#pragma once

#include <cstdint>
#include <functional>

namespace hone {

// Number of threads parallel loops use; set_thread_count(0) means all cores this process may use.
void set_thread_count(int count);
int thread_count();

// Calls body(begin, end, thread) on `threads` contiguous ranges that cover [0, count); which thread
// gets which range depends only on count and the thread count, so per-thread sums are reproducible.
void parallel_ranges(std::int64_t count,
                     const std::function<void(std::int64_t, std::int64_t, int)>& body);
// Calls body(index, thread) for each index in [0, count), handing out indices as threads get free.
// The first exception thrown by a body is rethrown after the loop.
void parallel_items(std::int64_t count, const std::function<void(std::int64_t, int)>& body);

}  // namespace hone
