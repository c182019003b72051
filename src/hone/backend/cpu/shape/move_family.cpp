// Ops that put elements of four bytes elsewhere: concat, expand, slice, in runs that lie together.
#include <algorithm>
#include <cstring>
#include <vector>

#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/slice.hpp"

namespace hone {
namespace {
namespace move_family {

using Element = std::uint32_t;

std::string refuse(const KernelQuery& query) {
  for (const ValueId id : query.node.inputs)
    if (size_of(query.graph.type(id).dtype) != sizeof(Element))
      return "it moves elements of 4 bytes";
  return "";
}

std::int64_t product(const TensorView& view, std::int64_t from, std::int64_t to) {
  std::int64_t count = 1;
  for (std::int64_t i = from; i < to; ++i) count *= view.dims[static_cast<std::size_t>(i)];
  return count;
}

void copy(const Element* from, std::int64_t count, Element* to) {
  if (count > 0) std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(Element));
}

void run_concat(const KernelCall& call) {
  const TensorView& y = call.out(0);
  const std::int64_t axis = call.attributes->integer("axis");
  const std::int64_t before = product(y, 0, axis), row = product(y, axis, y.rank);
  parallel_ranges(before, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      Element* to = y.as<Element>() + r * row;
      for (const TensorView& x : call.inputs) {
        const std::int64_t own = product(x, axis, x.rank);
        copy(x.as<Element>() + r * own, own, to);
        to += own;
      }
    }
  });
}

void run_slice(const KernelCall& call) {
  const TensorView &x = call.in(0), &y = call.out(0);
  if (y.size() == 0) return;
  const std::int64_t axis = call.attributes->integer("axis");
  const auto at = static_cast<std::size_t>(axis);
  const std::int64_t inner = product(x, axis + 1, x.rank), size = x.dims[at], count = y.dims[at];
  const std::int64_t step = call.attributes->integer("step");
  const std::int64_t first = first_of_slice(*call.attributes, count, size);
  parallel_ranges(product(x, 0, axis), [&](std::int64_t from, std::int64_t behind, int) {
    for (std::int64_t o = from; o < behind; ++o) {
      const Element* row = x.as<Element>() + o * size * inner;
      Element* to = y.as<Element>() + o * count * inner;
      if (step == 1)
        copy(row + first * inner, count * inner, to);
      else
        for (std::int64_t k = 0; k < count; ++k)
          copy(row + (first + k * step) * inner, inner, to + k * inner);
    }
  });
}

void run_expand(const KernelCall& call) {
  const TensorView &x = call.in(0), &y = call.out(0);
  if (y.size() == 0) return;
  struct Repeated {
    std::int64_t size, from;  // how far one step goes in x: 0 where it is repeated
  };
  // Dimensions of y, outermost first, neighbours that go on alike as one.
  std::vector<Repeated> dims;
  const std::vector<std::int64_t> own = strides_of({x.dims.begin(), x.dims.begin() + x.rank});
  for (int i = 0; i < y.rank; ++i) {
    const int in = i - (y.rank - x.rank);
    const bool repeated = in < 0 || x.dims[static_cast<std::size_t>(in)] == 1;
    const Repeated next{y.dims[static_cast<std::size_t>(i)],
                        repeated ? 0 : own[static_cast<std::size_t>(in)]};
    if (next.size == 1) continue;
    if (!dims.empty() && dims.back().from == next.from * next.size &&
        (dims.back().from == 0) == (next.from == 0))
      dims.back() = {dims.back().size * next.size, next.from};
    else
      dims.push_back(next);
  }
  Repeated last{1, 0};
  if (!dims.empty()) {
    last = dims.back();
    dims.pop_back();
  }
  std::int64_t rows = 1;
  for (const Repeated& dim : dims) rows *= dim.size;
  parallel_ranges(rows, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::int64_t from = 0, rest = r;
      for (std::size_t d = dims.size(); d-- > 0; rest /= dims[d].size)
        from += rest % dims[d].size * dims[d].from;
      const Element* row = x.as<Element>() + from;
      Element* to = y.as<Element>() + r * last.size;
      if (last.from == 0)
        std::fill(to, to + last.size, *row);
      else
        copy(row, last.size, to);
    }
  });
}

Kernel make(const char* name, const char* op, void (*run)(const KernelCall&)) {
  Kernel kernel{{name, "runs that lie together"}, op, RowRule::whole, 10};
  kernel.refuse = refuse;
  kernel.run = run;
  return kernel;
}

}  // namespace move_family
}  // namespace

std::vector<Kernel> cpu_kernel_move_family() {
  using namespace move_family;
  return {make("cpu.concat", "concat", run_concat), make("cpu.expand", "expand", run_expand),
          make("cpu.slice", "slice", run_slice)};
}

}  // namespace hone
