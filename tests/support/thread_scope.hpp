// Sets the thread count for a scope.
#pragma once

#include "hone/core/threads.hpp"

namespace hone_test {

class ThreadScope {
public:
  explicit ThreadScope(int count) : before_(hone::thread_count()) { hone::set_thread_count(count); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;
  ~ThreadScope() { hone::set_thread_count(before_); }

private:
  int before_;
};

}  // namespace hone_test
