#include "hone/cli/detail/watch.hpp"

#include <fmt/format.h>

#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/interrupt.hpp"
#include "hone/cli/detail/metric_tables.hpp"
#include "hone/report/numbers.hpp"

namespace hone {

RunWatcher console_watcher() {
  catch_interrupts();
  RunWatcher watcher;
  watcher.say = [](const std::string& text) { console().note(text); };
  watcher.work = [](const std::string& what, std::int64_t done, std::int64_t total) {
    console().progress(what, done, total, 0, {.samples = static_cast<double>(done)}, "samples");
  };
  watcher.on_step = [samples = 0.0, seconds = 0.0,
                     last = std::int64_t{-1}](const StepReport& step) mutable {
    if (step.step != last + 1) {  // the first step, or the next run of a recipe
      if (last >= 0) console().finish();
      samples = seconds = 0;
    }
    last = step.step;
    samples += static_cast<double>(step.samples);
    seconds += step.seconds;
    console().progress(
        "training", step.step, step.steps, step.step - 1,
        {.loss = step.loss, .learning_rate = step.lr, .samples = samples, .busy_seconds = seconds},
        "samples");
  };
  watcher.on_evaluation = [](const Evaluation& evaluation, const std::string& split, double epoch,
                             bool best) {
    console().note(terminal_text(
        fmt::format("epoch {:g}: {} {}, loss {}{}", epoch, split, show_main_metric(evaluation),
                    format_significant(evaluation.loss), best ? ", the best so far" : ""),
        console().style()));
  };
  watcher.stop = interrupted;
  return watcher;
}

}  // namespace hone
