// What an executor keeps, and how it runs the steps of a plan. Internal to run/.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "hone/core/error.hpp"
#include "hone/run/executor.hpp"

namespace hone {

struct Executor::State {
  // What a node cost on one thread.
  struct Timing {
    std::uint64_t ticks = 0;
    std::int64_t calls = 0;
    double flop = 0;
  };
  Graph graph;
  ExecutorOptions options;
  std::vector<Tensor> external;  // by value
  std::vector<bool> let_go;      // by value: what a kernel has packed (ExecutorOptions::one_size)
  std::map<DimSizes, Plan> plans;
  Tensor arena;
  std::vector<Tensor> tiles;  // one a thread
  // Every size grows with the named ones: a plan for more serves for less.
  bool sizes_grow = true;
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
        // (What is let go nobody reads, but it is an input that is there.)
        if (let_go[static_cast<std::size_t>(id)])
          return static_cast<std::byte*>(const_cast<void*>(arena.data()));
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

  // One node in one piece.
  void run_whole(const PlannedNode& planned, int thread = 0);
  // A step whose nodes run on one tile of rows after the other.
  void run_tiled(const PlanStep& step);

private:
  struct BoundNode;

  void begin_tiles(const PlanStep& step);
  // After a node's kernel has packed a tensor that nothing else reads.
  void let_go_of_packed(const PlannedNode& planned);
  std::vector<BoundNode> bind_nodes(const PlanStep& step, int thread, int range) const;
  void run_tile(const std::vector<BoundNode>& bound, std::int64_t first_row, std::int64_t rows,
                bool accumulate, int thread);
  void add_partial_sums(const PlanStep& step, std::int64_t rows);
  void count(const PlannedNode& planned, int thread, std::uint64_t begin, std::int64_t rows);
};

Tensor wrap(const TensorView& view);

}  // namespace hone
