#include "hone/run/executor.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>

#include <fmt/format.h>
#include <omp.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/run/clock.hpp"

namespace hone {
namespace {

// Kernels may read a few rows past the end of a tensor; the arena ends with that much room.
constexpr std::int64_t arena_slack = 1 << 16;
// Plans are made for sizes rounded up to this, so that few are needed.
constexpr std::int64_t size_bucket = 256;

// Keeps the first exception of a parallel region; none may leave it.
class ErrorSlot {
public:
  template <typename Body>
  void guard(const Body& body) {
    if (failed_) return;
    try {
      body();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      failed_ = true;
    }
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

private:
  std::mutex mutex_;
  std::exception_ptr error_;
  std::atomic<bool> failed_ = false;
};

std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

// Where the rows of thread t begin; whole groups of 16 rows, the first ones to thread 0.
std::int64_t range_begin(std::int64_t rows, int t, int threads) {
  constexpr std::int64_t group = 16;
  return t == threads ? rows : std::min(rows, round_up(rows * t, threads * group) / threads);
}

struct Timing {
  std::uint64_t ticks = 0;
  std::int64_t calls = 0;
  double flop = 0;
};

}  // namespace

struct Executor::State {
  Graph graph;
  ExecutorOptions options;
  std::vector<Tensor> external;  // by value
  std::map<DimSizes, Plan> plans;
  Tensor arena;
  std::vector<Tensor> tiles;                 // one a thread
  const Plan* packed = nullptr;              // whose constant workspaces are filled
  std::vector<std::vector<Timing>> timings;  // by thread, by node
  double seconds_per_tick = 0;
  double clock_seconds = 0;
  std::uint64_t clock_ticks = 0;

  // Of the run in progress.
  const Plan* plan = nullptr;
  DimSizes sizes;

  std::byte* address(ValueId id, int thread) const {
    const Location& at = plan->locations[static_cast<std::size_t>(id)];
    switch (at.place) {
      case Place::external:
        return static_cast<std::byte*>(
            const_cast<void*>(external[static_cast<std::size_t>(at.offset)].data()));
      case Place::arena:
        return static_cast<std::byte*>(const_cast<void*>(arena.data())) + at.offset;
      case Place::tile:
        return static_cast<std::byte*>(
                   const_cast<void*>(tiles[static_cast<std::size_t>(thread)].data())) +
               at.offset;
      case Place::absent: break;
    }
    throw Error(ErrorCode::internal, "%" + graph.value(id).name + " has no memory");
  }

  TensorView view(ValueId id, int thread) const {
    TensorView v;
    if (id == none) return v;
    const ValueType& type = graph.type(id);
    v.data = address(id, thread);
    v.dtype = type.dtype;
    v.rank = static_cast<int>(type.dims.size());
    for (int i = 0; i < v.rank; ++i)
      v.dims[static_cast<std::size_t>(i)] = evaluate(type.dims[static_cast<std::size_t>(i)], sizes);
    return v;
  }

  std::byte* workspace(const PlannedNode& planned) const {
    return planned.workspace < 0
               ? nullptr
               : static_cast<std::byte*>(const_cast<void*>(arena.data())) + planned.workspace;
  }

