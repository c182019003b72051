#include "hone/recipes/train_run.hpp"

#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/frontends/adapter.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/lora.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/detail/trace.hpp"
#include "hone/recipes/labels.hpp"
#include "hone/recipes/layers.hpp"
#include "hone/recipes/lora_choice.hpp"
#include "hone/recipes/quantized_summary.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/calibrate.hpp"
#include "hone/train/checkpoint.hpp"
#include "hone/train/choices.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

void remove_parts(const fs::path& out) {
  std::error_code ignored;
  for (const char* part : {"last", "best", "record.jsonl"}) fs::remove_all(out / part, ignored);
}

constexpr double default_validation = 0.1;

// One run, step by step; holds what later steps need.
class Run {
public:
  Run(const TrainRequest& request, const RunWatcher& watcher)
      : request_(request),
        watcher_(watcher),
        options_(make_train_options(request.settings.values)) {
    options_.changes = request.changes;
    if (settings().contains("lora")) lora_ = parse_lora(settings().text("lora"));
  }

  TrainOutcome run() {
    const double begin = now_seconds();
    prepare_out();
    choose_threads();
    load();
    choose_defaults();
    check_training(model_, data_, validation(), options_);
    if (resumes_) check_resume(model_, data_, validation(), options_, request_.out);
    open_record();
    TrainOutcome outcome;
    try {
      outcome = train_and_evaluate();
    } catch (const Error& error) {
      const bool stopped = error.code() == ErrorCode::interrupted;
      end(stopped ? "interrupted" : "failed", now_seconds() - begin, error.message());
      throw;
    } catch (const std::exception& error) {
      end("failed", now_seconds() - begin, error.what());
      throw;
    }
    outcome.seconds = now_seconds() - begin;
    outcome.peak_bytes = peak_memory();
    record_->write({{"event", "memory"},
                    {"peak_bytes", outcome.peak_bytes},
                    {"arena_bytes", outcome.result.arena_bytes}});
    end(outcome.result.finished ? "finished" : "interrupted", outcome.seconds, "", &outcome.result);
    return outcome;
  }

private:
  const Options& settings() const { return request_.settings.values; }

  void say(const std::string& text) const {
    if (watcher_.say) watcher_.say(text);
  }

  const TokenizedData* validation() const {
    return validation_.size() > 0 ? &validation_ : nullptr;
  }

  void end(const char* status, double seconds, const std::string& message,
           const TrainResult* result = nullptr) {
    if (!record_) return;
    Json line{{"event", "end"}, {"status", status}, {"seconds", seconds}};
    if (!message.empty()) line["message"] = message;
    if (result != nullptr && result->finished) {
      line["kept"] = result->kept_best ? "best" : "last";
      line["kept_step"] = result->kept_step;
      line["out_of_patience"] = result->out_of_patience;
    }
    record_->write(line);
  }

  bool has_checkpoint() const { return fs::exists(request_.out / "last" / "hone_state.json"); }

  // The same bits come from the same number of threads only: a resumed run keeps it.
  void choose_threads() const {
    auto threads = static_cast<int>(settings().integer_or("threads", 0));
    const int before = resumes_ ? load_position(request_.out / "last").threads : 0;
    if (before > 0 && threads == 0) {
      set_thread_count(0);
      if (thread_count() != before)
        say(fmt::format("continues on {} threads, as it began", before));
      threads = before;
    } else if (before > 0 && threads != before) {
      say(fmt::format("began on {} threads and continues on {}: results agree, but not bit for bit",
                      before, threads));
    }
    set_thread_count(threads);
  }

