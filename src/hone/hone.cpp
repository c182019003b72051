#include "hone/hone.hpp"

#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "hone/core/text.hpp"
#include "hone/data/load.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/recipes/compare_models.hpp"
#include "hone/recipes/labels.hpp"
#include "hone/recipes/loading.hpp"
#include "hone/run/forward.hpp"

namespace hone {
namespace {

TextSettings listed(const SettingMap& settings) { return {settings.begin(), settings.end()}; }

}  // namespace

struct TextClassifier::State {
  Model model;
  Tokenizer tokenizer;
  std::int64_t max_length = 0;
  Executor forward;
};

TextClassifier open(const std::string& name, const OpenOptions& options) {
  if (!std::filesystem::exists(name) && is_builtin_model(name))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' is a built-in model: its weights are untrained", name),
                "train it first, then open the folder of its results");
  Model model = load_model({.name = name});
  ChosenTokenizer chosen = choose_tokenizer(name, options.tokenizer, "");
  check_fit(model.limits, chosen.tokenizer, chosen.source, {});
  const std::int64_t limit = length_limit(model.limits, chosen, options.max_length, {});
  Executor forward = make_forward(model, Mode::compiled);
  return TextClassifier(std::make_shared<TextClassifier::State>(TextClassifier::State{
      std::move(model), std::move(chosen.tokenizer), limit, std::move(forward)}));
}

const std::string& TextClassifier::name() const { return state_->model.name; }
const std::vector<std::string>& TextClassifier::labels() const { return state_->model.labels; }
std::int64_t TextClassifier::parameters() const { return parameter_count(state_->model); }
std::int64_t TextClassifier::bytes() const { return tensor_bytes(state_->model); }

std::vector<Prediction> TextClassifier::predict(const std::vector<std::string>& texts,
                                                const std::vector<std::string>& pairs) const {
  if (texts.empty()) return {};
  if (!pairs.empty() && pairs.size() != texts.size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} texts and {} second texts", texts.size(), pairs.size()),
                "give a second text for every text, or none");
  TextData data;
  data.texts = texts;
  data.pairs = pairs;
  data.labels.assign(texts.size(), 0);
  data.label_names = state_->model.labels;
  data.source = "text";
  const TokenizedData tokens = tokenize(data, state_->tokenizer, state_->max_length);
  check_samples(state_->model.limits, tokens);
  const Tensor logits = answer(state_->forward, samples_of(state_->model, tokens));
  const std::size_t size = static_cast<std::size_t>(state_->model.head.size);
  std::vector<Prediction> predictions;
  for (std::size_t i = 0; i < texts.size(); ++i)
    predictions.push_back(make_prediction(logits.span<float>().subspan(i * size, size),
                                          state_->model.head, state_->model.labels));
  return predictions;
}

Judgement TextClassifier::evaluate(const std::string& data, const std::string& split,
                                   const SettingMap& settings, const RunWatcher& watcher) const {
  DataRequest request = make_data_request(data, listed(settings));
  request.split = split.empty() ? splits_of(request).back() : split;
  check_split_options(request);
  request.max_length = state_->max_length;
  request.labels = label_use(state_->model.head);
  TokenizedData tokens =
      load_tokenized(request, state_->tokenizer, [&](std::int64_t done, std::int64_t total) {
        if (watcher.work) watcher.work("tokenizing", done, total);
      });
  match_labels(tokens, state_->model, request, watcher.say);
  check_samples(state_->model.limits, tokens);
  EvaluateOptions options;
  options.stop = watcher.stop;
  options.progress = [&](std::int64_t done) {
    if (watcher.work) watcher.work("evaluating", done, tokens.size());
  };
  Judgement judgement{hone::evaluate(state_->forward, samples_of(state_->model, tokens), options),
                      {}};
  if (state_->model.head.kind == HeadKind::classes)
    judgement.correct = correct_samples(judgement, tokens);
  return judgement;
}

PairedTest compare(const Judgement& first, const Judgement& second) {
  if (first.correct.empty() || first.correct.size() != second.correct.size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} and {} samples were classified: they cannot be compared",
                            first.correct.size(), second.correct.size()),
                "judge both models on the same split of the same data");
  return compare_correct(first.correct, second.correct);
}

TrainOutcome train(const TrainJob& job, const RunWatcher& watcher) {
  TrainRequest request;
  request.model = job.model;
  request.data = job.data;
  request.out = job.out;
  request.tokenizer = job.tokenizer;
  request.settings = sort_settings(listed(job.settings), train_settings(), true, "settings");
  request.resume = job.resume;
  request.overwrite = job.overwrite;
  request.evaluate_split = job.evaluate_split;
  return run_training(request, watcher);
}

QuantizeOutcome quantize(const QuantizeJob& job, const RunWatcher& watcher) {
  QuantizeRequest request;
  request.model = job.model;
  request.out = job.out;
  request.selections = {{job.nodes, job.format, listed(job.options)}};
  if (!job.calibrate.empty()) request.calibration.emplace().data = job.calibrate;
  if (!job.train_on.empty()) {
    TrainRequest training;
    training.data = job.train_on;
    training.settings =
        sort_settings(listed(job.train_settings), train_settings(), false, "settings");
    request.training = std::move(training);
  }
  return run_quantization(request, watcher);
}

}  // namespace hone
