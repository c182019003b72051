#include "hone/recipes/train_run.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/threads.hpp"
#include "hone/frontends/adapter.hpp"
#include "hone/passes/lora.hpp"
#include "hone/recipes/detail/run_folder.hpp"
#include "hone/recipes/detail/run_record.hpp"
#include "hone/recipes/detail/trace.hpp"
#include "hone/recipes/detail/train_inputs.hpp"
#include "hone/recipes/detail/train_record.hpp"
#include "hone/recipes/labels.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/forward.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

std::optional<LoraChoice> lora_of(const TrainRequest& request) {
  const Options& settings = request.settings.values;
  if (!settings.contains("lora")) return std::nullopt;
  return parse_lora(settings.text("lora"));
}

TrainOptions options_of(const TrainRequest& request) {
  TrainOptions options = make_train_options(request.settings.values);
  options.changes = request.changes;
  return options;
}

// What comes after a run has the threads that came before it.
class KeptThreads {
public:
  KeptThreads() = default;
  ~KeptThreads() { set_thread_count(before_); }
  KeptThreads(const KeptThreads&) = delete;
  KeptThreads& operator=(const KeptThreads&) = delete;

private:
  int before_ = thread_count();
};

// One run, step by step; holds what later steps need. Nothing is written before all that can be
// wrong with the input was looked at; but a run that is already in the folder is said at once.
class Run {
public:
  Run(const TrainRequest& request, const RunWatcher& watcher)
      : request_(request),
        watcher_(watcher),
        options_(options_of(request)),
        lora_(lora_of(request)),
        folder_(request, lora_ ? fs::path(lora_->adapter) : fs::path(), watcher) {}

  TrainOutcome run() {
    const double begin = now_seconds();
    choose_threads();
    inputs_.emplace(load_train_inputs(request_, lora_, options_, watcher_));
    choose_defaults(options_, request_, *inputs_, watcher_);
    data_ = samples_of(inputs_->model, inputs_->data);
    if (inputs_->has_validation()) validation_ = samples_of(inputs_->model, inputs_->validation);
    check_training(inputs_->model, data_, validation(), options_);
    if (folder_.resumes())
      check_resume(inputs_->model, data_, validation(), options_, request_.out);
    open_record();
    TrainOutcome outcome;
    try {
      outcome = train_and_evaluate();
    } catch (const Error& error) {
      record_->write(end_of(error, now_seconds() - begin));
      throw;
    } catch (const std::exception& error) {
      record_->write(end_of(Error(ErrorCode::internal, error.what()), now_seconds() - begin));
      throw;
    }
    outcome.seconds = now_seconds() - begin;
    outcome.peak_bytes = peak_memory();
    record_->write(MemoryEvent{.peak_bytes = static_cast<double>(outcome.peak_bytes),
                               .arena_bytes = static_cast<double>(outcome.result.arena_bytes)});
    end(outcome);
    return outcome;
  }

private:
  const Samples* validation() const { return validation_ ? &*validation_ : nullptr; }

  void say(const std::string& text) const {
    if (watcher_.say) watcher_.say(text);
  }

  void end(const TrainOutcome& outcome) {
    const TrainResult& result = outcome.result;
    EndEvent end{.status = result.finished ? "finished" : "interrupted",
                 .seconds = outcome.seconds};
    if (result.finished) {
      end.kept = result.kept_best ? "best" : "last";
      end.kept_step = static_cast<double>(result.kept_step);
      end.out_of_patience = result.out_of_patience;
    }
    record_->write(end);
  }

  // The same bits come from the same number of threads only: a resumed run keeps it.
  void choose_threads() const {
    auto threads = static_cast<int>(request_.settings.values.integer_or("threads", 0));
    const int before = folder_.resumes() ? load_position(folder_.last()).threads : 0;
    if (before > 0 && threads == 0) {
      if (thread_count() != before)
        say(fmt::format("continues on {} threads, as it began", before));
      threads = before;
    } else if (before > 0 && threads != before) {
      say(fmt::format("began on {} threads and continues on {}: results agree, but not bit for bit",
                      before, threads));
    }
    // (Else on those of the process: a worker has its share of the cores.)
    if (threads > 0) set_thread_count(threads);
  }

  // Opened before anything is removed or recorded: its path may be wrong.
  void open_trace() {
    const Options& settings = request_.settings.values;
    if (!settings.contains("trace")) return;
    trace_.emplace(settings.text("trace"),
                   folder_.resumes() ? load_position(folder_.last()).step : 0);
  }

