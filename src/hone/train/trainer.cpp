#include "hone/train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <future>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/data/batch.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/passes/pass.hpp"
#include "hone/record/run_events.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/checkpoint.hpp"
#include "hone/train/detail/continuation.hpp"
#include "hone/train/schedules/schedule.hpp"
#include "hone/train/stepper.hpp"

namespace hone {
namespace {

// What an option would choose among evaluations that there are none of.
void check_selection(const Samples& data, const Samples* validation, const TrainOptions& options) {
  const std::vector<std::string>& known = data.task->metrics;
  if (!options.metric.empty() &&
      std::find(known.begin(), known.end(), options.metric) == known.end())
    throw Error(ErrorCode::invalid_argument, "unknown metric '" + options.metric + "'",
                did_you_mean(options.metric, known));
  if (validation != nullptr) return;
  for (const auto& [name, given] :
       {std::pair{"keep = best", options.keep == Keep::best},
        std::pair{"patience", options.patience > 0}, std::pair{"metric", !options.metric.empty()}})
    if (given)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{} changes nothing: there is no validation split", name),
                  "leave it out, or keep a share of the data for validation");
}

// The run: which samples each step takes, and what is done between steps.
class Loop {
public:
  Loop(Model& model, const Samples& data, const Samples* validation, const TrainOptions& options,
       std::filesystem::path out, Record* record, const TrainEvents& events,
       const SavePreparation& preparation)
      : model_(model),
        data_(data),
        validation_(validation),
        options_(options),
        out_(std::move(out)),
        record_(record),
        events_(events),
        preparation_(preparation) {
    check_training(model, data, validation, options);
    per_epoch_ = samples_of_epoch(data.data, options);
    steps_per_epoch_ = steps_of_epoch(data.data, options);
    steps_ = steps_of_run(data.data, options);
    metric_ = metric_of(*data.task, options);
    position_.lengths = {{0, steps_}};
    position_.options = identity_of(model, data, validation, options);
  }

  TrainResult run(bool resume) {
    if (resume) position_ = load_resumed(position_.options, out_ / "last");
    rates_ = rates_of(position_, options_);
    if (position_.step == 0) check_start();
    Stepper stepper(model_, data_, options_, rates_);
    // (What is prepared when the loop ends reads the stepper.)
    const std::shared_ptr<void> wait(nullptr, [this](void*) {
      if (next_.inputs.valid()) next_.inputs.wait();
    });
    if (resume) {
      stepper.restore(load_state(out_ / "last"));
      if (record_ != nullptr) record_->write(ResumeEvent{position_.step});
    }
    TrainResult result;
    const double begin = now_seconds();
    bool stopped = false;
    while (!is_done() && !stopped) {
      const StepReport report = step(stepper);
      result.train_seconds += report.seconds;
      result.samples += report.samples;
      result.tokens += report.tokens;
      result.last_loss = report.loss;
      const bool epoch_ends = position_.step % steps_per_epoch_ == 0 || position_.step == steps_;
      const bool evaluation_due =
          options_.evaluate_every > 0 && position_.step % options_.evaluate_every == 0;
      if (epoch_ends || evaluation_due) evaluate_now(stepper, report.epoch);
      stopped = events_.stop && events_.stop() && !is_done();
      const bool due = options_.checkpoint_every > 0
                           ? position_.step % options_.checkpoint_every == 0
                           : epoch_ends;
      if (due || stopped || is_done()) checkpoint(stepper);
    }
    result.finished = is_done();
    if (result.finished) finish(stepper, result);
    result.steps = position_.step;
    result.out_of_patience = position_.step < steps_ && result.finished;
    result.validation = position_.validation;
    result.best = position_.best;
    result.seconds = now_seconds() - begin;
    result.timings = stepper.timings();
    result.arena_bytes = stepper.arena_bytes();
    for (const KernelTiming& timing : result.timings) result.flop += timing.flop;
    return result;
  }

private:
  bool is_done() const {
    return position_.step == steps_ || is_out_of_patience(position_, options_);
  }