  // Nothing is written before all that can be wrong with the input was looked at; but a run that is
  // already here is said at once.
  void prepare_out() {
    const fs::path& out = request_.out;
    if (out.empty())
      throw Error(ErrorCode::invalid_argument, "no folder for the results", "give --out DIR");
    if (fs::exists(out) && !fs::is_directory(out))
      throw Error(ErrorCode::invalid_argument, out.string() + ": is a file, expected a folder",
                  "choose another place with --out");
    std::error_code ignored;
    if (!request_.resume && fs::equivalent(out, request_.model, ignored))
      throw Error(ErrorCode::invalid_argument, out.string() + ": is the model that is read",
                  "choose another folder with --out");
    if (!request_.resume && lora_ && fs::equivalent(out, lora_->adapter, ignored))
      throw Error(ErrorCode::invalid_argument, out.string() + ": is the adapter that is read",
                  "choose another folder with --out");
    if (fs::exists(out)) lock_.emplace(out);
    if (request_.resume) {
      if (!holds_run())
        throw Error(ErrorCode::not_found, out.string() + ": holds no run to resume",
                    "check --out, or leave out --resume to start anew");
      resumes_ = has_checkpoint();
      // A run that was killed early left no weights: these are not its own.
      if (!resumes_ && holds_weights(out))
        throw Error(ErrorCode::not_found, out.string() + ": holds a model, but no run to resume",
                    "check --out, or replace it with --overwrite");
      if (!resumes_) say("no checkpoint was saved before the run ended: starting anew");
      return;
    }
    refuse_other_files();
  }

  bool holds_run() const { return fs::exists(request_.out / "record.jsonl") || has_checkpoint(); }

  void refuse_other_files() const {
    const fs::path& out = request_.out;
    if (!fs::exists(out) || fs::is_empty(out) || request_.overwrite) return;
    throw Error(
        ErrorCode::invalid_argument,
        holds_run() ? out.string() + ": already holds a run" : out.string() + ": is not empty",
        holds_run()
            ? "continue it with --resume, replace it with --overwrite, or choose another --out"
            : "choose another --out, or write into it with --overwrite");
  }

  void load() {
    DataRequest data = make_data_request(request_.data, request_.settings.data);
    const ChosenTokenizer chosen = choose_tokenizer(request_.model, request_.tokenizer, data.kind);
    tokenizer_ = chosen.tokenizer;
    tokenizer_source_ = chosen.source;
    data.split = settings().text_or("split", "train");
    data.seed = options_.seed;
    data.validation = settings().real_or(
        "validation", options_.order.empty() && data.split == "train" ? default_validation : 0);
    if (data.split != "train" && data.validation > 0)
      throw UsageError("validation changes nothing: it is cut from the split train only",
                       "leave it out");
    if (!options_.order.empty() && data.validation > 0)
      throw UsageError(
          "order and validation are both given: the order counts the samples of the whole "
          "split",
          "leave validation out");
    const ModelFacts facts = model_facts(request_.model, request_.settings.model);
    data.max_length =
        length_limit(facts.limits, chosen, settings().integer_or("max_length", 0), watcher_.say);
    // A fresh head gives classes, whatever the one before it gave.
    data.labels =
        settings().boolean_or("fresh_head", false) ? LabelUse::classes : label_use(facts.head);
    data_request_ = data;
    data.validation = 0;
    data_ = load_split(data);
    if (data_.skipped > 0)
      say(fmt::format("{}: {} rows with an empty text are skipped", request_.data, data_.skipped));
    if (!data_.type_ids.empty())
      say(fmt::format("{}: pairs of texts, told apart by token types", request_.data));
    check_two_classes(data_, request_.data);
    load_model_for(data_.label_names);
    check_samples(model_.limits, data_);
    check_order();
    cut();
    match_labels(data_, model_, data_request_, watcher_.say);
    data.split = "validation";
    data.validation = data_request_.validation;
    match_labels(validation_, model_, data, {});
    initialize_learned_steps(model_, data_);
  }

