#include "hone/plan/plan.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/round_up.hpp"
#include "hone/plan/memory.hpp"

namespace hone {
namespace {

// Rows are tiles of this many unless the weights that a tile meets are so large that re-reading
// them for every tile would cost more than the cache that a larger tile takes.
constexpr std::int64_t default_tile_rows = 64;
constexpr std::int64_t large_tile_rows = 192;
constexpr std::int64_t large_weight_bytes = 8 << 20;

std::int64_t bytes_of(const ValueType& type, const DimSizes& sizes) {
  return element_count(evaluate(type, sizes)) * static_cast<std::int64_t>(size_of(type.dtype));
}

// Bytes of one row; dimension 0 is the rows.
std::int64_t row_bytes(const ValueType& type, const DimSizes& sizes) {
  std::int64_t bytes = static_cast<std::int64_t>(size_of(type.dtype));
  for (std::size_t i = 1; i < type.dims.size(); ++i) bytes *= evaluate(type.dims[i], sizes);
  return bytes;
}

class Planner {
public:
  Planner(const Graph& graph, const DimSizes& sizes, const PlanOptions& options)
      : graph_(graph),
        options_(options),
        first_(graph.values.size(), -1),
        last_(graph.values.size(), -1) {
    plan_.sizes = sizes;
    plan_.threads = options.threads;
    plan_.locations.resize(graph.values.size());
  }

  Plan make() {
    for (std::size_t v = 0; v < graph_.values.size(); ++v)
      if (graph_.values[v].kind != ValueKind::node)
        plan_.locations[v] = {Place::external, static_cast<std::int64_t>(v)};
    cut_into_steps();
    for (PlanStep& step : plan_.steps)
      for (PlannedNode& planned : step.nodes) choose(planned);
    merge_serial_steps();
    find_lifetimes();
    alias_in_place();
    for (std::size_t s = 0; s < plan_.steps.size(); ++s)
      if (plan_.steps[s].tiled) lay_out_tile(static_cast<int>(s));
    lay_out_arena();
    return std::move(plan_);
  }

private:
  static PlannedNode planned_node(std::size_t n) {
    PlannedNode planned;
    planned.node = static_cast<NodeId>(n);
    return planned;
  }

  bool is_row_node(const Node& node) const { return row_rule(graph_, node) != RowRule::whole; }

  void cut_into_steps() {
    std::map<std::int32_t, std::size_t> step_of_group;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      const auto found =
          node.group == no_group ? step_of_group.end() : step_of_group.find(node.group);
      if (found != step_of_group.end()) {
        if (found->second + 1 != plan_.steps.size())
          throw Error(ErrorCode::internal,
                      fmt::format("graph {}: the nodes of group {} do not stand together",
                                  graph_.name, node.group));
        join_group(plan_.steps.back(), node);
        plan_.steps.back().nodes.push_back(planned_node(n));
        continue;
      }
      PlanStep step;
      step.nodes.push_back(planned_node(n));
      const Op& op = find_op(node.op);
      // A row node on its own is cut into tiles too: that is how it shares the threads.
      step.tiled = options_.use_kernels && is_row_node(node);
      if (step.tiled) step.rows = row_dimension(node, op);
      if (node.group != no_group) {
        if (!is_row_node(node)) fail_group(node, fmt::format("{} needs all rows at once", node.op));
        step_of_group[node.group] = plan_.steps.size();
      }
      plan_.steps.push_back(std::move(step));
    }
  }

  [[noreturn]] void fail_group(const Node& node, const std::string& why) const {
    throw Error(ErrorCode::internal, fmt::format("graph {}: group {} cannot run tile by tile: {}",
                                                 graph_.name, node.group, why));
  }

  // Whether a node can run on the tiles of a group that has begun.
  void join_group(const PlanStep& step, const Node& node) const {
    const Op& op = find_op(node.op);
    if (!is_row_node(node)) fail_group(node, fmt::format("{} needs all rows at once", node.op));
    const Node& first = graph_.node(step.nodes.front().node);
    const Dim rows = row_dimension(node, op);
    const Dim rows_of_group = row_dimension(first, find_op(first.op));
    if (!(rows == rows_of_group))
      fail_group(node, fmt::format("{} has {} rows, {} has {}", node.op, to_string(rows), first.op,
                                   to_string(rows_of_group)));
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const NodeId from = node.inputs[i] == none ? none : graph_.value(node.inputs[i]).producer;
      const bool inside = std::any_of(step.nodes.begin(), step.nodes.end(),
                                      [&](const PlannedNode& p) { return p.node == from; });
      if (!inside) continue;
      if ((op.row_inputs >> i & 1u) == 0 || find_op(graph_.node(from).op).rows == RowRule::reduce)
        fail_group(node, fmt::format("{} needs all of %{}, which the group computes", node.op,
                                     graph_.value(node.inputs[i]).name));
    }
  }

