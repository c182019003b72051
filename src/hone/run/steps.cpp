// Running the steps of a plan: nodes in one piece, and groups of nodes tile by tile.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "hone/core/round_up.hpp"
#include "hone/core/threads.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/executor_state.hpp"

namespace hone {
namespace {

// Where range r of the rows begins; whole groups of 16 rows, the first ones in range 0.
std::int64_t range_begin(std::int64_t rows, int r, int ranges) {
  constexpr std::int64_t group = 16;
  return r == ranges ? rows : std::min(rows, round_up(rows * r, ranges * group) / ranges);
}

// Runs an op's reference on views, where no kernel takes it.
void run_reference(const Node& node, const std::vector<TensorView>& inputs,
                   const std::vector<TensorView>& outputs, bool accumulate) {
  const Op& op = find_op(node.op);
  std::vector<Tensor> in;
  std::vector<Tensor> out;
  for (const TensorView& v : inputs) in.push_back(wrap(v));
  OpCall call{{}, {}, &node.attributes};
  for (const Tensor& t : in) call.inputs.push_back(t.empty() ? nullptr : &t);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const bool in_place = i < op.in_place.size() && op.in_place[i] >= 0;
    out.push_back(accumulate ? Tensor(outputs[i].dtype, wrap(outputs[i]).shape())
                             : wrap(outputs[i]));
    if (!in_place && !accumulate) std::memset(out.back().data(), 0, out.back().bytes());
  }
  for (Tensor& t : out) call.outputs.push_back(&t);
  op.reference(call);
  if (!accumulate) return;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    for (std::int64_t j = 0; j < out[i].size(); ++j) outputs[i].as()[j] += out[i].as<float>()[j];
}

// The tiles of one range of rows. A range is one thread's own, which begins with it; others take
// over what is left.
struct alignas(64) TileRange {
  std::int64_t begin = 0, end = 0;   // rows
  std::atomic<std::int64_t> next{};  // the row where the next tile begins
};

}  // namespace

Tensor wrap(const TensorView& v) {
  if (!v) return {};
  return {v.dtype, Shape(v.dims.begin(), v.dims.begin() + v.rank), nullptr, v.data};
}

// A node of a tiled step with views of row 0 of its tensors, moved to each tile in turn.
struct Executor::State::BoundNode {
  const PlannedNode* planned;
  const Node* node;
  std::vector<TensorView> inputs, outputs;
  std::vector<std::int64_t> input_stride, output_stride;  // bytes a row; 0: stays
};

void Executor::State::count(const PlannedNode& planned, int thread, std::uint64_t begin,
                            std::int64_t rows) {
  Timing& timing =
      timings[static_cast<std::size_t>(thread)][static_cast<std::size_t>(planned.node)];
  timing.ticks += ticks() - begin;
  ++timing.calls;
  const Node& node = graph.node(planned.node);
  const Op& op = find_op(node.op);
  if (op.flop == nullptr) return;
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == none) {
      shapes.emplace_back();
      continue;
    }
    shapes.push_back(evaluate(graph.type(node.inputs[i]), sizes));
    if (rows >= 0 && (op.row_inputs >> i & 1u) != 0 && !shapes.back().empty())
      shapes.back()[0] = rows;
  }
  timing.flop += op.flop(shapes, node.attributes);
}

void Executor::State::run_whole(const PlannedNode& planned, int thread) {
  const Node& node = graph.node(planned.node);
  std::vector<TensorView> inputs;
  std::vector<TensorView> outputs;
  for (ValueId id : node.inputs) inputs.push_back(view(id, 0));
  for (ValueId id : node.outputs) outputs.push_back(view(id, 0));
  const std::uint64_t begin = ticks();
  if (planned.kernel == nullptr) {
    run_reference(node, inputs, outputs, false);
  } else {
    KernelCall call{inputs, outputs, &node.attributes};
    call.workspace = workspace(planned);
    call.bound = planned.bound.get();
    call.thread = thread;
    call.flop =
        &timings[static_cast<std::size_t>(thread)][static_cast<std::size_t>(planned.node)].flop;
    const bool packs =
        planned.kernel->begin != nullptr && (!planned.constant_begin || packed != plan);
    if (packs) {
      parallel_items(plan->threads, [&](std::int64_t part, int) {
        KernelCall part_of = call;
        part_of.thread = static_cast<int>(part);
        part_of.threads = plan->threads;
        planned.kernel->begin(part_of);
      });
      let_go_of_packed(planned);
    }
    planned.kernel->run(call);
  }
  count(planned, thread, begin, -1);
}