  void run_whole(const PlannedNode& planned, int thread = 0);
  void run_tiled(const PlanStep& step);
  void count(const PlannedNode& planned, int thread, std::uint64_t begin, std::int64_t rows);
};

namespace {

Tensor wrap(const TensorView& v) {
  if (!v) return {};
  return {v.dtype, Shape(v.dims.begin(), v.dims.begin() + v.rank), nullptr, v.data};
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

}  // namespace

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
    planned.kernel->run(call);
  }
  count(planned, thread, begin, -1);
}

void Executor::State::run_tiled(const PlanStep& step) {
  const std::int64_t rows = evaluate(step.rows, sizes);
  const int threads = plan->threads;
  const bool repack = packed != plan;
  ErrorSlot error;
  const auto begin_thread = [&](int t) {
    for (const PlannedNode& planned : step.nodes) {
      if (planned.kernel == nullptr || planned.kernel->begin == nullptr ||
          (planned.constant_begin && !repack))
        continue;
      const Node& node = graph.node(planned.node);
      std::vector<TensorView> inputs;
      for (ValueId id : node.inputs)
        inputs.push_back(id != none &&
                                 plan->locations[static_cast<std::size_t>(id)].place != Place::tile
                             ? view(id, t)
                             : TensorView());
      KernelCall call{inputs, {}, &node.attributes};
      call.workspace = workspace(planned);
      call.bound = planned.bound.get();
      call.thread = t;
      call.threads = threads;
      const std::uint64_t begin = ticks();
      planned.kernel->begin(call);
      timings[static_cast<std::size_t>(t)][static_cast<std::size_t>(planned.node)].ticks +=
          ticks() - begin;
    }
  };
  // Views of this thread with row 0 of the tensors; moved to each tile in turn.
  const auto run_thread = [&](int t) {
    struct Bound {
      const PlannedNode* planned;
      const Node* node;
      std::vector<TensorView> inputs, outputs;
      std::vector<std::int64_t> input_stride, output_stride;  // bytes a row; 0: stays
    };
    std::vector<Bound> bound;
    const std::int64_t first = range_begin(rows, t, threads);
    const std::int64_t last = range_begin(rows, t + 1, threads);
    if (first >= last && !(t == 0 && rows == 0)) return;
    for (const PlannedNode& planned : step.nodes) {
      Bound b{&planned, &graph.node(planned.node), {}, {}, {}, {}};
      const Op& op = find_op(b.node->op);
      const auto stride_of = [&](ValueId id, const TensorView& v) {
        const bool tile = plan->locations[static_cast<std::size_t>(id)].place == Place::tile;
        return tile ? std::int64_t{-1} : v.columns() * static_cast<std::int64_t>(size_of(v.dtype));
      };
      for (std::size_t i = 0; i < b.node->inputs.size(); ++i) {
        const ValueId id = b.node->inputs[i];
        b.inputs.push_back(view(id, t));
        b.input_stride.push_back(
            id != none && (op.row_inputs >> i & 1u) != 0 ? stride_of(id, b.inputs.back()) : 0);
      }
      std::int64_t partial = planned.partial;
      for (ValueId id : b.node->outputs) {
        TensorView v = view(id, t);
        if (op.rows == RowRule::reduce) {
          if (t > 0) {
            v.data = static_cast<std::byte*>(const_cast<void*>(arena.data())) + step.partials +
                     (t - 1) * step.partial_bytes + partial;
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
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
    for (std::int64_t r = first; r < last || (rows == 0 && r == 0); r += step.tile_rows) {
      const std::int64_t count_rows = std::min(step.tile_rows, last - r);
      const auto move = [&](TensorView v, std::int64_t stride) {
        if (stride == 0) return v;
        v.dims[0] = count_rows;
        if (stride > 0) v.data = static_cast<std::byte*>(v.data) + r * stride;
        return v;
      };
      for (const Bound& b : bound) {
        inputs.clear();
        outputs.clear();
        for (std::size_t i = 0; i < b.inputs.size(); ++i)
          inputs.push_back(b.inputs[i] ? move(b.inputs[i], b.input_stride[i]) : TensorView());
        for (std::size_t i = 0; i < b.outputs.size(); ++i)
          outputs.push_back(move(b.outputs[i], b.output_stride[i]));
        const std::uint64_t begin = ticks();
        if (b.planned->kernel == nullptr) {
          run_reference(*b.node, inputs, outputs, b.planned->partial >= 0 && r != first);
        } else {
          KernelCall call{inputs, outputs, &b.node->attributes};
          call.first_row = r;
          call.accumulate = r != first;
          call.workspace = workspace(*b.planned);
          call.bound = b.planned->bound.get();
          call.thread = t;
          call.threads = threads;
          b.planned->kernel->run(call);
        }
        count(*b.planned, t, begin, count_rows);
      }
      if (rows == 0) break;
    }
  };
  const bool has_begin =
      std::any_of(step.nodes.begin(), step.nodes.end(), [&](const PlannedNode& p) {
        return p.kernel != nullptr && p.kernel->begin != nullptr && (!p.constant_begin || repack);
      });
  if (threads == 1 || (rows <= 16 && !has_begin)) {
    for (int t = 0; t < threads; ++t) error.guard([&] { begin_thread(t); });
    error.guard([&] { run_thread(0); });
  } else {
#pragma omp parallel num_threads(threads)
    {
      const int t = omp_get_thread_num();
      if (has_begin) {
        error.guard([&] { begin_thread(t); });
#pragma omp barrier
      }
      error.guard([&] { run_thread(t); });
    }
  }
  error.rethrow();
  for (const PlannedNode& planned : step.nodes) {
    if (planned.partial < 0) continue;
    std::int64_t partial = planned.partial;
    for (ValueId id : graph.node(planned.node).outputs) {
      const TensorView v = view(id, 0);
      const std::uint64_t begin = ticks();
      const auto add = [&](std::int64_t from, std::int64_t to, int) {
        for (int t = 1; t < threads; ++t) {
          if (range_begin(rows, t, threads) >= range_begin(rows, t + 1, threads)) continue;
          const auto* other = reinterpret_cast<const float*>(
              static_cast<const std::byte*>(arena.data()) + step.partials +
              (t - 1) * step.partial_bytes + partial);
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

Executor::Executor(Graph graph, const ExecutorOptions& options)
    : state_(std::make_unique<State>()) {
  state_->graph = std::move(graph);
  state_->options = options;
  state_->external.resize(state_->graph.values.size());
}

Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

const Graph& Executor::graph() const { return state_->graph; }

void Executor::parameters_changed() { state_->packed = nullptr; }

std::int64_t Executor::arena_bytes() const {
  return static_cast<std::int64_t>(state_->arena.bytes());
}

void Executor::bind(const std::string& name, Tensor tensor) {
  const ValueId id = state_->graph.find(name);
  if (id == none) return;  // a pass removed the need for it
  const ValueType& type = state_->graph.type(id);
  Shape expected;
  for (const Dim& dim : type.dims) expected.push_back(dim.offset);
  if (tensor.dtype() != type.dtype || tensor.shape() != expected)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("%{} is {}{}, the graph wants {}", name, name_of(tensor.dtype()),
                            to_string(tensor.shape()), to_string(type)));
  state_->external[static_cast<std::size_t>(id)] = std::move(tensor);
  state_->packed = nullptr;
}

const Plan& Executor::plan(const DimSizes& sizes) {
  DimSizes capacity = sizes;
  for (auto& [symbol, size] : capacity)
    if (size > size_bucket) size = round_up(size, size_bucket);
  // A plan for more serves for less, and what its kernels packed stays. Not where parameters change
  // (they are packed anew in any case): there a run must not depend on those before it.
  const Plan* packed = state_->packed;
  if (packed != nullptr && packed->threads == thread_count() && state_->graph.updates.empty()) {
    bool holds = true;
    for (auto& [symbol, size] : capacity) {
      const std::int64_t had = packed->sizes.at(symbol);
      const bool fits = sizes.at(symbol) <= had;
      holds = holds && fits;
      // Twice as much at least, so that there are few plans.
      size = fits ? had : std::max(size, std::min(2 * had, round_up(size, size_bucket)));
    }
    if (holds) return *packed;
  }
  PlanOptions options;
  options.threads = thread_count();
  options.use_kernels = state_->options.use_kernels;
  options.tile_rows = state_->options.tile_rows;
  const auto found = state_->plans.find(capacity);
  if (found != state_->plans.end() && found->second.threads == options.threads)
    return found->second;
  // A plan for other threads takes the place of the old one: what was packed for that is worth
  // nothing.
  state_->packed = nullptr;
  return state_->plans[capacity] = make_plan(state_->graph, capacity, options);
}

std::map<std::string, Tensor> Executor::run(const std::map<std::string, Tensor>& inputs) {
  State& s = *state_;
  s.sizes.clear();
  for (std::size_t v = 0; v < s.graph.values.size(); ++v) {
    const Value& value = s.graph.values[v];
    if (value.kind == ValueKind::node) continue;
    if (value.kind != ValueKind::input) {
      if (s.external[v].empty())
        throw Error(ErrorCode::internal, "%" + value.name + " is not bound");
      continue;
    }
    const auto given = inputs.find(value.name);
    if (given == inputs.end())
      throw Error(ErrorCode::invalid_argument, "input %" + value.name + " is missing");
    const Tensor& tensor = given->second;
    bool good =
        tensor.dtype() == value.type.dtype && tensor.shape().size() == value.type.dims.size();
    for (std::size_t i = 0; good && i < value.type.dims.size(); ++i) {
      const Dim& dim = value.type.dims[i];
      const std::int64_t size = tensor.shape()[i] - dim.offset;
      if (dim.is_fixed())
        good = size == 0;
      else
        good = s.sizes.emplace(dim.symbol, size).first->second == size && size >= 0;
    }
    if (!good)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("input %{} is {}{}, the graph wants {}", value.name, name_of(tensor.dtype()),
                      to_string(tensor.shape()), to_string(value.type)));
    s.external[v] = tensor;
  }
  s.plan = &plan(s.sizes);
  if (s.arena.empty() ||
      static_cast<std::int64_t>(s.arena.bytes()) < s.plan->arena_bytes + arena_slack) {
    s.arena = Tensor();
    s.arena = Tensor(DType::u8, {s.plan->arena_bytes + arena_slack});
    s.packed = nullptr;
  }
  const auto threads = static_cast<std::size_t>(s.plan->threads);
  s.tiles.resize(std::max(s.tiles.size(), threads));
  for (Tensor& tile : s.tiles)
    if (tile.empty() || static_cast<std::int64_t>(tile.bytes()) < s.plan->tile_bytes + arena_slack)
      tile = Tensor(DType::u8, {s.plan->tile_bytes + arena_slack});
  s.timings.resize(std::max(s.timings.size(), threads));
  for (auto& per_node : s.timings) per_node.resize(s.graph.nodes.size());
  const std::uint64_t begin_ticks = ticks();
  const double begin_seconds = now_seconds();
  for (const PlanStep& step : s.plan->steps) {
    if (step.tiled)
      s.run_tiled(step);
    else if (step.concurrent)
      parallel_items(static_cast<std::int64_t>(step.nodes.size()), [&](std::int64_t i, int thread) {
        s.run_whole(step.nodes[static_cast<std::size_t>(i)], thread);
      });
    else
      for (const PlannedNode& planned : step.nodes) s.run_whole(planned);
  }
  s.packed = s.plan;
  s.clock_seconds += now_seconds() - begin_seconds;
  s.clock_ticks += ticks() - begin_ticks;
  for (const auto& [target, id] : s.graph.updates) {
    std::byte* from = s.address(id, 0);
    std::byte* to = s.address(target, 0);
    if (from != to) std::memcpy(to, from, s.external[static_cast<std::size_t>(target)].bytes());
  }
  std::map<std::string, Tensor> results;
  for (const auto& [name, id] : s.graph.outputs) results[name] = wrap(s.view(id, 0)).clone();
  return results;
}

std::vector<KernelTiming> Executor::timings() const {
  const State& s = *state_;
  const double seconds_per_tick =
      s.clock_ticks == 0 ? 0 : s.clock_seconds / static_cast<double>(s.clock_ticks);
  std::map<std::string, KernelTiming> by_kernel;
  if (s.plans.empty()) return {};
  for (const PlanStep& step : s.plans.begin()->second.steps) {
    for (const PlannedNode& planned : step.nodes) {
      const std::string& op = s.graph.node(planned.node).op;
      const std::string name = planned.kernel != nullptr ? planned.kernel->name : "reference." + op;
      KernelTiming& timing = by_kernel[name];
      timing.kernel = name;
      timing.op = op;
      for (std::size_t t = 0; t < s.timings.size(); ++t) {
        const Timing& from = s.timings[t][static_cast<std::size_t>(planned.node)];
        // A whole kernel is timed once but occupies every thread.
        const double share = step.tiled || step.concurrent
                                 ? 1.0
                                 : static_cast<double>(s.plans.begin()->second.threads);
        timing.calls += from.calls;
        timing.seconds += share * static_cast<double>(from.ticks) * seconds_per_tick;
        timing.flop += from.flop;
      }
    }
  }
  std::vector<KernelTiming> list;
  for (auto& [name, timing] : by_kernel) list.push_back(std::move(timing));
  std::sort(list.begin(), list.end(),
            [](const KernelTiming& a, const KernelTiming& b) { return a.seconds > b.seconds; });
  return list;
}

}  // namespace hone
