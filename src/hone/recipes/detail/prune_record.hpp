// How a request to prune is told: in a model's history, in records, in results.
#pragma once

#include <string>

#include "hone/recipes/prune_run.hpp"
#include "hone/record/run_events.hpp"

namespace hone {

// How a request prunes, for the history, and to tell two requests apart; "" where it only removes.
std::string prune_history_line(const PruneRequest& request);
// "cubic from 0 to 0.75 of the steps, every 10".
std::string describe(const GradualRequest& gradual);

// A record that begins now; request.out/record.jsonl once the outcome is known.
RunEvent begin_prune_record(const PruneRequest& request);
void write_prune_record(const PruneRequest& request, const PruneOutcome& outcome,
                        const Model& model, const RunEvent& run, double seconds);

}  // namespace hone
