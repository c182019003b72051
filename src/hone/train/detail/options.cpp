#include "hone/train/options.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/tasks/task.hpp"
#include "hone/train/detail/member_options.hpp"
#include "hone/train/optimizers/optimizer.hpp"
#include "hone/train/schedules/schedule.hpp"

namespace hone {
namespace {

const std::optional<OptionValue> unset;

// How a row is listed.
enum class Shown { flag, setting };

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

template <typename Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& member : table) names.push_back(member.name);
  return names;
}

// Those of every task, each once.
std::vector<std::string> all_metric_names() {
  std::vector<std::string> names;
  for (const Task& task : task_table())
    for (const std::string& name : task.metrics)
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  return names;
}

// The row of a member of the struct: it takes the value and is described under its name.
template <typename T>
TrainOption field(Shown shown, OptionSpec spec, T TrainOptions::*member) {
  const std::string name = spec.name;
  return {
      std::move(spec), shown == Shown::flag,
      [member](TrainOptions& options, const OptionValue& value) {
        if constexpr (std::is_same_v<T, std::uint64_t>)
          options.*member = static_cast<std::uint64_t>(std::get<std::int64_t>(value));
        else
          options.*member = std::get<T>(value);
      },
      [member, name](const TrainOptions& options, Json& json) { json[name] = options.*member; }};
}

const char* name_of(Mode mode) {
  return mode == Mode::compiled ? "compiled" : mode == Mode::eager ? "eager" : "reference";
}

std::vector<TrainOption> make_options() {
  using enum Shown;
  using O = TrainOptions;
  const O d;
  std::vector<TrainOption> rows{
      field(flag,
            real("epochs", unset,
                 "passes over the data; may be a fraction; default: 3, or 8 for a model that "
                 "starts at random",
                 1e-6, 1e6),
            &O::epochs),
      field(flag, whole("steps", unset, "stop after this many steps, instead of --epochs", 1),
            &O::steps),
      field(flag, whole("batch", d.batch, "samples of a step", 1, 1e6), &O::batch),
      field(flag,
            real("lr", unset,
                 "learning rate; default: 5e-5, or 0.032 / hidden_size for a model that starts at "
                 "random (2.5e-4 for one of width 128), 2e-3 if it is of pictures",
                 0, 1e6),
            &O::lr),
      field(flag,
            text("schedule", d.schedule, "how the learning rate goes (hone list schedules)",
                 names_of(schedule_table())),
            &O::schedule),
      field(flag,
            real("warmup", d.warmup, "steps the rate rises from zero; below 1: a share of all", 0,
                 1e12),
            &O::warmup),
      field(flag, real("clip", d.clip, "largest gradient norm; 0: no clipping", 0, 1e9), &O::clip),
      {real("dropout", unset, "all three dropouts of the model; default: as its config says", 0,
            0.99),
       true,
       [](O& o, const OptionValue& value) {
         o.hidden_dropout = o.attention_dropout = o.classifier_dropout = std::get<double>(value);
       }},
      field(setting, real("hidden_dropout", unset, "dropout after embeddings and layers", 0, 0.99),
            &O::hidden_dropout),
      field(setting, real("attention_dropout", unset, "dropout of attention weights", 0, 0.99),
            &O::attention_dropout),
      field(setting, real("classifier_dropout", unset, "dropout before the classifier", 0, 0.99),
            &O::classifier_dropout),
      {text("keep", unset,
            "which model --out holds at the end; default: best where there is a validation split, "
            "else last",
            {"best", "last"}),
       true,
       [](O& o, const OptionValue& value) {
         o.keep = std::get<std::string>(value) == "best" ? Keep::best : Keep::last;
       }},
      {text("metric", unset,
            "what best means on the validation split; default: accuracy, of models that give a "
            "value mse",
            all_metric_names()),
       true, [](O& o, const OptionValue& value) { o.metric = std::get<std::string>(value); }},
      {whole("patience", unset,
             "end after this many evaluations in a row that are not better; default: never", 1,
             1e9),
       true, [](O& o, const OptionValue& value) { o.patience = std::get<std::int64_t>(value); },
       [](const O& o, Json& json) {
         if (o.patience > 0) json["patience"] = o.patience;
       }},
      {text("class_weights", unset,
            "balanced: in the loss a class counts n / (classes * its samples); default: all alike",
            {"balanced"}),
       true,
       {},
       [](const O& o, Json& json) {
         if (!o.class_weights.empty()) json["class_weights"] = o.class_weights;
       }},
      {whole("checkpoint_every", unset, "steps between checkpoints; default: each epoch", 1), true,
       [](O& o, const OptionValue& value) { o.checkpoint_every = std::get<std::int64_t>(value); }},
      {whole("evaluate_every", unset, "steps between evaluations; default: each epoch", 1), false,
       [](O& o, const OptionValue& value) { o.evaluate_every = std::get<std::int64_t>(value); },
       [](const O& o, Json& json) {
         if (o.evaluate_every > 0) json["evaluate_every"] = o.evaluate_every;
       }},
      field(flag,
            whole("seed", std::int64_t{0}, "of fresh weights, order, dropout and validation split",
                  0),
            &O::seed),
      {text("order", unset, "JSON array of the sample numbers to train on, in this order"), true,
       [](O& o, const OptionValue& value) { o.order = read_order(std::get<std::string>(value)); },
       [](const O& o, Json& json) {
         if (!o.order.empty()) json["order"] = sha256(std::as_bytes(std::span(o.order)));
       }},
      {text("mode", "compiled", "how the graph runs", {"compiled", "eager", "reference"}), true,
       [](O& o, const OptionValue& value) { o.mode = parse_mode(std::get<std::string>(value)); },
       [](const O& o, Json& json) { json["mode"] = name_of(o.mode); }},
      field(setting,
            text("optimizer", d.optimizer, "what updates the weights (hone list optimizers)",
                 names_of(optimizer_table())),
            &O::optimizer),
      field(setting, {"decay_all", OptionType::boolean, false, "decay biases and norms as well"},
            &O::decay_all),
      field(setting,
            whole("accumulate", d.accumulate,
                  "parts a step is computed in: less memory, the same step (dropout takes other "
                  "units)",
                  1, 1e6),
            &O::accumulate),
      {whole("crop", unset, "of pictures: each is moved by up to this many places at random", 1,
             1024),
       true, [](O& o, const OptionValue& value) { o.crop = std::get<std::int64_t>(value); },
       [](const O& o, Json& json) {
         if (o.crop > 0) json["crop"] = o.crop;
       }},
      {{"flip", OptionType::boolean, std::nullopt,
        "of pictures: half of them are mirrored, left to right"},
       true,
       [](O& o, const OptionValue& value) { o.flip = std::get<bool>(value); },
       [](const O& o, Json& json) {
         if (o.flip) json["flip"] = true;
       }},
      {real("mixup", unset,
            "of pictures: batches are mixed with themselves by a share of Beta(A, A), labels as "
            "well",
            1e-3, 100),
       true, [](O& o, const OptionValue& value) { o.mixup = std::get<double>(value); },
       [](const O& o, Json& json) {
         if (o.mixup > 0) json["mixup"] = o.mixup;
       }},
      {text("disable_pass", unset, "passes to leave out, separated by commas"), false,
       [](O& o, const OptionValue& value) {
         o.disabled_passes = split(std::get<std::string>(value), ',');
       },
       [](const O& o, Json& json) { json["disabled_passes"] = o.disabled_passes; }},
      {{}, false, {}, [](const O& o, Json& json) {
         if (!o.changes.empty()) json["changes"] = o.changes;
       }}};
  add_member_options(rows, optimizer_table(), {&O::optimizer_options, optimizer_options});
  add_member_options(rows, schedule_table(), {&O::schedule_options, schedule_options});
  return rows;
}

}  // namespace

