// A model ready to run forward.
#pragma once

#include <string>
#include <vector>

#include "hone/model/model.hpp"
#include "hone/passes/pipelines.hpp"
#include "hone/run/executor.hpp"

namespace hone {

// The graph for running the model forward as `mode` runs it. `reports` (may be null) receives what
// each pass did, `tensors` (may be null) the tensors that the graph names. Those of a model that is
// moved here end as soon as passes have made others of them.
Graph make_forward_graph(Model model, Mode mode, const std::vector<std::string>& disabled = {},
                         std::vector<PassReport>* reports = nullptr,
                         TensorStore* tensors = nullptr);
// That graph, bound to its tensors; of a model that is moved here nothing else is kept. `disabled`
// names passes to leave out. `one_size`: as ExecutorOptions. `reports`: as above.
Executor make_forward(Model model, Mode mode, const std::vector<std::string>& disabled = {},
                      bool one_size = false, std::vector<PassReport>* reports = nullptr);

}  // namespace hone
