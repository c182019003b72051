#include "hone/run/executor.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/round_up.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/graph/dim.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/executor_state.hpp"

namespace hone {
namespace {

// Kernels may read a few rows past the end of a tensor; the arena ends with that much room.
constexpr std::int64_t arena_slack = 1 << 16;
// Plans are made for sizes rounded up to this, so that few are needed.
constexpr std::int64_t size_bucket = 256;

}  // namespace

Executor::Executor(Graph graph, const ExecutorOptions& options)
    : state_(std::make_unique<State>()) {
  state_->graph = std::move(graph);
  state_->options = options;
  for (const Value& value : state_->graph.values)
    for (const Dim& dim : value.type.dims)
      state_->sizes_grow = state_->sizes_grow && grows_with_sizes(dim);
  state_->external.resize(state_->graph.values.size());
  state_->let_go.resize(state_->graph.values.size());
}

Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

const Graph& Executor::graph() const { return state_->graph; }

const ExecutorOptions& Executor::options() const { return state_->options; }

const Tensor& Executor::bound(ValueId id) const {
  return state_->external[static_cast<std::size_t>(id)];
}

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
  state_->let_go[static_cast<std::size_t>(id)] = false;
  state_->packed = nullptr;
}

const Plan& Executor::plan(const DimSizes& sizes) {
  DimSizes capacity = sizes;
  if (state_->sizes_grow)
    for (auto& [symbol, size] : capacity)
      if (size > size_bucket) size = round_up(size, size_bucket);
  // A plan for more serves for less, and what its kernels packed stays. Not where parameters change
  // (they are packed anew in any case): there a run must not depend on those before it.
  const Plan* packed = state_->packed;
  if (packed != nullptr && packed->threads == thread_count() && state_->graph.updates.empty() &&
      state_->sizes_grow) {
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
      if (s.external[v].empty() && !s.let_go[v])
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
  if (s.packed != s.plan && std::find(s.let_go.begin(), s.let_go.end(), true) != s.let_go.end())
    throw Error(ErrorCode::internal,
                "this run has other sizes than the first, whose weights are packed");
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
        const State::Timing& from = s.timings[t][static_cast<std::size_t>(planned.node)];
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
