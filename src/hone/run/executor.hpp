// Runs a graph: binds memory to a plan and calls its kernels.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hone/core/tensor.hpp"
#include "hone/plan/plan.hpp"

namespace hone {

// What one kernel cost, summed over all its calls and threads.
struct KernelTiming {
  std::string kernel;
  std::string op;
  std::int64_t calls = 0;
  double seconds = 0;  // of one thread; divide by the threads for the share of the wall time
  double flop = 0;
};

struct ExecutorOptions {
  bool use_kernels = true;     // false: every node by its reference
  std::int64_t tile_rows = 0;  // as PlanOptions::tile_rows
  // Every run has the sizes of the first: a tensor that its only kernel has packed is let go.
  bool one_size = false;
};

class Executor {
public:
  // The graph as it is (passes have run). `use_kernels` false: every node by its reference.
  explicit Executor(Graph graph, bool use_kernels = true)
      : Executor(std::move(graph), ExecutorOptions{.use_kernels = use_kernels}) {}
  Executor(Graph graph, const ExecutorOptions& options);
  ~Executor();
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;

  // Binds a parameter or state; its memory is shared, in-place ops write to it.
  void bind(const std::string& name, Tensor tensor);
  // Runs once. Every input of the graph must be given; named sizes follow from their shapes.
  // Returns the graph's outputs (copies). Throws Error naming a missing input, a wrong shape or
  // type.
  std::map<std::string, Tensor> run(const std::map<std::string, Tensor>& inputs);

  const Graph& graph() const;
  const ExecutorOptions& options() const;
  // What is bound to a parameter or state of the graph; empty where nothing is.
  const Tensor& bound(ValueId id) const;
  // The plan for these sizes (made on first use, kept).
  const Plan& plan(const DimSizes& sizes);
  // Parameters were changed from outside: what was packed from them is packed again.
  void parameters_changed();
  std::vector<KernelTiming> timings() const;
  std::int64_t arena_bytes() const;

private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hone
