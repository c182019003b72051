#include "hone/train/trainer.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/threads.hpp"
#include "hone/passes/pass.hpp"
#include "hone/run/clock.hpp"
#include "hone/train/checkpoint.hpp"
#include "hone/train/schedule.hpp"
#include "hone/train/stepper.hpp"

namespace hone {
namespace {

const char* name_of(Mode mode) {
  return mode == Mode::compiled ? "compiled" : mode == Mode::eager ? "eager" : "reference";
}

// What a resumed run must find again: {samples, tokens, sha256}.
Json fingerprint(const TokenizedData& data) {
  const std::string parts = sha256(std::as_bytes(std::span(data.ids))) +
                            sha256(std::as_bytes(std::span(data.offsets))) +
                            sha256(std::as_bytes(std::span(data.labels)));
  return {{"samples", data.size()},
          {"tokens", static_cast<std::int64_t>(data.ids.size())},
          {"sha256", sha256(parts)}};
}

std::int64_t samples_of_epoch(const TokenizedData& data, const TrainOptions& options) {
  return options.order.empty() ? data.size() : static_cast<std::int64_t>(options.order.size());
}

std::int64_t steps_of_epoch(const TokenizedData& data, const TrainOptions& options) {
  return (samples_of_epoch(data, options) + options.batch - 1) / options.batch;
}

std::int64_t steps_of_run(const TokenizedData& data, const TrainOptions& options) {
  if (options.steps > 0) return options.steps;
  return static_cast<std::int64_t>(
      std::ceil(options.epochs * static_cast<double>(steps_of_epoch(data, options))));
}

// The run: which samples each step takes, and what is done between steps.
class Loop {
public:
  Loop(Model& model, const TokenizedData& data, const TokenizedData* validation,
       const TrainOptions& options, std::filesystem::path out, Record* record,
       const TrainEvents& events, const Tokenizer* tokenizer)
      : model_(model),
        data_(data),
        validation_(validation),
        options_(options),
        out_(std::move(out)),
        record_(record),
        events_(events),
        tokenizer_(tokenizer) {
    check_training(model, data, options);
    per_epoch_ = samples_of_epoch(data, options);
    steps_per_epoch_ = steps_of_epoch(data, options);
    steps_ = steps_of_run(data, options);
    position_.options = describe(options);
    position_.options["data"] = fingerprint(data);
    position_.options["total_steps"] = steps_;
    position_.options["config"] = model.config;
  }

  TrainResult run(bool resume) {
    Stepper stepper(model_, options_,
                    make_schedule(options_.schedule, options_.lr, options_.warmup, steps_));
    if (resume) restore(stepper);
    TrainResult result;
    const double begin = now_seconds();
    bool stopped = false;
    while (position_.step < steps_ && !stopped) {
      const StepReport report = step(stepper);
      result.train_seconds += report.seconds;
      result.samples += report.samples;
      result.tokens += report.tokens;
      result.last_loss = report.loss;
      const bool epoch_ends = position_.step % steps_per_epoch_ == 0 || position_.step == steps_;
      if (epoch_ends) evaluate_epoch(stepper, report.epoch);
      stopped = events_.stop && events_.stop() && position_.step < steps_;
      const bool due = options_.checkpoint_every > 0
                           ? position_.step % options_.checkpoint_every == 0
                           : epoch_ends;
      if (due || stopped || position_.step == steps_) checkpoint(stepper);
    }
    result.finished = position_.step == steps_;
    if (result.finished) {
      ParameterStore parameters = stepper.parameters(position_.step);
      save_checkpoint(out_, model_, parameters, tokenizer_, nullptr, nullptr);
      model_.parameters = parameters;
    }
    result.steps = position_.step;
    result.validation = position_.validation;
    result.best = position_.best;
    result.seconds = now_seconds() - begin;
    result.timings = stepper.timings();
    result.arena_bytes = stepper.arena_bytes();
    for (const KernelTiming& timing : result.timings) result.flop += timing.flop;
    return result;
  }

private:
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

  StepReport step(Stepper& stepper) {
    const std::vector<std::int64_t> indices = samples_of_step(position_.step);
    const std::int64_t number = position_.step + 1;
    std::int64_t tokens = 0;
    for (std::int64_t index : indices) tokens += data_.length(index);
    const double begin = now_seconds();
    const StepResult result = stepper.step(data_, indices, number);
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
    const double lr = make_rate(number);
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
      record_->write({{"event", "step"},
                      {"epoch", report.epoch},
                      {"step", report.step},
                      {"loss", report.loss},
                      {"grad_norm", report.grad_norm},
                      {"lr", report.lr},
                      {"tokens", report.tokens},
                      {"samples", report.samples},
                      {"seconds", report.seconds}});
    if (events_.on_step) events_.on_step(report);
    return report;
  }

  double make_rate(std::int64_t number) {
    if (rates_.empty())
      rates_ = make_schedule(options_.schedule, options_.lr, options_.warmup, steps_);
    return rates_[static_cast<std::size_t>(number - 1)];
  }

