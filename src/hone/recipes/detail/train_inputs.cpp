#include "hone/recipes/detail/train_inputs.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/passes/batch_norm.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/lora.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/labels.hpp"
#include "hone/tasks/classes.hpp"
#include "hone/train/calibrate.hpp"
#include "hone/train/choices.hpp"

namespace hone {
namespace {

class Loader {
public:
  Loader(const TrainRequest& request, const std::optional<LoraChoice>& lora,
         const TrainOptions& options, const RunWatcher& watcher)
      : request_(request),
        lora_(lora),
        options_(options),
        watcher_(watcher),
        facts_(model_facts(request.model, request.settings.model)),
        chosen_(choose(request, facts_)) {}

  TrainInputs load() {
    TrainInputs in{chosen_.tokenizer, chosen_.source, split_request(), {}, {}, {}};
    DataRequest whole = in.request;
    whole.validation = 0;
    in.data = load_split(whole, in.tokenizer, watcher_);
    if (in.data.skipped > 0)
      say(fmt::format("{}: {} rows with an empty text are skipped", request_.data,
                      in.data.skipped));
    if (!in.data.type_ids.empty())
      say(fmt::format("{}: pairs of texts, told apart by token types", request_.data));
    check_two_classes(in.data, request_.data);
    load_model_for(in);
    check_samples(in.model.limits, in.data);
    check_order(in.data);
    cut(in);
    match_labels(in.data, in.model, in.request, watcher_.say);
    DataRequest validation = in.request;
    validation.split = "validation";
    match_labels(in.validation, in.model, validation, {});
    initialize_learned_steps(in.model, samples_of(in.model, in.data));
    return in;
  }

private:
  const Options& settings() const { return request_.settings.values; }

  static ChosenTokenizer choose(const TrainRequest& request, const ModelFacts& facts) {
    const std::string kind = parse_data(request.data).kind;
    check_reads(find_dataset(kind), static_cast<bool>(facts.image), request.model);
    return choose_tokenizer(request.model, request.tokenizer, kind);
  }

  void say(const std::string& text) const {
    if (watcher_.say) watcher_.say(text);
  }

  DataRequest data_request() const {
    return make_data_request(request_.data, request_.settings.data);
  }

  DataRequest split_request() const {
    DataRequest data = data_request();
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
    data.max_length =
        length_limit(facts_.limits, chosen_, settings().integer_or("max_length", 0), watcher_.say);
    data.image = facts_.image;
    // A fresh head gives classes, whatever the one before it gave.
    data.labels =
        settings().boolean_or("fresh_head", false) ? LabelUse::classes : label_use(facts_.head);
    return data;
  }

  // The labels of the data name the classes of a fresh head.
  void load_model_for(TrainInputs& in) const {
    const std::vector<std::string>& labels = in.data.label_names;
    ModelRequest request{
        .name = request_.model, .settings = request_.settings.model, .seed = options_.seed};
    if (in.tokenizer) request.vocab_size = in.tokenizer.vocab_size();
    request.fresh_head = settings().boolean_or("fresh_head", false);
    if (in.request.labels == LabelUse::classes) request.label_names = labels;
    in.model = load_model(request);
    if (in.request.labels == LabelUse::classes) name_classes(in.model, labels, watcher_.say);
    // Training moves float32 weights and rounds them in every step; below adapters none move.
    if (!lora_ && !has_adapters(in.model.graph)) unpack_weights(in.model);
    if (request_.transform) request_.transform(in.model);
    Quantization formats = request_.formats;
    if (!request_.quantize.empty()) formats = select_formats(in.model.graph, request_.quantize);
    if (!formats.empty() && !request_.keep_batch_norm && !in.model.directory.empty())
      if (const int norms = fold_batch_norm(in.model, formats); norms > 0)
        say(fmt::format("{}: {} batch norms go into the filters of convolutions", request_.model,
                        norms));
    if (!formats.empty()) set_formats(in.model, formats);
    if (const auto nodes = formats_of(in.model.graph).size(); nodes > 0)
      say(fmt::format(
          "{}: {} nodes take number formats{}", request_.model, nodes,
          lora_ || has_adapters(in.model.graph) ? "" : ": quantization-aware training"));
    if (lora_) adapt(in.model);
    if (has_adapters(in.model.graph)) say(describe_trained(in.model));
    check_fit(in.model.limits, in.tokenizer, in.tokenizer_source, watcher_.say);
    say_report(in.model, watcher_.say);
  }

