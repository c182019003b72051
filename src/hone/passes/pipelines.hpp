// Which passes run when: the one list.
#pragma once

#include <string>
#include <vector>

#include "hone/passes/dropout.hpp"
#include "hone/passes/pass.hpp"

namespace hone {

// How a graph is run: by the reference functions of its ops, node by node, or as one plan.
enum class Mode { reference, eager, compiled };
Mode parse_mode(const std::string& text);

// Of a source graph.
std::vector<PassRequest> inference_pipeline(Mode mode);

// Of a source graph with a loss: the gradients of that network as it runs forward (no dropout,
// known means and variances).
std::vector<PassRequest> gradient_pipeline();
// Of a source graph: as other runtimes take it, packed texts as dense batches where it has them.
std::vector<PassRequest> export_pipeline(bool packed_texts);

struct TrainingLowering {
  Mode mode = Mode::compiled;
  DropoutRates dropout = {};
  Options optimizer = {};  // of the pass append_optimizer
};
// Of a source graph with a loss: a whole step.
std::vector<PassRequest> training_pipeline(const TrainingLowering& lowering);
// The same in two graphs: one that adds gradients up over micro-batches, and, of a graph whose
// outputs "grad.*" are those sums, the update.
std::vector<PassRequest> accumulating_pipeline(const TrainingLowering& lowering);
std::vector<PassRequest> update_pipeline(const TrainingLowering& lowering);

}  // namespace hone