  // Writes the model that the run leaves.
  void finish(const Stepper& stepper, TrainResult& result) {
    result.kept_best = keeps_best(options_, validation_ != nullptr) && position_.best;
    result.kept_step = result.kept_best ? position_.best_step : position_.step;
    result.kept_epoch = (result.kept_step - 1) / steps_per_epoch_ + 1;
    TensorStore parameters =
        result.kept_step == position_.step ? stepper.parameters(position_.step) : best_parameters();
    save_checkpoint(out_, model_, parameters, preparation_, nullptr, nullptr);
    model_.tensors = std::move(parameters);
  }

  TensorStore best_parameters() const {
    const std::filesystem::path best = out_ / "best";
    if (!std::filesystem::is_directory(best))
      throw Error(ErrorCode::not_found, best.string() + ": is missing",
                  "it holds the model that this run keeps: put it back, or start anew");
    return load_model({.name = best.string()}).tensors;
  }

  std::vector<std::int64_t> samples_of_step(std::int64_t done) {
    const std::int64_t epoch = done / steps_per_epoch_;
    if (epoch != order_epoch_) {
      order_ =
          options_.order.empty() ? epoch_order(data_.size(), options_.seed, epoch) : options_.order;
      order_epoch_ = epoch;
    }
    const std::int64_t begin = done % steps_per_epoch_ * options_.batch;
    const std::int64_t end = std::min(begin + options_.batch, per_epoch_);
    return {order_.begin() + begin, order_.begin() + end};
  }

  // What overflows before anything was learned is no matter of the learning rate: the first batch
  // goes through the model once, and the error names the node.
  void check_start() {
    std::vector<std::int64_t> indices = samples_of_step(0);
    sort_by_length(data_.data, indices);
    Executor forward = make_forward(model_, options_.mode, options_.disabled_passes);
    EvaluateOptions options;
    options.name_of = [](std::int64_t sample) {
      return fmt::format("before step 1: sample {}", sample);
    };
    answer_batches(forward, data_, cut_batches(data_.data, indices, data_.together()), options);
  }

  // What a step reads is made while the one before it is computed; what is drawn for it depends on
  // its number alone.
  void prepare(const Stepper& stepper, std::int64_t number) {
    next_.numbers = samples_of_step(number - 1);
    next_.inputs = std::async(std::launch::async, [&stepper, number, numbers = next_.numbers] {
      return stepper.prepare(numbers, number);
    });
  }

  StepReport step(Stepper& stepper) {
    const std::int64_t number = position_.step + 1;
    if (!next_.inputs.valid()) prepare(stepper, number);
    const std::vector<std::int64_t> indices = std::move(next_.numbers);
    std::int64_t tokens = 0;
    for (std::int64_t index : indices) tokens += data_.data.length(index);
    if (events_.before_step) events_.before_step(number, steps_);
    const double begin = now_seconds();
    std::vector<Inputs> inputs = next_.inputs.get();
    if (number < steps_) prepare(stepper, number + 1);
    const StepResult result = stepper.step(std::move(inputs), indices, number);
    const double seconds = now_seconds() - begin;
    // (Without the sign that a NaN may have.)
    if (!std::isfinite(result.loss) || !std::isfinite(result.grad_norm)) {
      const std::string remedy =
          options_.clip > 0 ? "lower --lr or --clip" : "lower --lr, or clip gradients (--clip 1)";
      throw Error(
          ErrorCode::numeric,
          fmt::format("step {}: the loss is {} and the gradient norm {}, on samples {}", number,
                      std::abs(result.loss), std::abs(result.grad_norm), fmt::join(indices, ", ")),
          std::filesystem::exists(out_ / "last") ? remedy + "; the last checkpoint is unharmed"
                                                 : remedy);
    }
    position_.step = number;
    const double lr = rates_[static_cast<std::size_t>(number - 1)];
    const StepReport report{(number - 1) / steps_per_epoch_ + 1,
                            number,
                            steps_,
                            result.loss,
                            result.grad_norm,
                            lr,
                            seconds,
                            tokens,
                            static_cast<std::int64_t>(indices.size())};
    if (record_ != nullptr)
      record_->write(StepEvent{.step = report.step,
                               .epoch = static_cast<double>(report.epoch),
                               .loss = report.loss,
                               .grad_norm = report.grad_norm,
                               .lr = report.lr,
                               .tokens = static_cast<double>(report.tokens),
                               .samples = static_cast<double>(report.samples),
                               .seconds = report.seconds});
    if (events_.on_step) events_.on_step(report);
    return report;
  }

