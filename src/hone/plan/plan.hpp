// A plan: a graph bound to sizes and a backend. Which steps run in which order, the kernel of each
// node and why, and where every tensor lies in one arena. Pure: making one runs nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hone/backend/kernel.hpp"
#include "hone/graph/graph.hpp"

namespace hone {

enum class Place {
  absent,    // never computed
  external,  // an input, parameter or state: memory that the caller binds
  arena,     // offset from the start of the arena
  tile       // offset from the start of a thread's tile memory; holds a tile of rows at a time
};

struct Location {
  Place place = Place::absent;
  std::int64_t offset = 0;  // bytes; for external: the value id that owns the memory
};

// How one node is computed.
struct PlannedNode {
  NodeId node = none;
  const Kernel* kernel = nullptr;     // null: the op's reference
  std::shared_ptr<const void> bound;  // what the kernel derived from the node
  std::string reason;                 // why this kernel, and why others refused
  std::int64_t workspace = -1;        // arena offset of the kernel's workspace
  bool constant_begin = false;  // begin() depends on parameters that this graph does not change
  // Of a reduce node: offset of its first copy among a thread's partial sums, and its size.
  std::int64_t partial = -1;
  std::int64_t partial_bytes = 0;
};

// Nodes that run together. A step of rows runs all of its nodes on one tile of rows after the
// other.
struct PlanStep {
  std::vector<PlannedNode> nodes;
  bool tiled = false;
  // Independent nodes, each on one thread, run side by side.
  bool concurrent = false;
  Dim rows;  // of a tiled step: what is cut into tiles
  std::int64_t tile_rows = 0;
  std::int64_t partial_bytes = 0;  // of all its reduce nodes, a thread
  std::int64_t partials = -1;      // arena offset of the partial sums of threads 1, 2, ...
};

struct Plan {
  DimSizes sizes;  // the largest sizes it serves
  int threads = 1;
  std::vector<PlanStep> steps;
  std::vector<Location> locations;  // by value
  std::int64_t arena_bytes = 0;
  std::int64_t tile_bytes = 0;  // a thread
};

struct PlanOptions {
  int threads = 1;
  // false: every node by its reference.
  bool use_kernels = true;
  // Rows of a tile; 0: chosen.
  std::int64_t tile_rows = 0;
};

// Nodes that carry a group run as one tiled step each (they must stand together, as group_rows
// leaves them). Throws Error when a kernel or a size does not fit.
Plan make_plan(const Graph& graph, const DimSizes& sizes, const PlanOptions& options);

// The kernel for a node among all that are known: the highest priority that does not refuse.
struct KernelChoice {
  const Kernel* kernel;
  std::string reason;
};
KernelChoice choose_kernel(const KernelQuery& query);

}  // namespace hone