  void evaluate_epoch(Stepper& stepper, std::int64_t epoch) {
    if (validation_ == nullptr || !options_.evaluate_each_epoch) return;
    Model current = model_;
    current.parameters = stepper.parameters(position_.step);
    Executor forward = make_forward(current, options_.mode, options_.disabled_passes);
    EvaluateOptions evaluate_options;
    const Evaluation evaluation = evaluate(forward, *validation_, evaluate_options);
    const bool best = !position_.best || evaluation.accuracy > position_.best->accuracy;
    position_.validation = evaluation;
    position_.validation->logits = {};
    if (record_ != nullptr)
      record_->write(
          {{"event", "eval"},
           {"epoch", epoch},
           {"step", position_.step},
           {"split", "validation"},
           {"samples", evaluation.samples},
           {"accuracy", evaluation.accuracy},
           {"low", evaluation.interval.low},
           {"high", evaluation.interval.high},
           {"loss", evaluation.loss},
           {"seconds", evaluation.seconds},
           {"samples_per_second", static_cast<double>(evaluation.samples) / evaluation.seconds}});
    if (best) {
      position_.best = position_.validation;
      save_checkpoint(out_ / "best", model_, current.parameters, tokenizer_, nullptr, nullptr);
    }
    if (events_.on_evaluation) events_.on_evaluation(evaluation, epoch, position_.step, best);
  }

  void checkpoint(const Stepper& stepper) {
    const ParameterStore state = stepper.state();
    position_.threads = thread_count();
    save_checkpoint(out_ / "last", model_, stepper.parameters(position_.step), tokenizer_,
                    &position_, &state);
    if (events_.on_checkpoint) events_.on_checkpoint(out_ / "last", position_.step);
  }

  void restore(Stepper& stepper) {
    TrainPosition saved = load_position(out_ / "last");
    for (const auto& [key, value] : position_.options.items()) {
      if (saved.options.contains(key) && saved.options[key] == value) continue;
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: this run has {} = {}, the checkpoint has {}",
                              (out_ / "last").string(), key, value.dump(),
                              saved.options.contains(key) ? saved.options[key].dump() : "none"),
                  "resume with the same options, or start anew without --resume");
    }
    stepper.restore(load_state(out_ / "last"));
    position_ = std::move(saved);
    if (record_ != nullptr) record_->write({{"event", "resume"}, {"step", position_.step}});
  }

  Model& model_;
  const TokenizedData& data_;
  const TokenizedData* validation_;
  const TrainOptions& options_;
  std::filesystem::path out_;
  Record* record_;
  const TrainEvents& events_;
  const Tokenizer* tokenizer_;
  std::int64_t per_epoch_ = 0, steps_per_epoch_ = 0, steps_ = 0;
  TrainPosition position_;
  std::vector<std::int64_t> order_;
  std::int64_t order_epoch_ = -1;
  std::vector<float> rates_;
};

}  // namespace

Json describe(const TrainOptions& o) {
  Json json{{"epochs", o.epochs},
            {"steps", o.steps},
            {"batch", o.batch},
            {"accumulate", o.accumulate},
            {"lr", o.lr},
            {"weight_decay", o.weight_decay},
            {"decay_all", o.decay_all},
            {"optimizer", o.optimizer},
            {"beta1", o.beta1},
            {"beta2", o.beta2},
            {"epsilon", o.epsilon},
            {"momentum", o.momentum},
            {"schedule", o.schedule},
            {"warmup", o.warmup},
            {"clip", o.clip},
            {"hidden_dropout", o.hidden_dropout},
            {"attention_dropout", o.attention_dropout},
            {"classifier_dropout", o.classifier_dropout},
            {"seed", o.seed},
            {"mode", name_of(o.mode)},
            {"disabled_passes", o.disabled_passes}};
  if (!o.order.empty()) json["order"] = sha256(std::as_bytes(std::span(o.order)));
  return json;
}

void check_training(const Model& model, const TokenizedData& data, const TrainOptions& options) {
  if (options.batch < 1)
    throw Error(ErrorCode::invalid_argument, "a batch has at least one sample");
  if (options.accumulate < 1)
    throw Error(ErrorCode::invalid_argument, "accumulate: a step has at least one micro-batch");
  for (std::int64_t index : options.order)
    if (index < 0 || index >= data.size())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the order names sample {}, the data has samples 0 to {}", index,
                              data.size() - 1));
  if (samples_of_epoch(data, options) == 0)
    throw Error(ErrorCode::invalid_argument, "there are no samples to train on");
  const std::int64_t steps = steps_of_run(data, options);
  if (steps < 1)
    throw Error(ErrorCode::invalid_argument, "the run has no steps",
                "give --epochs or --steps above zero");
  const std::int64_t classes = model.parameters.at("classifier.weight").shape()[0];
  for (std::int64_t i = 0; i < data.size(); ++i)
    if (data.labels[static_cast<std::size_t>(i)] < 0 ||
        data.labels[static_cast<std::size_t>(i)] >= classes)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("sample {}: label {} is outside the model's {} classes", i,
                              data.labels[static_cast<std::size_t>(i)], classes));
  for (const std::string& pass : options.disabled_passes) {
    find_pass(pass);
    if (pass == "differentiate" || pass == "append_optimizer")
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("there is no training without the pass '{}'", pass),
                  "leave it out of disable_pass");
  }
  make_schedule(options.schedule, options.lr, options.warmup, steps);
}

TrainResult train(Model& model, const TokenizedData& data, const TokenizedData* validation,
                  const TrainOptions& options, const std::filesystem::path& out, bool resume,
                  Record* record, const TrainEvents& events, const Tokenizer* tokenizer) {
  return Loop(model, data, validation, options, out, record, events, tokenizer).run(resume);
}

}  // namespace hone