// Views for a thread that runs tiles of a range: what lives in tiles is the thread's, sums over
// rows are the range's.
std::vector<Executor::State::BoundNode> Executor::State::bind_nodes(const PlanStep& step,
                                                                    int thread, int range) const {
  std::vector<BoundNode> bound;
  for (const PlannedNode& planned : step.nodes) {
    BoundNode b{&planned, &graph.node(planned.node), {}, {}, {}, {}};
    const Op& op = find_op(b.node->op);
    const auto stride_of = [&](ValueId id, const TensorView& v) {
      const bool tile = plan->locations[static_cast<std::size_t>(id)].place == Place::tile;
      return tile ? std::int64_t{-1} : v.columns() * static_cast<std::int64_t>(size_of(v.dtype));
    };
    for (std::size_t i = 0; i < b.node->inputs.size(); ++i) {
      const ValueId id = b.node->inputs[i];
      b.inputs.push_back(view(id, thread));
      b.input_stride.push_back(
          id != none && (op.row_inputs >> i & 1u) != 0 ? stride_of(id, b.inputs.back()) : 0);
    }
    std::int64_t partial = planned.partial;
    for (ValueId id : b.node->outputs) {
      TensorView v = view(id, thread);
      if (op.rows == RowRule::reduce) {
        if (range > 0) {
          v.data = static_cast<std::byte*>(const_cast<void*>(arena.data())) + step.partials +
                   (range - 1) * step.partial_bytes + partial;
          partial += round_up(v.size() * static_cast<std::int64_t>(size_of(v.dtype)), 64);
        }
        b.output_stride.push_back(0);
      } else {
        b.output_stride.push_back(stride_of(id, v));
      }
      b.outputs.push_back(v);
    }
    bound.push_back(std::move(b));
  }
  return bound;
}

// Runs every node of a step on one tile of rows after the other.
void Executor::State::run_tile(const std::vector<BoundNode>& bound, std::int64_t first_row,
                               std::int64_t rows, bool accumulate, int thread) {
  const auto move = [&](TensorView v, std::int64_t stride) {
    if (stride == 0) return v;
    v.dims[0] = rows;
    if (stride > 0) v.data = static_cast<std::byte*>(v.data) + first_row * stride;
    return v;
  };
  std::vector<TensorView> inputs;
  std::vector<TensorView> outputs;
  for (const BoundNode& b : bound) {
    inputs.clear();
    outputs.clear();
    for (std::size_t i = 0; i < b.inputs.size(); ++i)
      inputs.push_back(b.inputs[i] ? move(b.inputs[i], b.input_stride[i]) : TensorView());
    for (std::size_t i = 0; i < b.outputs.size(); ++i)
      outputs.push_back(move(b.outputs[i], b.output_stride[i]));
    const std::uint64_t begin = ticks();
    if (b.planned->kernel == nullptr) {
      run_reference(*b.node, inputs, outputs, b.planned->partial >= 0 && accumulate);
    } else {
      KernelCall call{inputs, outputs, &b.node->attributes};
      call.first_row = first_row;
      call.accumulate = accumulate;
      call.workspace = workspace(*b.planned);
      call.bound = b.planned->bound.get();
      call.thread = thread;
      call.threads = plan->threads;
      b.planned->kernel->run(call);
    }
    count(*b.planned, thread, begin, rows);
  }
}

// What kernels do before the first tile, such as packing weights, cut into `threads` parts.
void Executor::State::begin_tiles(const PlanStep& step) {
  const bool repack = packed != plan;
  const auto has_begin = [&](const PlannedNode& planned) {
    return planned.kernel != nullptr && planned.kernel->begin != nullptr &&
           (!planned.constant_begin || repack);
  };
  if (std::none_of(step.nodes.begin(), step.nodes.end(), has_begin)) return;
  parallel_items(plan->threads, [&](std::int64_t part, int thread) {
    for (const PlannedNode& planned : step.nodes) {
      if (!has_begin(planned)) continue;
      const Node& node = graph.node(planned.node);
      std::vector<TensorView> inputs;
      for (ValueId id : node.inputs)
        inputs.push_back(id != none &&
                                 plan->locations[static_cast<std::size_t>(id)].place != Place::tile
                             ? view(id, thread)
                             : TensorView());
      KernelCall call{inputs, {}, &node.attributes};
      call.workspace = workspace(planned);
      call.bound = planned.bound.get();
      call.thread = static_cast<int>(part);
      call.threads = plan->threads;
      const std::uint64_t begin = ticks();
      planned.kernel->begin(call);
      timings[static_cast<std::size_t>(thread)][static_cast<std::size_t>(planned.node)].ticks +=
          ticks() - begin;
    }
  });
  for (const PlannedNode& planned : step.nodes)
    if (has_begin(planned)) let_go_of_packed(planned);
}

