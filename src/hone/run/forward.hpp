// A model ready to run forward.
#pragma once

#include <string>
#include <vector>

#include "hone/model/model.hpp"
#include "hone/passes/pipelines.hpp"
#include "hone/run/executor.hpp"

namespace hone {

// The graph for running the model forward as `mode` runs it. `reports` (may be null) receives what
// each pass did; `tensors` (may be null) is what the graph names beside the model's own tensors is
// put into.
Graph make_forward_graph(const Model& model, Mode mode,
                         const std::vector<std::string>& disabled = {},
                         std::vector<PassReport>* reports = nullptr,
                         TensorStore* tensors = nullptr);
// That graph, bound to its tensors; of a model that is moved here nothing else is kept. `disabled`
// names passes to leave out. `one_size`: as ExecutorOptions. `reports`: as above.
Executor make_forward(Model model, Mode mode, const std::vector<std::string>& disabled = {},
                      bool one_size = false, std::vector<PassReport>* reports = nullptr);

}  // namespace hone
