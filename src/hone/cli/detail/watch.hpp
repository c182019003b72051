#pragma once

#include "hone/recipes/train_run.hpp"

namespace hone {

// Shows a run on the console and stops it at Ctrl-C.
RunWatcher console_watcher();

}  // namespace hone