  void adapt(Model& model) const {
    for (const Adapter& adapter : adapters_of(model.graph))
      if (adapter.settings.name == lora_->settings.name)
        say(fmt::format("{}: its adapter '{}' is replaced (name=OTHER puts one beside it)",
                        request_.model, adapter.settings.name));
    model.history.push_back(apply_lora(model, *lora_, options_.seed));
  }

  void check_order(const TokenizedData& data) const {
    for (std::size_t i = 0; i < options_.order.size(); ++i)
      if (options_.order[i] < 0 || options_.order[i] >= data.size())
        throw Error(
            ErrorCode::invalid_argument,
            fmt::format("{}: item {}: there is no sample {}, the split has {}",
                        settings().text_or("order", "order"), i, options_.order[i], data.size()),
            "samples are counted from 0");
  }

  static void cut(TrainInputs& in) {
    if (in.request.validation == 0) return;
    const ValidationCut parts =
        cut_validation(in.data.labels, in.request.validation, in.request.seed);
    in.validation = subset(in.data, parts.validation);
    in.data = subset(in.data, parts.train);
  }

  const TrainRequest& request_;
  const std::optional<LoraChoice>& lora_;
  const TrainOptions& options_;
  const RunWatcher& watcher_;
  ModelFacts facts_;
  ChosenTokenizer chosen_;
};

}  // namespace

TrainInputs load_train_inputs(const TrainRequest& request, const std::optional<LoraChoice>& lora,
                              const TrainOptions& options, const RunWatcher& watcher) {
  return Loader(request, lora, options, watcher).load();
}

TokenizedData load_split(const DataRequest& request, const Tokenizer& tokenizer,
                         const RunWatcher& watcher) {
  return load_tokenized(request, tokenizer, [&](std::int64_t done, std::int64_t total) {
    const char* work = request.image ? "reading" : "tokenizing";
    if (watcher.work) watcher.work(fmt::format("{} {}", work, request.split), done, total);
    if (watcher.stop && watcher.stop())
      throw Error(ErrorCode::interrupted, fmt::format("stopped while {}", work));
  });
}

void choose_defaults(TrainOptions& options, const TrainRequest& request, const TrainInputs& inputs,
                     const RunWatcher& watcher) {
  const Options& given = request.settings.values;
  const auto say = [&](const std::string& text) {
    if (watcher.say) watcher.say(text);
  };
  std::vector<std::string> chosen;
  if (!given.contains("lr")) {
    options.lr = default_learning_rate(inputs.model);
    chosen.push_back(fmt::format("--lr {:g}", options.lr));
  }
  if (!given.contains("epochs") && options.steps == 0) {
    options.epochs = default_epochs(inputs.model);
    chosen.push_back(fmt::format("--epochs {:g}", options.epochs));
  }
  if (!chosen.empty())
    say(fmt::format("{}: {}: {}", request.model,
                    has_adapters(inputs.model.graph) ? "an adapter is trained"
                    : starts_at_random(inputs.model) ? "the weights start at random"
                                                     : "the weights are pre-trained",
                    fmt::join(chosen, ", ")));
  if (!given.contains("class_weights")) return;
  if (!inputs.data.targets.empty())
    throw UsageError("class_weights changes nothing: the model gives a value, no classes",
                     "leave it out");
  options.class_weights = balanced_class_weights(inputs.data, inputs.model.head.size);
  // Weights of 1 are no weights.
  if (std::all_of(options.class_weights.begin(), options.class_weights.end(),
                  [](float weight) { return weight == 1; })) {
    options.class_weights.clear();
    say("class weights: all 1, the data are balanced");
    return;
  }
  std::vector<std::string> weights;
  for (std::size_t c = 0; c < options.class_weights.size(); ++c)
    weights.push_back(
        fmt::format("{} {:.4g}", inputs.data.label_names.at(c), options.class_weights[c]));
  say(fmt::format("class weights: {}", fmt::join(weights, ", ")));
}

}  // namespace hone
