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

// Whether the data have a split that the winners can be judged on.
bool has_test_split(const SearchSettings& settings, const TextSettings& data);

// When no trial is missing any more: removes the models that are not among the best of a study, and
// those that trials with stages began with. keep_models = "all": none.
void tidy_models(const SearchSettings& settings, Study& study, const RunWatcher& watcher);

// Judges the best models once on the test split, as the `test_attribute` of the study
// has it: [{"trial", "accuracy", "low", "high", "loss"}]; null where there is no test split. Those
// that were judged before are not again.
Json judge_winners(const SearchSettings& settings, Study& study, const RunWatcher& watcher);

}  // namespace hone
