// A network as objective: a trial is a model that is made, changed and trained as its values say.
#pragma once

#include <memory>

#include "hone/recipes/search_settings.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/search/objective.hpp"

namespace hone {

// The whole space of a search over networks: that of the file, and what its [[space.nodes]] add.
// Throws Error(invalid_argument) for a parameter that names nothing.
Space network_space(const SearchSettings& settings);

// Varies every dimension alone. Throws Error(invalid_argument) naming one that changes neither the
// graph nor the tensors nor the training nor a stage.
void check_dimensions(const SearchSettings& settings);

std::unique_ptr<Objective> network_objective(const SearchSettings& settings, Study& study,
                                             const RunWatcher& watcher);

// Judges the best models once on the test split, as the user attribute "hone:test" of the study
// has it: [{"trial", "accuracy", "low", "high", "loss"}]. Those that were judged before are not
// again.
Json judge_winners(const SearchSettings& settings, Study& study, const RunWatcher& watcher);

}  // namespace hone