  // The labels of the data name the classes of a fresh head.
  void load_model_for(const std::vector<std::string>& labels) {
    ModelRequest request{
        .name = request_.model, .settings = request_.settings.model, .seed = options_.seed};
    request.vocab_size = tokenizer_->vocab_size();
    request.fresh_head = settings().boolean_or("fresh_head", false);
    if (data_request_.labels == LabelUse::classes) request.label_names = labels;
    model_ = load_model(request);
    if (data_request_.labels == LabelUse::classes) name_classes(model_, labels, watcher_.say);
    // Training moves float32 weights and rounds them in every step; below adapters none move.
    if (!lora_ && !has_adapters(model_.graph)) unpack_weights(model_);
    Quantization formats = request_.formats;
    if (!request_.quantize.empty()) formats = select_formats(model_.graph, request_.quantize);
    if (!formats.empty()) set_formats(model_, formats);
    if (const auto nodes = formats_of(model_.graph).size(); nodes > 0)
      say(fmt::format("{}: {} nodes take number formats{}", request_.model, nodes,
                      lora_ || has_adapters(model_.graph) ? "" : ": quantization-aware training"));
    if (lora_) adapt();
    if (has_adapters(model_.graph)) say(describe_trained(model_));
    check_fit(model_.limits, *tokenizer_, tokenizer_source_, watcher_.say);
    say_report(model_, watcher_.say);
  }

  void adapt() {
    for (const Adapter& adapter : adapters_of(model_.graph))
      if (adapter.settings.name == lora_->settings.name)
        say(fmt::format("{}: its adapter '{}' is replaced (name=OTHER puts one beside it)",
                        request_.model, adapter.settings.name));
    model_.history.push_back(apply_lora(model_, *lora_, options_.seed));
  }

  // What nobody said.
  void choose_defaults() {
    std::vector<std::string> chosen;
    if (!settings().contains("lr")) {
      options_.lr = default_learning_rate(model_);
      chosen.push_back(fmt::format("--lr {:g}", options_.lr));
    }
    if (!settings().contains("epochs") && options_.steps == 0) {
      options_.epochs = default_epochs(model_);
      chosen.push_back(fmt::format("--epochs {:g}", options_.epochs));
    }
    if (!chosen.empty())
      say(fmt::format("{}: {}: {}", request_.model,
                      has_adapters(model_.graph) ? "an adapter is trained"
                      : starts_at_random(model_) ? "the weights start at random"
                                                 : "the weights are pre-trained",
                      fmt::join(chosen, ", ")));
    if (!settings().contains("class_weights")) return;
    if (!data_.targets.empty())
      throw UsageError("class_weights changes nothing: the model gives a value, no classes",
                       "leave it out");
    const std::int64_t classes = model_.head.size;
    options_.class_weights = balanced_class_weights(data_, classes);
    // Weights of 1 are no weights.
    if (std::all_of(options_.class_weights.begin(), options_.class_weights.end(),
                    [](float weight) { return weight == 1; })) {
      options_.class_weights.clear();
      say("class weights: all 1, the data are balanced");
      return;
    }
    std::vector<std::string> weights;
    for (std::size_t c = 0; c < options_.class_weights.size(); ++c)
      weights.push_back(
          fmt::format("{} {:.4g}", data_.label_names.at(c), options_.class_weights[c]));
    say(fmt::format("class weights: {}", fmt::join(weights, ", ")));
  }

  void check_order() const {
    for (std::size_t i = 0; i < options_.order.size(); ++i)
      if (options_.order[i] < 0 || options_.order[i] >= data_.size())
        throw Error(
            ErrorCode::invalid_argument,
            fmt::format("{}: item {}: there is no sample {}, the split has {}",
                        settings().text_or("order", "order"), i, options_.order[i], data_.size()),
            "samples are counted from 0");
  }

  void cut() {
    if (data_request_.validation == 0) return;
    const ValidationCut parts =
        cut_validation(data_.labels, data_request_.validation, data_request_.seed);
    validation_ = subset(data_, parts.validation);
    data_ = subset(data_, parts.train);
  }

