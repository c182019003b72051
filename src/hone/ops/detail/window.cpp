#include "hone/ops/detail/window.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

constexpr std::int64_t largest = 1 << 24;

}  // namespace

std::vector<OptionSpec> window_options() {
  return {{"strides", OptionType::text, std::string(),
           "places from one window to the next, a dimension each; empty: 1"},
          {"pads", OptionType::text, std::string(),
           "places before the first of each dimension, then behind the last; empty: 0"},
          {"dilations", OptionType::text, std::string(),
           "places from one element of the kernel to the next; empty: 1"}};
}

Window window_of(const Options& attributes, std::vector<std::int64_t> kernel,
                 const std::string& op) {
  Window window{.kernel = std::move(kernel)};
  const std::size_t rank = window.rank();
  const auto list = [&](const char* name, std::size_t count, std::int64_t otherwise,
                        std::int64_t least) {
    std::vector<std::int64_t> values = integers_of(attributes, name);
    if (values.empty()) values.assign(count, otherwise);
    if (values.size() != count || std::any_of(values.begin(), values.end(), [&](std::int64_t v) {
          return v < least || v > largest;
        }))
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("[{}] {} = {} does not fit {} dimensions", op, name, to_text(values), rank));
    return values;
  };
  for (const std::int64_t size : window.kernel)
    if (size < 1 || size > largest)
      throw Error(ErrorCode::invalid_argument, fmt::format("[{}] a kernel of size {}", op, size));
  window.strides = list("strides", rank, 1, 1);
  window.dilations = list("dilations", rank, 1, 1);
  const std::vector<std::int64_t> pads = list("pads", 2 * rank, 0, 0);
  window.before.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
  window.after.assign(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
  return window;
}

std::vector<Dim> window_sizes(const std::vector<Dim>& dims, const Window& window,
                              const std::string& op, bool up) {
  std::vector<Dim> sizes;
  for (std::size_t d = 0; d < window.rank(); ++d) {
    const std::int64_t stride = window.strides[d];
    const Dim room = add(dims[d], Dim(window.before[d] + window.after[d] - window.reach(d)));
    if (room.is_fixed() && room.offset < 0)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("[{}] dimension {} of size {}: a window of {} does not fit in", op, d,
                              to_string(dims[d]), window.reach(d)));
    Dim size = add(divide_down(add(room, Dim(up ? stride - 1 : 0)), stride), Dim(1));
    if (up && stride > 1 && !size.is_fixed())
      throw Error(ErrorCode::unsupported,
                  fmt::format("[{}] rounds places up along the size {}, which only a run knows", op,
                              to_string(dims[d])),
                  "give the dimension a size, or export without ceil_mode");
    // The last window has to begin inside, or in the places before.
    if (up && size.is_fixed() && dims[d].is_fixed() &&
        (size.offset - 1) * stride >= dims[d].offset + window.before[d])
      size.offset -= 1;
    sizes.push_back(size);
  }
  return sizes;
}

}  // namespace hone
