// The contract of a kernel: one way to compute an op on one backend. One file in backend/cpu/ a
// member.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/graph/graph.hpp"
#include "hone/graph/op.hpp"

namespace hone {

// Contiguous, row-major memory that somebody else owns. data is null for an absent optional input.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::f32;
  int rank = 0;
  std::array<std::int64_t, 8> dims{};

  template <typename T = float>
  T* as() const {
    return static_cast<T*>(data);
  }
  std::int64_t rows() const { return rank == 0 ? 1 : dims[0]; }
  // Elements of one row.
  std::int64_t columns() const {
    std::int64_t count = 1;
    for (int i = 1; i < rank; ++i) count *= dims[static_cast<std::size_t>(i)];
    return count;
  }
  std::int64_t size() const { return rows() * columns(); }
  explicit operator bool() const { return data != nullptr; }
};

// What a kernel sees of one call. A `rows` or `reduce` kernel gets views of a few rows at a time
// (row inputs and row outputs); whole tensors otherwise.
struct KernelCall {
  std::span<const TensorView> inputs;
  std::span<const TensorView> outputs;
  const Options* attributes = nullptr;
  std::int64_t first_row = 0;  // which row of the full tensor row 0 of the row views is
  bool accumulate = false;     // reduce: add to the outputs instead of overwriting them
  double* flop = nullptr;  // where a kernel adds floating-point operations that depend on the data
  const void* bound = nullptr;     // what Kernel::bind returned
  std::byte* workspace = nullptr;  // Kernel::workspace bytes, shared by the threads of the call
  int thread = 0;
  int threads = 1;

  bool has(std::size_t i) const { return i < inputs.size() && inputs[i].data != nullptr; }
  const TensorView& in(std::size_t i) const { return inputs[i]; }
  const TensorView& out(std::size_t i) const { return outputs[i]; }
};

// What a kernel may look at to accept a node and to size its workspace: the node's types with the
// largest sizes the plan is made for.
struct KernelQuery {
  const Graph& graph;
  const Node& node;
  const DimSizes& sizes;
  int threads;

  Shape input_shape(std::size_t i) const { return evaluate(graph.type(node.inputs[i]), sizes); }
  Shape output_shape(std::size_t i) const { return evaluate(graph.type(node.outputs[i]), sizes); }
  bool has(std::size_t i) const { return i < node.inputs.size() && node.inputs[i] != none; }
};

// Why a kernel of float32 alone cannot take a node of another type; of elementwise ops.
inline std::string refuse_other_than_f32(const KernelQuery& query) {
  const DType dtype = query.graph.type(query.node.inputs[0]).dtype;
  return dtype == DType::f32 ? "" : "it computes f32, not " + std::string(name_of(dtype));
}

struct Kernel : Described {
  std::string op;
  // As the op's rule. A `whole` kernel shares its work among the threads itself (threads.hpp).
  RowRule rows = RowRule::whole;
  // Among kernels that accept, the highest priority is taken.
  int priority = 0;
  // What it needs that this machine does not have, for example instructions; empty or null:
  // nothing.
  std::string (*missing)() = nullptr;
  // Why the kernel cannot take the node; empty: it can. Null: it takes every node of its op.
  std::string (*refuse)(const KernelQuery& query) = nullptr;
  // What the kernel derives from the node once, when the plan is made; null: nothing.
  std::shared_ptr<const void> (*bind)(const KernelQuery& query) = nullptr;
  // Bytes of shared workspace; null: none.
  std::size_t (*workspace)(const KernelQuery& query) = nullptr;
  // Called by each thread before the first tile, or before a `whole` kernel runs, with whole inputs
  // (packing weights); all threads are done before any tile runs.
  void (*begin)(const KernelCall& call) = nullptr;
  // `begin` depends on the inputs from `begin_inputs` to before `begin_end` only: skipped while
  // they are parameters that stay the same.
  bool begin_once = false;
  std::size_t begin_inputs = 1;
  std::size_t begin_end = SIZE_MAX;
  // The input that `begin` copies into the workspace and `run` does not read; -1: none.
  int packed_input = -1;
  // A `whole` kernel that uses one thread: the plan runs independent ones side by side.
  bool serial = false;
  void (*run)(const KernelCall& call) = nullptr;
};

// Every CPU kernel (generated from the folder backend/cpu/).
const std::vector<Kernel>& cpu_kernel_table();
// Name of the vector instructions that the kernels chose at run time, e.g. "AVX3".
std::string cpu_vector_target();
// The sets of them that kernels were built for and this machine has, the best first.
std::vector<std::string> cpu_vector_targets();
// From now on kernels take no better ones than these, libxsmm among them: to see what an older
// machine would make of a model. Of AVX3 (AVX-512 and VNNI) AMX is no part. Throws
// Error(invalid_argument) for what is none of cpu_vector_targets.
void limit_cpu_vectors(const std::string& target);

}  // namespace hone