  void evaluate_now(Stepper& stepper, std::int64_t epoch) {
    if (validation_ == nullptr) return;
    Model current = model_;
    current.tensors = stepper.parameters(position_.step);
    Executor forward = make_forward(current, options_.mode, options_.disabled_passes);
    EvaluateOptions evaluate_options;
    evaluate_options.name_of = [&](std::int64_t sample) {
      return fmt::format("validation after step {}: sample {}", position_.step, sample);
    };
    Evaluation evaluation = evaluate(forward, *validation_, evaluate_options);
    evaluation.logits = {};
    const bool best = is_better(evaluation);
    position_.validation = evaluation;
    if (record_ != nullptr)
      record_->write(
          eval_event(evaluation, "validation", position_.step, static_cast<double>(epoch)));
    position_.since_best = best ? 0 : position_.since_best + 1;
    if (best) {
      position_.best = evaluation;
      position_.best_step = position_.step;
      save_checkpoint(out_ / "best", model_, current.tensors, preparation_, nullptr, nullptr);
    }
    if (events_.on_evaluation) events_.on_evaluation(evaluation, epoch, position_.step, best);
  }

  // A metric that is undefined is worse than any other.
  bool is_better(const Evaluation& evaluation) const {
    if (!position_.best) return true;
    const double now = metric_value(evaluation, metric_);
    const double before = metric_value(*position_.best, metric_);
    if (std::isnan(now) || std::isnan(before)) return !std::isnan(now);
    return higher_is_better(metric_) ? now > before : now < before;
  }

  void checkpoint(const Stepper& stepper) {
    const TensorStore state = stepper.state();
    position_.threads = thread_count();
    save_checkpoint(out_ / "last", model_, stepper.parameters(position_.step), preparation_,
                    &position_, &state);
    if (events_.on_checkpoint) events_.on_checkpoint(out_ / "last", position_.step);
  }

  Model& model_;
  const Samples& data_;
  const Samples* validation_;
  const TrainOptions& options_;
  std::filesystem::path out_;
  Record* record_;
  const TrainEvents& events_;
  const SavePreparation& preparation_;
  std::int64_t per_epoch_ = 0, steps_per_epoch_ = 0, steps_ = 0;
  std::string metric_;
  TrainPosition position_;
  std::vector<std::int64_t> order_;
  std::int64_t order_epoch_ = -1;
  // Of the next step.
  struct {
    std::vector<std::int64_t> numbers;
    std::future<std::vector<Inputs>> inputs;
  } next_;
  std::vector<float> rates_;
};

}  // namespace

namespace {

// Batch norm takes the variance of at least two numbers a channel from every micro-batch, also from
// the last of an epoch, which may be small.
void check_batch_norm(const Model& model, const Samples& data, const TrainOptions& options) {
  const auto smallest_part = [&](std::int64_t samples) {
    return samples / std::min(options.accumulate, samples);
  };
  const std::int64_t epoch = samples_of_epoch(data.data, options), rest = epoch % options.batch;
  std::int64_t fewest = smallest_part(std::min(options.batch, epoch));
  if (rest > 0 && steps_of_run(data.data, options) >= steps_of_epoch(data.data, options))
    fewest = std::min(fewest, smallest_part(rest));
  for (const Node& node : model.graph.nodes) {
    // (That of an imported network may be constant: it stays as it is.)
    if (node.op != "batch_norm" || model.graph.value(node.inputs[3]).kind != ValueKind::buffer)
      continue;
    const std::vector<Dim>& dims = model.graph.type(node.inputs[0]).dims;
    const auto axis = static_cast<std::size_t>(node.attributes.integer("axis"));
    std::int64_t numbers = fewest;
    for (std::size_t i = 1; i < dims.size(); ++i)
      if (i != axis) numbers *= dims[i].is_fixed() ? dims[i].offset : 2;
    if (numbers < 2)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{} would see one number a channel, which has no variance: with {} "
                              "samples an epoch, {} a step{}, some pass through the model alone",
                              model.graph.value(node.outputs[0]).name, epoch, options.batch,
                              options.accumulate > 1
                                  ? fmt::format(" in {} micro-batches", options.accumulate)
                                  : ""),
                  "choose another --batch, so that none is left with a single sample");
  }
}

}  // namespace

