// What a person sees of a search: a line a trial that ends, and a bar with what runs and the best.
#pragma once

#include <string>
#include <vector>

#include "hone/recipes/train_run.hpp"
#include "hone/search/worker.hpp"

namespace hone {

// Of a training within a trial: it is stopped by Ctrl-C, and shows nothing by itself.
RunWatcher trial_watcher();

class SearchProgress {
public:
  // Trials that are finished already are not shown again.
  SearchProgress(const Study& study, std::int64_t trials);

  // Shows what has changed since the last time.
  void update(const Study& study);
  // The same, called by a worker of this process.
  WorkerEvents events(const Study& study);

private:
  std::int64_t trials_;
  std::int64_t first_;
  std::vector<bool> shown_;  // by number
  std::string best_;         // it changes when a trial ends
};

}  // namespace hone