  TokenizedData load_split(const DataRequest& request) const {
    return load_tokenized(request, *tokenizer_, [&](std::int64_t done, std::int64_t total) {
      if (watcher_.work) watcher_.work("tokenizing " + request.split, done, total);
      if (watcher_.stop && watcher_.stop())
        throw Error(ErrorCode::interrupted, "stopped while tokenizing");
    });
  }

  Json configuration() const {
    Json config = describe(options_);
    // Below zero means "as the model says": a record holds what was computed with.
    const DropoutRates rates = dropout_rates(model_.graph);
    if (options_.hidden_dropout < 0) config["hidden_dropout"] = rates.hidden;
    if (options_.attention_dropout < 0) config["attention_dropout"] = rates.attention;
    if (options_.classifier_dropout < 0) config["classifier_dropout"] = rates.classifier;
    config["model"] = request_.model;
    config["data"] = request_.data;
    config["split"] = data_request_.split;
    config["tokenizer"] = tokenizer_source_;
    if (lora_) config["lora"] = settings().text("lora");
    config["fresh_head"] = settings().boolean_or("fresh_head", false);
    config["max_length"] = data_request_.max_length;
    config["validation"] = data_request_.validation;
    config["train_samples"] = data_.size();
    config["validation_samples"] = validation_.size();
    config["skipped_rows"] = data_.skipped;
    config["pairs"] = !data_.type_ids.empty();
    config["keep"] = keeps_best(options_, validation()) ? "best" : "last";
    if (validation() != nullptr) config["metric"] = metric_of(model_, options_);
    for (const auto& [key, value] : request_.settings.model) config["model_settings"][key] = value;
    for (const auto& [key, value] : request_.settings.data) config["data_settings"][key] = value;
    return config;
  }

  // The keys of the configuration that are not at their default.
  std::vector<std::string> changed() const {
    std::vector<std::string> keys;
    for (const auto& [name, value] : settings().values()) {
      const OptionSpec& spec = find_option(train_settings(), name, "settings");
      if (spec.default_value != value) keys.push_back(name);
    }
    for (const auto& [key, value] : request_.settings.model)
      keys.push_back("model_settings." + key);
    for (const auto& [key, value] : request_.settings.data) keys.push_back("data_settings." + key);
    return keys;
  }

