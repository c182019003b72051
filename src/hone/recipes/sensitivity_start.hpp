// First trials of a search over number formats, from what each node's format costs alone.
//
// A node takes its cheapest formats (the fewest bits a number) one after the other, all others stay
// as they are: the loss on the validation split tells which of them harms least, and by how much.
// The first trials leave the nodes that are harmed most in their most precise format and give the
// others the cheapest one that harms least: none left, then a quarter, half, three quarters.
#pragma once

#include "hone/recipes/search_settings.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/search/study.hpp"

namespace hone {

// Throws Error(invalid_argument) where a search has no trained model or no choice of formats.
void check_sensitivity_start(const SearchSettings& settings);

// Measures, enqueues the trials, and keeps what was measured as the study's attribute
// "hone:sensitivity": [{"node", "format": {key: value}, "bits", "loss"}], most harmed first, and
// before it {"node": "", "loss"} of the model as it is. Does nothing in a study that has it.
void enqueue_by_sensitivity(const SearchSettings& settings, Study& study,
                            const RunWatcher& watcher);

}  // namespace hone
