#include "hone/recipes/detail/train_settings.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"

namespace hone {
namespace {

// Of classes, then of values.
std::vector<std::string> all_metric_names() {
  std::vector<std::string> names = metric_names(true);
  const std::vector<std::string>& values = metric_names(false);
  names.insert(names.end(), values.begin(), values.end());
  return names;
}

OptionSpec whole(const char* name, std::optional<OptionValue> value, const char* help,
                 double minimum, double maximum = 1e15) {
  return {name, OptionType::integer, std::move(value), help, minimum, maximum};
}

OptionSpec real(const char* name, std::optional<OptionValue> value, const char* help,
                double minimum, double maximum) {
  return {name, OptionType::real, std::move(value), help, minimum, maximum};
}

OptionSpec text(const char* name, std::optional<OptionValue> value, const char* help,
                std::vector<std::string> choices = {}) {
  OptionSpec spec{name, OptionType::text, std::move(value), help};
  spec.choices = std::move(choices);
  return spec;
}

std::vector<OptionSpec> make_settings() {
  const TrainOptions d;
  const auto limit = std::optional<OptionValue>();
  return {
      text("split", "train", "the split to train on", {"train", "test"}),
      real("epochs", limit,
           "passes over the data; may be a fraction; default: 3, or 8 for a model that starts at "
           "random",
           1e-6, 1e6),
      whole("steps", limit, "stop after this many steps, instead of --epochs", 1),
      whole("batch", d.batch, "samples of a step", 1, 1e6),
      real("lr", limit,
           "learning rate; default: 5e-5, or 0.032 / hidden_size for a model that starts at random "
           "(bert-tiny: 2.5e-4)",
           0, 1e6),
      real("weight_decay", d.weight_decay, "decay of matrices and embeddings", 0, 1e3),
      text("schedule", d.schedule, "how the learning rate goes", {"linear", "cosine", "constant"}),
      real("warmup", d.warmup, "steps the rate rises from zero; below 1: a share of all", 0, 1e12),
      real("clip", d.clip, "largest gradient norm; 0: no clipping", 0, 1e9),
      real("dropout", limit, "all three dropouts of the model; default: as its config says", 0,
           0.99),
      text("keep", limit,
           "which model --out holds at the end; default: best where there is a validation split, "
           "else last",
           {"best", "last"}),
      text("metric", limit,
           "what best means on the validation split; default: accuracy, of models that give a "
           "value mse",
           all_metric_names()),
      whole("patience", limit,
            "end after this many evaluations in a row that are not better; default: never", 1, 1e9),
      text("class_weights", limit,
           "balanced: in the loss a class counts n / (classes * its samples); default: all alike",
           {"balanced"}),
      whole("max_length", limit,
            "longest text in tokens; the end is cut; default: 512, or what the model takes", 1,
            1e6),
      whole("checkpoint_every", limit, "steps between checkpoints; default: each epoch", 1),
      whole("seed", std::int64_t{0}, "of fresh weights, order, dropout and validation split", 0),
      whole("threads", limit, "threads; default: all cores", 1, 4096),
      text("order", limit, "JSON array of the sample numbers to train on, in this order"),
      text("trace", limit, "write a JSON line a step: step loss grad_norm lr tokens seconds"),
      text("mode", "compiled", "how the graph runs", {"compiled", "eager", "reference"}),
      {"fresh_head", OptionType::boolean, false,
       "start a new classifier for the labels of the data; that of the model is dropped"},
      text("lora", limit,
           "train an adapter of low rank beside frozen weights: keys and values joined by commas, "
           "as rank=8,alpha=16,dropout=0.1,targets=query+value (all keys below); 'default' takes "
           "them as they are"),
      {"decay_all", OptionType::boolean, false, "decay biases and layer norms as well"},
      real("hidden_dropout", limit, "dropout after embeddings and layers", 0, 0.99),
      real("attention_dropout", limit, "dropout of attention weights", 0, 0.99),
      real("classifier_dropout", limit, "dropout before the classifier", 0, 0.99),
      text("optimizer", d.optimizer, "what updates the weights", {"adamw", "sgd"}),
      real("momentum", limit, "of sgd; default: 0", 0, 0.999999),
      real("beta1", limit, "of adamw; default: 0.9", 0, 0.999999),
      real("beta2", limit, "of adamw; default: 0.999", 0, 0.99999999),
      real("epsilon", limit, "of adamw; default: 1e-8", 1e-30, 1),
      whole("accumulate", d.accumulate,
            "parts a step is computed in: less memory, the same step (dropout takes other units)",
            1, 1e6),
      real("validation", limit, "share of train kept for validation; default: 0.1, with --order 0",
           0, 0.9),
      text("disable_pass", limit, "passes to leave out, separated by commas"),
  };
}

void refuse_together(const Options& given, const char* a, const char* b, const char* hint) {
  if (given.contains(a) && given.contains(b))
    throw UsageError(fmt::format("{} and {} are both given", a, b), hint);
}

void check_optimizer(const Options& given, const TrainOptions& options) {
  const bool sgd = options.optimizer == "sgd";
  const std::vector<const char*> foreign =
      sgd ? std::vector<const char*>{"beta1", "beta2", "epsilon"}
          : std::vector<const char*>{"momentum"};
  for (const char* name : foreign)
    if (given.contains(name))
      throw UsageError(
          fmt::format("{} changes nothing: the optimizer is {}", name, options.optimizer),
          sgd ? "leave it out, or set optimizer=adamw" : "leave it out, or set optimizer=sgd");
}

void set_dropout(const Options& given, TrainOptions& options) {
  const double all = given.real_or("dropout", -1);
  options.hidden_dropout = given.real_or("hidden_dropout", all);
  options.attention_dropout = given.real_or("attention_dropout", all);
  options.classifier_dropout = given.real_or("classifier_dropout", all);
}

}  // namespace

const std::vector<OptionSpec>& train_settings() {
  static const std::vector<OptionSpec> settings = make_settings();
  return settings;
}

std::vector<std::int64_t> read_order(const std::filesystem::path& path) {
  const Json json = parse_json(read_file(path), path.string());
  const auto wrong = [&](const std::string& what) {
    throw Error(ErrorCode::bad_format, fmt::format("{}: {}", path.string(), what),
                "expected a JSON array of sample numbers such as [3, 0, 12]");
  };
  if (!json.is_array()) wrong("is not a JSON array");
  if (json.empty()) wrong("names no sample");
  std::vector<std::int64_t> order;
  for (const Json& number : json) {
    if (!number.is_number_integer())
      wrong(fmt::format("item {} is not a whole number", order.size()));
    order.push_back(number.get<std::int64_t>());
  }
  return order;
}

TrainOptions make_train_options(const Options& given) {
  refuse_together(given, "epochs", "steps", "give one of them");
  TrainOptions options;
  options.epochs = given.real_or("epochs", options.epochs);
  options.steps = given.integer_or("steps", 0);
  options.batch = given.integer_or("batch", options.batch);
  options.accumulate = given.integer_or("accumulate", options.accumulate);
  options.lr = given.real_or("lr", options.lr);
  options.weight_decay = given.real_or("weight_decay", options.weight_decay);
  options.decay_all = given.boolean_or("decay_all", false);
  options.optimizer = given.text_or("optimizer", options.optimizer);
  options.beta1 = given.real_or("beta1", options.beta1);
  options.beta2 = given.real_or("beta2", options.beta2);
  options.epsilon = given.real_or("epsilon", options.epsilon);
  options.momentum = given.real_or("momentum", options.momentum);
  check_optimizer(given, options);
  options.schedule = given.text_or("schedule", options.schedule);
  options.warmup = given.real_or("warmup", options.warmup);
  options.clip = given.real_or("clip", options.clip);
  set_dropout(given, options);
  options.seed = static_cast<std::uint64_t>(given.integer_or("seed", 0));
  options.checkpoint_every = given.integer_or("checkpoint_every", 0);
  if (given.contains("keep")) options.keep = given.text("keep") == "best" ? Keep::best : Keep::last;
  options.metric = given.text_or("metric", "");
  options.patience = given.integer_or("patience", 0);
  options.mode = parse_mode(given.text_or("mode", "compiled"));
  if (given.contains("order")) options.order = read_order(given.text("order"));
  if (given.contains("disable_pass"))
    options.disabled_passes = split(given.text("disable_pass"), ',');
  if (!options.disabled_passes.empty() && options.mode != Mode::compiled)
    throw UsageError("disable_pass changes nothing: only the mode compiled runs optional passes",
                     "leave it out, or use --mode compiled");
  return options;
}

}  // namespace hone