  Dim row_dimension(const Node& node, const Op& op) const {
    if (row_rule(graph_, node) == RowRule::rows) return graph_.type(node.outputs[0]).dims[0];
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if ((op.row_inputs >> i & 1u) != 0 && node.inputs[i] != none)
        return graph_.type(node.inputs[i]).dims[0];
    throw Error(ErrorCode::internal, "[" + node.op + "] has no row input");
  }

  void choose(PlannedNode& planned) {
    const Node& node = graph_.node(planned.node);
    if (!options_.use_kernels) {
      planned.reason = "reference mode";
      return;
    }
    const KernelChoice choice = choose_kernel({graph_, node, plan_.sizes, options_.threads});
    planned.kernel = choice.kernel;
    planned.reason = choice.reason;
    if (planned.kernel != nullptr && planned.kernel->bind != nullptr)
      planned.bound = planned.kernel->bind({graph_, node, plan_.sizes, options_.threads});
    if (planned.kernel != nullptr && planned.kernel->begin_once) {
      planned.constant_begin = true;
      const std::size_t behind = std::min(planned.kernel->begin_end, node.inputs.size());
      for (std::size_t i = planned.kernel->begin_inputs; i < behind; ++i)
        if (node.inputs[i] != none &&
            (!is_tensor_of_model(graph_.value(node.inputs[i]).kind) || is_updated(node.inputs[i])))
          planned.constant_begin = false;
    }
  }

  // Consecutive steps of one serial kernel each become one step of nodes side by side, unless one
  // reads what another computes.
  void merge_serial_steps() {
    std::vector<PlanStep> merged;
    for (PlanStep& step : plan_.steps) {
      const bool serial =
          !step.tiled && step.nodes[0].kernel != nullptr && step.nodes[0].kernel->serial;
      if (serial && !merged.empty() && merged.back().concurrent &&
          independent(merged.back(), step.nodes[0])) {
        merged.back().nodes.push_back(std::move(step.nodes[0]));
        continue;
      }
      step.concurrent = serial;
      merged.push_back(std::move(step));
    }
    plan_.steps = std::move(merged);
  }

  // Neither reads what the other computes, nor overwrites what the other reads.
  bool independent(const PlanStep& step, const PlannedNode& node) const {
    const Node& late = graph_.node(node.node);
    for (const PlannedNode& planned : step.nodes) {
      for (ValueId id : late.inputs)
        if (id != none && graph_.value(id).producer == planned.node) return false;
      const Node& early = graph_.node(planned.node);
      for (int i : find_op(late.op).in_place)
        if (i >= 0 && std::find(early.inputs.begin(), early.inputs.end(),
                                late.inputs[static_cast<std::size_t>(i)]) != early.inputs.end())
          return false;
    }
    return true;
  }

  bool is_updated(ValueId id) const {
    return std::any_of(graph_.updates.begin(), graph_.updates.end(),
                       [&](const auto& update) { return update.first == id; });
  }

  void find_lifetimes() {
    for (std::size_t s = 0; s < plan_.steps.size(); ++s) {
      for (const PlannedNode& planned : plan_.steps[s].nodes) {
        const Node& node = graph_.node(planned.node);
        for (ValueId id : node.outputs)
          first_[static_cast<std::size_t>(id)] = last_[static_cast<std::size_t>(id)] =
              static_cast<int>(s);
        for (ValueId id : node.inputs)
          if (id != none) last_[static_cast<std::size_t>(id)] = static_cast<int>(s);
      }
    }
    const int end = static_cast<int>(plan_.steps.size());
    for (const auto& [name, id] : graph_.outputs) last_[static_cast<std::size_t>(id)] = end;
    for (const auto& [target, id] : graph_.updates) last_[static_cast<std::size_t>(id)] = end;
  }

  // Outputs that overwrite an input live in its memory.
  void alias_in_place() {
    for (const PlanStep& step : plan_.steps) {
      for (const PlannedNode& planned : step.nodes) {
        const Node& node = graph_.node(planned.node);
        const Op& op = find_op(node.op);
        for (std::size_t i = 0; i < op.in_place.size(); ++i) {
          if (op.in_place[i] < 0) continue;
          const Location owner = plan_.locations[static_cast<std::size_t>(
              node.inputs[static_cast<std::size_t>(op.in_place[i])])];
          if (owner.place != Place::external)
            throw Error(
                ErrorCode::internal,
                fmt::format(
                    "[{}] overwrites %{}, which is neither parameter, buffer nor state", node.op,
                    graph_.value(node.inputs[static_cast<std::size_t>(op.in_place[i])]).name));
          plan_.locations[static_cast<std::size_t>(node.outputs[i])] = owner;
        }
      }
    }
  }

