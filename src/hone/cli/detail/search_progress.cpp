#include "hone/cli/detail/search_progress.hpp"

#include <fmt/format.h>

#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/interrupt.hpp"
#include "hone/cli/detail/study_tables.hpp"

namespace hone {
namespace {

// "best 0.8612 (trial 3)", "4 on the front".
std::string best_of(const Study& study) {
  std::string text;
  if (study.data().directions.size() == 1) {
    const std::vector<std::int64_t> best = study.best();
    if (!best.empty()) {
      const Trial& trial = study.trials().at(static_cast<std::size_t>(best.front()));
      text += fmt::format("best {:.6g} (trial {})", trial.values.front(), trial.number);
    }
  } else {
    text += fmt::format("{} on the front", study.best().size());
  }
  return text;
}

// "running 7 (step 400: 0.83), 8", behind what is the best.
std::string note_of(const Study& study, const std::string& best) {
  std::string text = best;
  constexpr int most = 4;
  int running = 0;
  for (const Trial& trial : study.trials()) {
    if (trial.state != TrialState::running || ++running > most) continue;
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", running == 1 ? "running " : "",
                        trial.number);
    if (!trial.intermediate.empty())
      text += fmt::format(" (step {}: {:.4g})", trial.intermediate.rbegin()->first,
                          trial.intermediate.rbegin()->second);
  }
  if (running > most) text += fmt::format(" and {} more", running - most);
  return text;
}

}  // namespace

RunWatcher trial_watcher() {
  RunWatcher watcher;
  watcher.stop = interrupted;
  return watcher;
}

SearchProgress::SearchProgress(const Study& study, std::int64_t trials)
    : trials_(trials), first_(study.count_finished()) {
  for (const Trial& trial : study.trials()) shown_.push_back(trial.is_finished());
}

void SearchProgress::update(const Study& study) {
  bool ended = best_.empty();
  shown_.resize(study.trials().size(), false);
  for (std::size_t i = 0; i < shown_.size(); ++i) {
    if (shown_[i] || !study.trials()[i].is_finished()) continue;
    shown_[i] = ended = true;
    console().note(describe_trial(study.data(), study.trials()[i]));
  }
  if (ended) best_ = best_of(study);
  console().progress("trials", study.count_finished(), trials_, first_,
                     {.note = note_of(study, best_)}, "trials");
}

WorkerEvents SearchProgress::events(const Study& study) {
  WorkerEvents events;
  events.began = [&](const Trial& trial, bool taken_over) {
    if (taken_over)
      console().note(fmt::format("trial {}: goes on, its process has ended", trial.number));
    update(study);
  };
  events.ended = [&](const Trial&) { update(study); };
  events.reported = [&](const Trial&, std::int64_t, double) { update(study); };
  return events;
}

}  // namespace hone