bool keeps_best(const TrainOptions& options, bool has_validation) {
  return options.keep == Keep::best || (options.keep == Keep::automatic && has_validation);
}

void check_training(const Model& model, const Samples& data, const Samples* validation,
                    const TrainOptions& options) {
  require_loss(*data.task);
  if (options.batch < 1)
    throw Error(ErrorCode::invalid_argument, "a batch has at least one sample");
  if (options.accumulate < 1)
    throw Error(ErrorCode::invalid_argument, "accumulate: a step has at least one micro-batch");
  for (std::int64_t index : options.order)
    if (index < 0 || index >= data.size())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the order names sample {}, the data has samples 0 to {}", index,
                              data.size() - 1));
  if (samples_of_epoch(data.data, options) == 0)
    throw Error(ErrorCode::invalid_argument, "there are no samples to train on");
  const std::int64_t steps = steps_of_run(data.data, options);
  if (steps < 1)
    throw Error(ErrorCode::invalid_argument, "the run has no steps",
                "give --epochs or --steps above zero");
  for (const std::string& name : data.task->columns) data.data.column(name);
  for (const std::string& name : data.task->targets) data.data.column(name);
  for (std::int64_t i = 0; data.task->refusal != nullptr && i < data.size(); ++i)
    if (const std::string why = data.task->refusal(data.data, i, model.head.size); !why.empty())
      throw Error(ErrorCode::invalid_argument, fmt::format("sample {}: {}", i, why));
  check_disabled(options.disabled_passes);
  optimizer_options(options);
  make_schedule(options.schedule, options.lr, options.warmup, steps, options.schedule_options);
  check_selection(data, validation, options);
  check_batch_norm(model, data, options);
  if (data.task->check_loss != nullptr)
    data.task->check_loss({options.class_weights, options.mixup > 0}, model.head.size);
  for (const auto& [name, given] :
       {std::pair{"crop", options.crop > 0}, std::pair{"flip", options.flip},
        std::pair{"mixup", options.mixup > 0}})
    if (given && data.task->augment == nullptr)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{} changes nothing: the model is for {} ({})", name, data.task->name,
                              data.task->summary),
                  "leave it out: it is of pictures");
}

namespace {

// What is frozen stands in the checkpoint's model alone: it must be what it was.
void check_frozen(const Model& model, const std::filesystem::path& place) {
  const auto& values = model.graph.values;
  if (std::none_of(values.begin(), values.end(), [](const Value& value) { return value.frozen; }))
    return;
  const Model saved = load_model({.name = place.string()});
  for (const std::string& name : model.tensors.names()) {
    if (!is_frozen(model, name)) continue;
    const Tensor& own = model.tensors.at(name);
    const Tensor& kept = saved.tensors.at(name);
    if (own.bytes() != kept.bytes() || std::memcmp(own.data(), kept.data(), own.bytes()) != 0)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: '{}', which is frozen, is not what the run began with",
                              model.name, name),
                  "resume with the model that the run began with");
  }
}

}  // namespace

void check_resume(const Model& model, const Samples& data, const Samples* validation,
                  const TrainOptions& options, const std::filesystem::path& out) {
  const std::filesystem::path place = out / "last";
  const TrainPosition position = load_resumed(identity_of(model, data, validation, options), place);
  const TensorStore state = load_state(place);
  for (const std::string& name : model.tensors.names())
    if (!is_frozen(model, name) && !state.contains(name))
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: the checkpoint lacks the tensor '{}'", place.string(), name),
                  "the checkpoint is damaged: start anew with --overwrite");
  check_frozen(model, place);
}

TrainResult train(Model& model, const Samples& data, const Samples* validation,
                  const TrainOptions& options, const std::filesystem::path& out, bool resume,
                  Record* record, const TrainEvents& events, const SavePreparation& preparation) {
  return Loop(model, data, validation, options, out, record, events, preparation).run(resume);
}

}  // namespace hone