  void open_record() {
    const bool created = folder_.open();
    try {
      open_trace();
    } catch (...) {
      std::error_code ignored;
      if (created) fs::remove(request_.out, ignored);
      throw;
    }
    if (request_.overwrite && !request_.resume) folder_.remove_old_run();
    record_.emplace(request_.out / "record.jsonl", folder_.resumes());
    write_run(*record_, request_, *inputs_, options_);
    const ImageInput& image = inputs_->model.image;
    say(fmt::format(
        "{}: {} parameters, {} samples of {}, {} threads", request_.model,
        parameter_count(inputs_->model), data_.size(),
        image ? fmt::format("{} x {} x {} numbers", image.channels, image.height, image.width)
              : fmt::format("{} tokens on average", inputs_->mean_length()),
        thread_count()));
  }

  TrainOutcome train_and_evaluate() {
    TrainOutcome outcome;
    outcome.parameters = parameter_count(inputs_->model);
    TrainEvents events;
    if (request_.before_step)
      events.before_step = [&](std::int64_t step, std::int64_t steps) {
        request_.before_step(inputs_->model, data_, step, steps);
      };
    events.stop = watcher_.stop;
    events.on_checkpoint = watcher_.on_checkpoint;
    events.on_step = [&](const StepReport& step) {
      outcome.total_steps = step.steps;
      if (trace_) trace_->write(step);
      if (watcher_.on_step) watcher_.on_step(step);
    };
    events.on_evaluation = [&](const Evaluation& evaluation, std::int64_t epoch, std::int64_t,
                               bool best) {
      if (watcher_.on_evaluation)
        watcher_.on_evaluation(evaluation, "validation", static_cast<double>(epoch), best);
    };
    outcome.result = train(inputs_->model, data_, validation(), options_, request_.out,
                           folder_.resumes(), &*record_, events, [&](const fs::path& to) {
                             if (inputs_->tokenizer) inputs_->tokenizer.save(to);
                           });
    if (outcome.total_steps == 0) {
      outcome.total_steps = outcome.result.steps;
      say(request_.out.string() + ": the run was finished before, no step was left to train");
    }
    for (const KernelTiming& timing : outcome.result.timings)
      record_->write(TimingEvent{.kernel = timing.kernel,
                                 .op = timing.op,
                                 .calls = static_cast<double>(timing.calls),
                                 .seconds = timing.seconds,
                                 .flop = timing.flop});
    if (outcome.result.finished) write_other_adapters();
    if (outcome.result.finished && !request_.evaluate_split.empty()) evaluate_at_end(outcome);
    return outcome;
  }

  // The model's own folder holds the adapter that was trained (save_model): the others go beside
  // it, each into a folder of its name as PEFT has them.
  void write_other_adapters() const {
    const std::vector<Adapter> adapters = adapters_of(inputs_->model.graph);
    for (const Adapter& adapter : adapters)
      if (&adapter != &main_adapter(adapters))
        write_adapter(request_.out / adapter.settings.name, inputs_->model, inputs_->model.tensors,
                      adapter);
  }

  void evaluate_at_end(TrainOutcome& outcome) {
    DataRequest request = inputs_->request;
    request.split = request_.evaluate_split;
    TokenizedData data = load_split(request, inputs_->tokenizer, watcher_);
    match_labels(data, inputs_->model, request, {});
    check_samples(inputs_->model.limits, data);
    Executor forward = make_forward(inputs_->model, options_.mode, options_.disabled_passes);
    EvaluateOptions options;
    options.stop = watcher_.stop;
    options.progress = [&](std::int64_t done) {
      if (watcher_.work) watcher_.work("evaluating " + request.split, done, data.size());
    };
    options.name_of = [&](std::int64_t sample) {
      return fmt::format("{}: sample {}", request.split, sample);
    };
    Evaluation evaluation = evaluate(forward, samples_of(inputs_->model, data), options);
    evaluation.logits = {};
    outcome.test = evaluation;
    outcome.test_split = request.split;
    record_->write(eval_event(evaluation, request.split, outcome.result.steps, options_.epochs));
    if (watcher_.on_evaluation)
      watcher_.on_evaluation(evaluation, request.split, options_.epochs, false);
  }

  const TrainRequest& request_;
  const RunWatcher& watcher_;
  const KeptThreads threads_;
  TrainOptions options_;
  std::optional<LoraChoice> lora_;
  RunFolder folder_;
  std::optional<TrainInputs> inputs_;
  Samples data_{};
  std::optional<Samples> validation_;
  std::optional<Record> record_;
  std::optional<Trace> trace_;
};

}  // namespace

TrainOutcome run_training(const TrainRequest& request, const RunWatcher& watcher) {
  return Run(request, watcher).run();
}

}  // namespace hone
