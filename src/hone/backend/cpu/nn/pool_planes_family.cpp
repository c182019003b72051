// Windows over planes [N,C,H,W], number by number, a plane a thread.
#include <algorithm>
#include <cmath>
#include <limits>

#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/window.hpp"

namespace hone {
namespace {
namespace pool_planes_family {

// Calls f(place of y, first of the plane in x, rows and columns inside, numbers inside or in pads).
template <typename F>
void for_windows(const KernelCall& call, const F& f) {
  const Window window =
      window_of(*call.attributes, integers_of(*call.attributes, "kernel"), "pool");
  const TensorView &x = call.in(0), &y = call.out(0);
  struct Reach {
    std::int64_t first, end, padded;
  };
  const auto reach = [&](std::size_t d, std::int64_t at, std::int64_t size) {
    Reach found{0, 0, 0};
    bool any = false;
    for (std::int64_t k = 0; k < window.kernel[d]; ++k) {
      const std::int64_t place = window_place(window, d, at, k);
      if (place < size + window.after[d]) ++found.padded;
      if (place < 0 || place >= size) continue;
      if (!any) found.first = place;
      found.end = place + 1;
      any = true;
    }
    return found;
  };
  std::vector<Reach> rows, columns;
  for (std::int64_t i = 0; i < y.dims[2]; ++i) rows.push_back(reach(0, i, x.dims[2]));
  for (std::int64_t i = 0; i < y.dims[3]; ++i) columns.push_back(reach(1, i, x.dims[3]));
  parallel_items(y.dims[0] * y.dims[1], [&](std::int64_t plane, int) {
    for (std::int64_t h = 0; h < y.dims[2]; ++h)
      for (std::int64_t w = 0; w < y.dims[3]; ++w) {
        const Reach &r = rows[static_cast<std::size_t>(h)],
                    &c = columns[static_cast<std::size_t>(w)];
        f((plane * y.dims[2] + h) * y.dims[3] + w, plane * x.dims[2] * x.dims[3], r, c,
          r.padded * c.padded, window);
      }
  });
}

void run_max(const KernelCall& call) {
  const float* x = call.in(0).as();
  const std::int64_t width = call.in(0).dims[3];
  auto* places = call.out(1).as<std::int64_t>();
  for_windows(call, [&](std::int64_t to, std::int64_t plane, const auto& rows, const auto& columns,
                        std::int64_t, const Window& window) {
    std::int64_t best = -1;
    for (std::int64_t h = rows.first; h < rows.end; h += window.dilations[0])
      for (std::int64_t w = columns.first; w < columns.end; w += window.dilations[1]) {
        const std::int64_t at = plane + h * width + w;
        if (best < 0 || x[at] > x[best] || std::isnan(x[at])) best = at;
      }
    call.out(0).as()[to] = best < 0 ? -std::numeric_limits<float>::infinity() : x[best];
    places[to] = std::max<std::int64_t>(best, 0);
  });
}

void run_average(const KernelCall& call) {
  const float* x = call.in(0).as();
  const std::int64_t width = call.in(0).dims[3];
  const bool pads = call.attributes->boolean("count_pads");
  for_windows(call, [&](std::int64_t to, std::int64_t plane, const auto& rows, const auto& columns,
                        std::int64_t padded, const Window& window) {
    double sum = 0;
    std::int64_t count = 0;
    for (std::int64_t h = rows.first; h < rows.end; h += window.dilations[0])
      for (std::int64_t w = columns.first; w < columns.end; w += window.dilations[1], ++count)
        sum += x[plane + h * width + w];
    if (pads) count = padded;
    call.out(0).as()[to] = count == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(count));
  });
}

std::string refuse(const KernelQuery& query) {
  if (query.graph.type(query.node.inputs[0]).dims.size() != 4) return "it takes planes";
  return refuse_other_than_f32(query);
}

Kernel make(const char* name, const char* op, void (*run)(const KernelCall&)) {
  Kernel kernel{{name, "number by number, a plane a thread"}, op, RowRule::whole, 10};
  kernel.refuse = refuse;
  kernel.run = run;
  return kernel;
}

}  // namespace pool_planes_family
}  // namespace

std::vector<Kernel> cpu_kernel_pool_planes_family() {
  using namespace pool_planes_family;
  return {make("cpu.average_pool", "average_pool", run_average),
          make("cpu.max_pool", "max_pool", run_max)};
}

}  // namespace hone
