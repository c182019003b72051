// The contract of a pass: graph in, graph out. One file in passes/ a member. The pipeline verifies
// the graph after every pass, times it and can switch each off by name.
#pragma once

#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/graph/graph.hpp"

namespace hone {

struct Pass : Described {
  // Rewrites the graph; returns how many places it changed.
  int (*run)(Graph& graph, const Options& options) = nullptr;
};

const std::vector<Pass>& pass_table();
// Throws Error(invalid_argument) naming the nearest known pass.
const Pass& find_pass(const std::string& name);

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

// Runs passes in order, verifying after each; those in `disabled` are left out.
std::vector<PassReport> run_passes(Graph& graph, const std::vector<PassRequest>& passes,
                                   const std::vector<std::string>& disabled = {});

}  // namespace hone