  // Of the run that is replaced nothing must be taken for this one's, should this one be killed.
  void remove_old_run() const {
    remove_parts(request_.out);
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator(request_.out, ignored)) {
      if (is_model_file(entry.path().filename().string())) fs::remove(entry.path(), ignored);
    }
  }

  // Opened before anything is removed or recorded: its path may be wrong.
  void open_trace() {
    if (!settings().contains("trace")) return;
    trace_.emplace(settings().text("trace"),
                   resumes_ ? load_position(request_.out / "last").step : 0);
  }

  void open_record() {
    std::error_code failed;
    const bool created = fs::create_directories(request_.out, failed);
    if (failed)
      throw Error(
          ErrorCode::io,
          fmt::format("{}: cannot create the folder: {}", request_.out.string(), failed.message()),
          "choose another place with --out");
    if (!lock_) {
      lock_.emplace(request_.out);
      refuse_other_files();  // another run may have begun and ended meanwhile
    }
    try {
      open_trace();
    } catch (...) {
      if (created) fs::remove(request_.out, failed);
      throw;
    }
    if (request_.overwrite && !request_.resume) remove_old_run();
    record_.emplace(request_.out / "record.jsonl", resumes_);
    record_->write({{"event", "run"},
                    {"command", request_.command},
                    {"config", configuration()},
                    {"changed", changed()},
                    {"machine", describe_machine()},
                    {"versions", describe_versions()},
                    {"started", utc_now()}});
    const std::int64_t mean =
        static_cast<std::int64_t>(data_.ids.size()) / std::max<std::int64_t>(data_.size(), 1);
    record_->write({{"event", "model"},
                    {"name", request_.model},
                    {"parameters", parameter_count(model_)},
                    {"layers", describe_layers(model_, mean)}});
    if (!formats_of(model_.graph).empty()) {
      Json line = describe_quantized(model_);
      line["bytes_before"] = 4 * line["parameters"].get<std::int64_t>();
      line["bytes_after"] = packed_bytes(model_);
      line["learned_steps"] = static_cast<std::int64_t>(learned_steps(model_.graph).size());
      record_->write(line);
    }
    say(fmt::format("{}: {} parameters, {} samples of {} tokens on average, {} threads",
                    request_.model, parameter_count(model_), data_.size(), mean, thread_count()));
  }

  TrainOutcome train_and_evaluate() {
    TrainOutcome outcome;
    outcome.parameters = parameter_count(model_);
    TrainEvents events;
    if (request_.before_step)
      events.before_step = [&](std::int64_t step, std::int64_t steps) {
        request_.before_step(model_, data_, step, steps);
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
    outcome.result = train(model_, data_, validation(), options_, request_.out, resumes_, &*record_,
                           events, &*tokenizer_);
    if (outcome.total_steps == 0) {
      outcome.total_steps = outcome.result.steps;
      say(request_.out.string() + ": the run was finished before, no step was left to train");
    }
    for (const KernelTiming& timing : outcome.result.timings)
      record_->write({{"event", "timing"},
                      {"kernel", timing.kernel},
                      {"op", timing.op},
                      {"calls", timing.calls},
                      {"seconds", timing.seconds},
                      {"flop", timing.flop}});
    if (outcome.result.finished) write_other_adapters();
    if (outcome.result.finished && !request_.evaluate_split.empty()) evaluate_at_end(outcome);
    return outcome;
  }

  // The model's own folder holds the adapter that was trained (save_model): the others go beside
  // it, each into a folder of its name as PEFT has them.
  void write_other_adapters() const {
    const std::vector<Adapter> adapters = adapters_of(model_.graph);
    for (const Adapter& adapter : adapters)
      if (&adapter != &main_adapter(adapters))
        write_adapter(request_.out / adapter.settings.name, model_, model_.tensors, adapter);
  }

  void evaluate_at_end(TrainOutcome& outcome) {
    DataRequest request = data_request_;
    request.split = request_.evaluate_split;
    TokenizedData data = load_split(request);
    match_labels(data, model_, request, {});
    check_samples(model_.limits, data);
    Executor forward = make_forward(model_, options_.mode, options_.disabled_passes);
    EvaluateOptions options;
    options.stop = watcher_.stop;
    options.progress = [&](std::int64_t done) {
      if (watcher_.work) watcher_.work("evaluating " + request.split, done, data.size());
    };
    options.name_of = [&](std::int64_t sample) {
      return fmt::format("{}: sample {}", request.split, sample);
    };
    Evaluation evaluation = evaluate(forward, data, options);
    evaluation.logits = {};
    outcome.test = evaluation;
    outcome.test_split = request.split;
    Json line = to_json(evaluation, request.split);
    line["event"] = "eval";
    line["step"] = outcome.result.steps;
    line["epoch"] = options_.epochs;
    record_->write(line);
    if (watcher_.on_evaluation)
      watcher_.on_evaluation(evaluation, request.split, options_.epochs, false);
  }

  const TrainRequest& request_;
  const RunWatcher& watcher_;
  TrainOptions options_;
  std::optional<LoraChoice> lora_;
  bool resumes_ = false;
  std::optional<Tokenizer> tokenizer_;
  std::string tokenizer_source_;
  DataRequest data_request_;
  TokenizedData data_, validation_;
  Model model_;
  std::optional<FolderLock> lock_;
  std::optional<Record> record_;
  std::optional<Trace> trace_;
};

}  // namespace

void remove_run(const fs::path& out) {
  if (!fs::exists(out)) return;
  const FolderLock lock(out);
  remove_parts(out);
}

TrainOutcome run_training(const TrainRequest& request, const RunWatcher& watcher) {
  return Run(request, watcher).run();
}

}  // namespace hone
