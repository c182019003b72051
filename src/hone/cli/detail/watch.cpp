#include "hone/cli/detail/watch.hpp"

#include <fmt/format.h>

#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/interrupt.hpp"
#include "hone/report/numbers.hpp"

namespace hone {

RunWatcher console_watcher() {
  catch_interrupts();
  RunWatcher watcher;
  watcher.say = [](const std::string& text) { console().note(text); };
  watcher.work = [](const std::string& what, std::int64_t done, std::int64_t total) {
    console().progress(what, done, total, 0, {.samples = static_cast<double>(done)}, "samples");
  };
  watcher.on_step = [samples = 0.0, last = std::int64_t{0}](const StepReport& step) mutable {
    if (step.step <= last) {  // the next run of a recipe
      console().finish();
      samples = 0;
    }
    last = step.step;
    samples += static_cast<double>(step.samples);
    console().progress("training", step.step, step.steps, step.step - 1,
                       {.loss = step.loss, .learning_rate = step.lr, .samples = samples},
                       "samples");
  };
  watcher.on_evaluation = [](const Evaluation& evaluation, const std::string& split, double epoch,
                             bool best) {
    console().note(fmt::format(
        "epoch {:g}: {} accuracy {}, loss {}{}", epoch, split,
        show_accuracy(evaluation.accuracy, evaluation.interval.low, evaluation.interval.high),
        format_significant(evaluation.loss), best ? ", the best so far" : ""));
  };
  watcher.stop = interrupted;
  return watcher;
}

}  // namespace hone
