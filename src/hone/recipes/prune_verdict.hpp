// Whether pruning made a model faster: measured, and "no faster" where that is so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/model/model.hpp"
#include "hone/recipes/latency.hpp"
#include "hone/record/transform_events.hpp"

namespace hone {

struct PruningVerdict {
  std::int64_t tokens = 0;  // of the one text
  int threads = 0;
  // "dense": the same numbers without masks and without pruned data; "masked": with them, all
  // products dense; "sparse": on sparse kernels where they win, where some do; "removed": zeros
  // that lie in structures taken out, where there are some.
  std::vector<Latency> latencies;
  std::int64_t products = 0, sparse = 0;  // linear nodes of the masked model, those run sparse
  std::string dense_because;              // why a masked one is not; "" where all are
  bool removed = false;                   // the model is the removed one
  // "2.10 x as fast as dense (2.05 to 2.16): 8 of 13 products run on what is left", "no faster
  // ...", of what the model is now; and what removing would give, where that is more.
  std::string text;
};

// Measures a model with masks. `removed`: it with its structures taken out, or null: then that is
// tried on a copy. `tokens` as LatencyOptions.
PruningVerdict judge_pruning(const Model& masked, const Model* removed, std::int64_t tokens);

// What the record of a pruned model says of it.
void add_verdict(PrunedEvent& event, const PruningVerdict& verdict);

}  // namespace hone
