// Elements of four bytes in another order: squares of the two dimensions that are dense in x and in
// y stay in cache.
#include <algorithm>
#include <cstring>
#include <vector>

#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace transpose_kernel {

struct Moved {
  std::int64_t size, from, to;  // steps in x and in y
};

// Dimensions of y, outermost first, neighbours that stay neighbours as one.
std::vector<Moved> moved_dimensions(const KernelCall& call) {
  const TensorView &x = call.in(0), &y = call.out(0);
  const std::vector<std::int64_t> order = integers_of(*call.attributes, "order");
  const std::vector<std::int64_t> in = strides_of({x.dims.begin(), x.dims.begin() + x.rank});
  const std::vector<std::int64_t> out = strides_of({y.dims.begin(), y.dims.begin() + y.rank});
  std::vector<Moved> dims;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Moved next{y.dims[i], in[static_cast<std::size_t>(order[i])], out[i]};
    if (next.size == 1) continue;
    if (!dims.empty() && dims.back().from == next.from * next.size)
      dims.back() = {dims.back().size * next.size, next.from, next.to};
    else
      dims.push_back(next);
  }
  return dims;
}

void run(const KernelCall& call) {
  if (call.out(0).size() == 0) return;
  const auto* x = call.in(0).as<const std::uint32_t>();
  auto* y = call.out(0).as<std::uint32_t>();
  std::vector<Moved> dims = moved_dimensions(call);
  if (dims.empty()) dims.push_back({1, 1, 1});
  // The last dimension of y, and the one that is dense in x: the same, or to be exchanged.
  const Moved last = dims.back();
  dims.pop_back();
  Moved dense{1, 0, 0};
  const auto found =
      std::find_if(dims.begin(), dims.end(), [](const Moved& dim) { return dim.from == 1; });
  if (last.from != 1 && found != dims.end()) {
    dense = *found;
    dims.erase(found);
  }
  constexpr std::int64_t piece = 256;
  const std::int64_t pieces = (dense.size + piece - 1) / piece;
  std::int64_t outer = 1;
  for (const Moved& dim : dims) outer *= dim.size;
  parallel_ranges(outer * pieces, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::int64_t from = 0, to = 0, rest = i / pieces;
      for (std::size_t d = dims.size(); d-- > 0; rest /= dims[d].size) {
        from += rest % dims[d].size * dims[d].from;
        to += rest % dims[d].size * dims[d].to;
      }
      if (last.from == 1) {
        std::memcpy(y + to, x + from, static_cast<std::size_t>(last.size) * 4);
        continue;
      }
      const std::int64_t first = i % pieces * piece;
      const std::int64_t behind = std::min(dense.size, first + piece);
      for (std::int64_t a0 = first; a0 < behind; a0 += 16)
        for (std::int64_t b0 = 0; b0 < last.size; b0 += 16)
          for (std::int64_t a = a0; a < std::min(behind, a0 + 16); ++a)
            for (std::int64_t b = b0; b < std::min(last.size, b0 + 16); ++b)
              y[to + a * dense.to + b] = x[from + a * dense.from + b * last.from];
    }
  });
}

}  // namespace transpose_kernel
}  // namespace

Kernel cpu_kernel_transpose() {
  using namespace transpose_kernel;
  Kernel kernel{{"cpu.transpose", "squares that stay in cache"}, "transpose", RowRule::whole, 10};
  kernel.refuse = [](const KernelQuery& query) -> std::string {
    const DType dtype = query.graph.type(query.node.inputs[0]).dtype;
    return size_of(dtype) == 4 ? "" : "it moves elements of 4 bytes";
  };
  kernel.run = run;
  return kernel;
}

}  // namespace hone
