// Trains BERT-tiny on the embedded reviews, judges it on their test split: train OUT [KEY=VALUE...]
#include <cstdio>
#include <string>

#include <hone/hone.hpp>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: train OUT [KEY=VALUE...]\n");
    return 2;
  }
  try {
    hone::TrainJob job{.model = "bert-tiny", .data = "reviews", .out = argv[1]};
    for (int i = 2; i < argc; ++i) {
      const std::string setting = argv[i];
      const std::size_t at = setting.find('=');
      job.settings[setting.substr(0, at)] = setting.substr(at + 1);
    }
    hone::RunWatcher watcher;
    watcher.on_step = [](const hone::StepReport& step) {
      if (step.step % 100 == 0)
        std::printf("step %d of %d: loss %.3f\n", static_cast<int>(step.step),
                    static_cast<int>(step.steps), step.loss);
    };
    const hone::TrainOutcome trained = hone::train(job, watcher);
    const hone::Judgement test = hone::open(job.out).evaluate("reviews", "test");
    std::printf("%d steps, test accuracy %.4f (%.4f to %.4f) on %d samples\n",
                static_cast<int>(trained.result.steps), test.accuracy, test.interval.low,
                test.interval.high, static_cast<int>(test.samples));
  } catch (const hone::Error& error) {
    std::fprintf(stderr, "error: %s\nhint: %s\n", error.what(), error.hint().c_str());
    return 1;
  }
}
