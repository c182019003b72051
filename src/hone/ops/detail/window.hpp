// Windows that move over the last dimensions of a tensor: of convolutions and pooling.
#pragma once

#include <vector>

#include "hone/graph/op.hpp"

namespace hone {

// Attributes strides, pads (of each dimension before, then of each behind) and dilations, each a
// list; "" means 1, 0 and 1.
struct Window {
  std::vector<std::int64_t> kernel = {}, strides = {}, before = {}, after = {}, dilations = {};

  std::size_t rank() const { return kernel.size(); }
  // Places that the kernel covers along dimension d.
  std::int64_t reach(std::size_t d) const { return (kernel[d] - 1) * dilations[d] + 1; }
};

std::vector<OptionSpec> window_options();
// Throws Error(invalid_argument) "[op] ..." for lists that do not fit the kernel.
Window window_of(const Options& attributes, std::vector<std::int64_t> kernel,
                 const std::string& op);
// Sizes of what a window gives over these dimensions. Throws Error(invalid_argument) where it does
// not fit in once. `up` rounds a started step up (a window may then begin inside and end outside).
std::vector<Dim> window_sizes(const std::vector<Dim>& dims, const Window& window,
                              const std::string& op, bool up = false);

// Where element `index` of the kernel lies for output `at` along dimension d; may be outside.
inline std::int64_t window_place(const Window& window, std::size_t d, std::int64_t at,
                                 std::int64_t index) {
  return at * window.strides[d] - window.before[d] + index * window.dilations[d];
}

}  // namespace hone