void Executor::State::let_go_of_packed(const PlannedNode& planned) {
  if (!options.one_size || !planned.constant_begin || planned.kernel->packed_input < 0) return;
  const ValueId id =
      graph.node(planned.node).inputs[static_cast<std::size_t>(planned.kernel->packed_input)];
  std::int64_t readers = 0;
  for (const Node& node : graph.nodes)
    readers += std::count(node.inputs.begin(), node.inputs.end(), id);
  for (const auto& [name, output] : graph.outputs) readers += output == id ? 1 : 0;
  if (readers > 1) return;
  external[static_cast<std::size_t>(id)] = {};
  let_go[static_cast<std::size_t>(id)] = true;
}

void Executor::State::run_tiled(const PlanStep& step) {
  const std::int64_t rows = evaluate(step.rows, sizes);
  const int ranges = plan->threads;
  begin_tiles(step);
  // Sums over the rows of a range are made in the order of its rows, by one thread: so the bits of
  // a result do not depend on which thread was free. Tiles of other steps are taken one by one.
  const bool in_order = step.partial_bytes > 0;
  std::vector<TileRange> todo(static_cast<std::size_t>(ranges));
  for (int r = 0; r < ranges; ++r) {
    TileRange& range = todo[static_cast<std::size_t>(r)];
    range.begin = range_begin(rows, r, ranges);
    range.end = range_begin(rows, r + 1, ranges);
    range.next = range.begin;
  }
  if (rows == 0) run_tile(bind_nodes(step, 0, 0), 0, 0, false, 0);
  parallel_team(rows <= 16 ? 1 : ranges, [&](int thread) {
    std::vector<BoundNode> bound;
    for (int i = 0; i < ranges; ++i) {
      const int r = (thread + i) % ranges;
      TileRange& range = todo[static_cast<std::size_t>(r)];
      const std::int64_t taken = in_order ? range.end - range.begin : step.tile_rows;
      for (std::int64_t from = range.next.fetch_add(taken); from < range.end;
           from = range.next.fetch_add(taken)) {
        if (bound.empty() || in_order) bound = bind_nodes(step, thread, r);
        const std::int64_t to = std::min(range.end, from + taken);
        for (std::int64_t row = from; row < to; row += step.tile_rows)
          run_tile(bound, row, std::min(step.tile_rows, to - row), row != range.begin, thread);
      }
    }
  });
  if (in_order) add_partial_sums(step, rows);
}

// Adds the sums of the other ranges to those of the first.
void Executor::State::add_partial_sums(const PlanStep& step, std::int64_t rows) {
  const int ranges = plan->threads;
  for (const PlannedNode& planned : step.nodes) {
    if (planned.partial < 0) continue;
    std::int64_t partial = planned.partial;
    for (ValueId id : graph.node(planned.node).outputs) {
      const TensorView v = view(id, 0);
      const std::uint64_t begin = ticks();
      const auto add = [&](std::int64_t from, std::int64_t to, int) {
        for (int r = 1; r < ranges; ++r) {
          if (range_begin(rows, r, ranges) >= range_begin(rows, r + 1, ranges)) continue;
          const auto* other = reinterpret_cast<const float*>(
              static_cast<const std::byte*>(arena.data()) + step.partials +
              (r - 1) * step.partial_bytes + partial);
          for (std::int64_t i = from; i < to; ++i) v.as()[i] += other[i];
        }
      };
      if (v.size() < 1 << 14)
        add(0, v.size(), 0);
      else
        parallel_ranges(v.size(), add);
      partial += round_up(v.size() * static_cast<std::int64_t>(size_of(v.dtype)), 64);
      timings[0][static_cast<std::size_t>(planned.node)].ticks += ticks() - begin;
    }
  }
}

}  // namespace hone