  // Values that live inside one tiled step only get tile memory, shared by lifetime within the
  // tile.
  void lay_out_tile(int index) {
    PlanStep& step = plan_.steps[static_cast<std::size_t>(index)];
    step.tile_rows = choose_tile_rows(step);
    std::map<ValueId, int> last_node;
    for (std::size_t i = 0; i < step.nodes.size(); ++i)
      for (ValueId id : graph_.node(step.nodes[i].node).inputs)
        if (id != none) last_node[id] = static_cast<int>(i);
    std::vector<MemoryBlock> blocks;
    std::vector<ValueId> owners;
    for (std::size_t i = 0; i < step.nodes.size(); ++i) {
      PlannedNode& planned = step.nodes[i];
      const Node& node = graph_.node(planned.node);
      const Op& op = find_op(node.op);
      if (op.rows == RowRule::reduce) {
        planned.partial = step.partial_bytes;
        for (ValueId id : node.outputs)
          planned.partial_bytes += round_up(bytes_of(graph_.type(id), plan_.sizes), 64);
        step.partial_bytes += planned.partial_bytes;
        continue;
      }
      for (ValueId id : node.outputs) {
        if (last_[static_cast<std::size_t>(id)] > index) continue;  // read by a later step: arena
        const auto found = last_node.find(id);
        blocks.push_back({row_bytes(graph_.type(id), plan_.sizes) * step.tile_rows,
                          static_cast<int>(i),
                          found == last_node.end() ? static_cast<int>(i) : found->second});
        owners.push_back(id);
      }
    }
    plan_.tile_bytes = std::max(plan_.tile_bytes, place_blocks(blocks));
    for (std::size_t b = 0; b < blocks.size(); ++b)
      plan_.locations[static_cast<std::size_t>(owners[b])] = {Place::tile, blocks[b].offset};
  }

  std::int64_t choose_tile_rows(const PlanStep& step) const {
    if (options_.tile_rows > 0) return options_.tile_rows;
    std::int64_t weights = 0;
    for (const PlannedNode& planned : step.nodes)
      for (ValueId id : graph_.node(planned.node).inputs)
        if (id != none && is_tensor_of_model(graph_.value(id).kind) &&
            graph_.type(id).dims.size() == 2)
          weights += bytes_of(graph_.type(id), plan_.sizes);
    return weights > large_weight_bytes ? large_tile_rows : default_tile_rows;
  }

  void lay_out_arena() {
    std::vector<MemoryBlock> blocks;
    std::vector<std::int64_t*> results;
    const int end = static_cast<int>(plan_.steps.size());
    for (std::size_t v = 0; v < graph_.values.size(); ++v) {
      if (first_[v] < 0 || plan_.locations[v].place != Place::absent) continue;
      plan_.locations[v].place = Place::arena;
      blocks.push_back({bytes_of(graph_.values[v].type, plan_.sizes), first_[v], last_[v]});
      results.push_back(&plan_.locations[v].offset);
    }
    for (int s = 0; s < end; ++s) {
      PlanStep& step = plan_.steps[static_cast<std::size_t>(s)];
      if (step.partial_bytes > 0 && options_.threads > 1) {
        blocks.push_back({step.partial_bytes * (options_.threads - 1), s, s});
        results.push_back(&step.partials);
      }
      for (PlannedNode& planned : step.nodes) {
        if (planned.kernel == nullptr || planned.kernel->workspace == nullptr) continue;
        const std::size_t bytes = planned.kernel->workspace(
            {graph_, graph_.node(planned.node), plan_.sizes, options_.threads});
        if (bytes == 0) continue;
        // What is packed once must outlive the run.
        blocks.push_back({static_cast<std::int64_t>(bytes), planned.constant_begin ? 0 : s,
                          planned.constant_begin ? end : s});
        results.push_back(&planned.workspace);
      }
    }
    plan_.arena_bytes = place_blocks(blocks);
    for (std::size_t b = 0; b < blocks.size(); ++b) *results[b] = blocks[b].offset;
  }

  const Graph& graph_;
  const PlanOptions& options_;
  Plan plan_;
  std::vector<int> first_, last_;  // steps, by value
};

}  // namespace

KernelChoice choose_kernel(const KernelQuery& query) {
  const Kernel* best = nullptr;
  std::string refusals;
  for (const Kernel& kernel : cpu_kernel_table()) {
    if (kernel.op != query.node.op) continue;
    std::string why_not = kernel.missing != nullptr ? kernel.missing() : "";
    if (why_not.empty() && kernel.refuse != nullptr) why_not = kernel.refuse(query);
    if (!why_not.empty()) {
      refusals += fmt::format("; {} refused: {}", kernel.name, why_not);
    } else if (best == nullptr || kernel.priority > best->priority) {
      best = &kernel;
    }
  }
  if (best == nullptr) return {nullptr, "no kernel takes it: the op's reference runs" + refusals};
  return {best, best->summary + refusals};
}

Plan make_plan(const Graph& graph, const DimSizes& sizes, const PlanOptions& options) {
  if (options.threads < 1)
    throw Error(ErrorCode::invalid_argument, "a plan needs at least one thread");
  return Planner(graph, sizes, options).make();
}

}  // namespace hone