const std::vector<TrainOption>& train_options() {
  static const std::vector<TrainOption> rows = make_options();
  return rows;
}

Options optimizer_options(const TrainOptions& options) {
  return complete_options(find_optimizer(options.optimizer).options, options.optimizer_options,
                          "optimizer " + options.optimizer);
}

Options schedule_options(const TrainOptions& options) {
  return complete_options(find_schedule(options.schedule).options, options.schedule_options,
                          "schedule " + options.schedule);
}

std::vector<std::int64_t> read_order(const std::string& path) {
  const Json json = parse_json(read_file(path), path);
  const auto wrong = [&](const std::string& what) {
    throw Error(ErrorCode::bad_format, fmt::format("{}: {}", path, what),
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
  if (given.contains("epochs") && given.contains("steps"))
    throw UsageError("epochs and steps are both given", "give one of them");
  TrainOptions options;
  for (const TrainOption& row : train_options())
    if (row.set && given.contains(row.spec.name))
      row.set(options, check_option(row.spec, given.values().at(row.spec.name), row.spec.name));
  check_member_options(optimizer_table(), "optimizer", options.optimizer,
                       options.optimizer_options);
  const Optimizer& optimizer = find_optimizer(options.optimizer);
  if (optimizer.refusal != nullptr)
    if (const std::string why = optimizer.refusal(optimizer_options(options)); !why.empty())
      throw UsageError(why, "see hone list optimizers");
  check_member_options(schedule_table(), "schedule", options.schedule, options.schedule_options);
  if (!options.disabled_passes.empty() && options.mode != Mode::compiled)
    throw UsageError("disable_pass changes nothing: only the mode compiled runs optional passes",
                     "leave it out, or use --mode compiled");
  return options;
}

Json describe(const TrainOptions& options) {
  Json json = Json::object();
  for (const TrainOption& row : train_options())
    if (row.describe) row.describe(options, json);
  return json;
}

Json default_description(const std::string& name) {
  static const Json defaults = [] {
    Json json = describe({});
    const auto add = [&](const auto& table) {
      for (const auto& member : table)
        for (const OptionSpec& spec : member.options)
          json[spec.name] = to_json(*spec.default_value);
    };
    add(optimizer_table());
    add(schedule_table());
    return json;
  }();
  const Json* found = defaults.find_member(name);
  return found == nullptr ? Json(nullptr) : *found;
}

}  // namespace hone
