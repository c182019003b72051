// The contract of a pass: graph in, graph out. One file in passes/ a member. The pipeline verifies
// the graph after every pass, times it and can switch each off by name.
#pragma once

#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/core/tensor_store.hpp"
#include "hone/graph/graph.hpp"

namespace hone {

// What a pass sees.
struct PassCall {
  Graph& graph;
  const Options& options;
  // The tensors that the graph names, for passes that compute with them: they may add more. Null
  // where only the graph is there.
  TensorStore* tensors = nullptr;
};

struct Pass : Described {
  // Rewrites the graph; returns how many places it changed.
  int (*run)(const PassCall& call) = nullptr;
  // Without it the pipelines that name it give no graph that runs: it cannot be switched off.
  bool required = false;
  // Options that follow from others (those of an op that is named); null: none.
  std::vector<OptionSpec> (*more_options)(const Options& given) = nullptr;
};

const std::vector<Pass>& pass_table();
// Throws Error(invalid_argument) naming the nearest known pass.
const Pass& find_pass(const std::string& name);

// All options of a pass that is given these.
std::vector<OptionSpec> options_of(const Pass& pass, const Options& given);

struct PassRequest {
  std::string name;
  Options options = {};
};

// What a pass did, for `hone explain`.
struct PassReport {
  std::string name;
  int changes = 0;
  double seconds = 0;
  std::size_t nodes_after = 0;
};

// Throws Error(invalid_argument) naming a pass that is unknown or required.
void check_disabled(const std::vector<std::string>& disabled);
// Runs passes in order, verifying after each; those in `disabled` are left out.
std::vector<PassReport> run_passes(Graph& graph, const std::vector<PassRequest>& passes,
                                   const std::vector<std::string>& disabled = {},
                                   TensorStore* tensors = nullptr);

}  // namespace hone
