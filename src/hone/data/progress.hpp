// How long work of the data layer says how far it is.
#pragma once

#include <cstdint>
#include <functional>

namespace hone {

// Called with what is done of what is to do (samples, bytes); `total` is 0 while it is unknown.
// Calls never overlap, but may come from any thread. An exception thrown here stops the work and
// comes out of it: that is how a caller cancels.
using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

}  // namespace hone
