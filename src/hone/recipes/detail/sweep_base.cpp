#include "hone/recipes/detail/sweep_base.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/recipes/compare_models.hpp"
#include "hone/recipes/detail/content_hash.hpp"
#include "hone/recipes/detail/recipe_keys.hpp"
#include "hone/recipes/detail/run_record.hpp"
#include "hone/recipes/labels.hpp"
#include "hone/recipes/latency.hpp"
#include "hone/run/forward.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// Training settings that both trainings share.
const std::set<std::string> shared_keys{"max_length", "threads", "mode", "validation",
                                        "disable_pass"};
// Those that make no sense here: each point has its own seed and files.
const std::set<std::string> left_out_keys{"seed", "trace", "order", "split"};

Options pick_training(const RecipeCall& call, const std::string& prefix) {
  Options picked;
  for (const OptionSpec& spec : train_settings()) {
    if (left_out_keys.count(spec.name) != 0) continue;
    const bool shared = shared_keys.count(spec.name) != 0;
    const auto given = call.settings.values.values().find((shared ? "" : prefix) + spec.name);
    if (given != call.settings.values.values().end()) picked.set(spec.name, given->second);
  }
  return picked;
}

void check_model(const RecipeCall& call, BaseSettings& settings, const std::string& prefix) {
  settings.graph = source_graph(settings.model, call.settings.model);
  if (!formats_of(settings.graph).empty())
    refuse(fmt::format("{}: key 'model': {} is quantized", call.file, settings.model),
           "the sweep starts from a float model");
  latency_tokens(model_facts(settings.model, call.settings.model).limits,
                 call.settings.values.integer_or("tokens", 0), call.file + ": key 'tokens'");
  if (settings.trains_model) return;
  for (const auto& [key, value] : settings.float_training.values())
    if (shared_keys.count(key) == 0)
      refuse(fmt::format("{}: key '{}' changes nothing: {} is trained already", call.file, key,
                         settings.model),
             fmt::format("leave it out; the training at each point takes {}{}", prefix, key));
  if (!call.settings.model.empty())
    refuse(fmt::format("{}: key '{}': the sizes of a saved model are fixed", call.file,
                       call.settings.model.front().first));
}

// One hexadecimal digit for four samples.
std::string pack_bits(const std::vector<bool>& bits) {
  std::string text;
  for (std::size_t i = 0; i < bits.size(); i += 4) {
    unsigned digit = 0;
    for (std::size_t j = i; j < std::min(i + 4, bits.size()); ++j)
      digit |= (bits[j] ? 1u : 0u) << (j - i);
    text += "0123456789abcdef"[digit];
  }
  return text;
}

std::vector<bool> correct_of(const MeasuredPoint& result) {
  const std::string& text = result.correct;
  std::vector<bool> bits(std::isnan(result.samples) ? 0 : static_cast<std::size_t>(result.samples));
  for (std::size_t i = 0; i < bits.size() && i / 4 < text.size(); ++i) {
    const char c = text[i / 4];
    const unsigned digit = static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    bits[i] = (digit >> (i % 4) & 1u) != 0;
  }
  return bits;
}

}  // namespace

std::vector<OptionSpec> base_options(const std::string& prefix, const std::string& title) {
  std::vector<OptionSpec> specs{
      {.name = "name", .default_value = {}, .help = "of the folder the results go to"},
      {.name = "model",
       .default_value = {},
       .help = "a folder of a trained model, or a built-in name: trained first, once a seed"},
      {.name = "data", .default_value = {}, .help = "the data set, as --data takes it"},
      {.name = "tokenizer", .default_value = "", .help = "folder or file of the tokenizer"},
      {.name = "seeds", .default_value = "0", .help = "list of seeds; one sweep each"},
      {.name = "evaluate",
       .default_value = "test",
       .help = "the split that every point is judged on",
       .choices = {"test", "validation"}},
      {.name = "out", .default_value = "runs", .help = "folder of all runs"}};
  for (const OptionSpec& spec : train_settings())
    if (left_out_keys.count(spec.name) == 0) specs.push_back(spec);
  for (OptionSpec spec : train_settings()) {
    if (left_out_keys.count(spec.name) != 0 || shared_keys.count(spec.name) != 0) continue;
    spec.name = prefix + spec.name;
    spec.help = title + ": " + spec.help;
    specs.push_back(std::move(spec));
  }
  return specs;
}

OptionSpec latency_tokens_option() {
  return {.name = "tokens",
          .type = OptionType::integer,
          .default_value = std::int64_t{0},
          .help = "of the text whose latency is measured; 0: 128, or the model's limit",
          .minimum = 0,
          .maximum = 1e6};
}

BaseSettings read_base_settings(const RecipeCall& call, const std::string& prefix) {
  const Options& values = call.settings.values;
  BaseSettings settings;
  settings.folder = result_folder(call);
  settings.model = required_key(call, "model");
  settings.data = required_key(call, "data");
  settings.tokenizer = values.text_or("tokenizer", "");
  settings.split = values.text_or("evaluate", "test");
  settings.seeds = number_list(call, "seeds", "0", 0);
  settings.float_training = pick_training(call, "");
  settings.point_training = pick_training(call, prefix);
  settings.trains_model = !fs::is_directory(settings.model);
  if (settings.split == "validation" && values.real_or("validation", 0.1) <= 0)
    refuse(fmt::format("{}: key 'evaluate': there is no validation split: validation is 0",
                       call.file));
  check_model(call, settings, prefix);
  return settings;
}

Json base_identity(const RecipeCall& call, const BaseSettings& settings, const std::string& prefix,
                   const std::set<std::string>& left_out) {
  const std::set<std::string> places{
      "name", "out", "seeds", "threads", "checkpoint_every", prefix + "checkpoint_every"};
  Json json;
  for (const auto& [key, value] : call.settings.values.values())
    if (places.count(key) == 0 && left_out.count(key) == 0)
      json["settings"][key] = to_string(value);
  for (const auto& [key, value] : call.settings.model) json["model"][key] = value;
  for (const auto& [key, value] : call.settings.data) json["data"][key] = value;
  if (!settings.trains_model) json["weights"] = content_of_model(settings.model);
  return json;
}

Json base_config(const Json& identity, const BaseSettings& settings) {
  Json config = identity.value("settings", Json::object());
  for (const char* part : {"model", "data"})
    if (identity.contains(part)) config[std::string(part) + "_options"] = identity[part];
  config["seeds"] = settings.seeds;
  return config;
}

ExperimentPoint SweepBase::point_of(std::int64_t seed) const {
  return {fmt::format("seed-{}/float", seed), fmt::format("seed {}: float32", seed),
          to_object(MeasuredPoint{.kind = "float", .seed = seed})};
}

void SweepBase::begin_seed(std::int64_t seed) {
  own_model_ = settings_.trains_model || seed == settings_.seeds.front();
  if (!own_model_) return;
  seed_ = seed;
  model_.reset();
  data_.reset();
  result_.reset();
  const ExperimentPoint point = point_of(seed);
  result_ = experiment_.take<MeasuredPoint>(
      point, [&](const fs::path&) { return measure(point, model()); });
}

std::string SweepBase::model_folder() const {
  return settings_.trains_model ? experiment_.folder_of(point_of(seed_)).string() : settings_.model;
}

const Model& SweepBase::model() {
  if (model_) return *model_;
  const ExperimentPoint point = point_of(seed_);
  if (settings_.trains_model && !experiment_.is_finished(point)) {
    TrainRequest request;
    request.model = settings_.model;
    request.out = experiment_.folder_of(point);
    request.settings.model = call_.settings.model;
    if (watcher_.say) watcher_.say(fmt::format("{}: training {}", point.title, settings_.model));
    train_to_the_end(complete(std::move(request), settings_.float_training, seed_), watcher_);
  }
  model_ = load_model({.name = model_folder()});
  return *model_;
}

MeasuredPoint SweepBase::measure(const ExperimentPoint& point, const Model& model) {
  const TokenizedData& samples = data(model);
  check_samples(model.limits, samples);
  Executor forward =
      make_forward(model, parse_mode(call_.settings.values.text_or("mode", "compiled")));
  EvaluateOptions options;
  options.stop = watcher_.stop;
  options.progress = [&](std::int64_t done) {
    if (watcher_.work) watcher_.work("evaluating " + point.title, done, samples.size());
  };
  const Evaluation evaluation = evaluate(forward, samples_of(model, samples), options);
  const std::vector<bool> correct = correct_samples(evaluation, samples);
  MeasuredPoint result{.samples = static_cast<double>(evaluation.samples),
                       .accuracy = evaluation.accuracy,
                       .low = evaluation.interval.low,
                       .high = evaluation.interval.high,
                       .loss = evaluation.loss,
                       .bytes = static_cast<double>(tensor_bytes(model)),
                       .seconds = evaluation.seconds,
                       .correct = pack_bits(correct)};
  if (result_) result.p_float = compare(*result_, result);
  return result;
}

MeasuredCost SweepBase::cost(const Model& model, const fs::path& folder, std::int64_t tokens) {
  const std::vector<Latency> latencies =
      measure_latency({{"float", this->model()}, {"now", model}}, {.tokens = tokens});
  const Speedup gain = speedup(latencies[0], latencies[1]);
  return {.latency = latencies[1].median,
          .latency_low = latencies[1].low,
          .latency_high = latencies[1].high,
          .float_latency = latencies[0].median,
          .speedup = gain.ratio,
          .speedup_low = gain.low,
          .speedup_high = gain.high,
          .speed = gain.faster()   ? fmt::format("{:.2f} x as fast", gain.ratio)
                   : gain.slower() ? fmt::format("slower ({:.2f} x)", gain.ratio)
                                   : std::string("no faster"),
          .bytes_on_disk = static_cast<double>(weight_file_bytes(folder))};
}

double SweepBase::compare(const MeasuredPoint& first, const MeasuredPoint& second) {
  return compare_correct(correct_of(first), correct_of(second)).p;
}

TrainRequest SweepBase::complete(TrainRequest request, const Options& training,
                                 std::int64_t seed) const {
  request.data = settings_.data;
  request.tokenizer = settings_.tokenizer;
  for (const auto& [key, value] : training.values())
    if (!request.settings.values.contains(key)) request.settings.values.set(key, value);
  request.settings.values.set("seed", seed);
  request.settings.data = call_.settings.data;
  request.command = call_.command;
  return request;
}

double SweepBase::train_point(const ExperimentPoint& point, TrainRequest request,
                              std::int64_t seed) const {
  if (watcher_.say) watcher_.say(point.title);
  return train_to_the_end(complete(std::move(request), settings_.point_training, seed), watcher_);
}

std::optional<ModelEvent> SweepBase::describe_model() const {
  if (!model_ || !data_ || data_->size() == 0) return std::nullopt;
  return model_event(settings_.model, *model_,
                     static_cast<std::int64_t>(data_->ids.size()) / data_->size());
}

const TokenizedData& SweepBase::data(const Model& model) {
  if (data_) return *data_;
  const Options& values = call_.settings.values;
  DataRequest request = make_data_request(settings_.data, call_.settings.data);
  const ChosenTokenizer chosen =
      choose_tokenizer(model_folder(), settings_.tokenizer, request.kind);
  check_fit(model.limits, chosen.tokenizer, chosen.source, {});
  request.split = settings_.split;
  request.seed = static_cast<std::uint64_t>(seed_);
  if (settings_.split == "validation") request.validation = values.real_or("validation", 0.1);
  request.max_length = length_limit(model.limits, chosen, values.integer_or("max_length", 0), {});
  request.labels = label_use(model.head);
  request.image = model.image;
  data_ = load_tokenized(request, chosen.tokenizer, [&](std::int64_t done, std::int64_t total) {
    if (watcher_.work) watcher_.work("tokenizing " + request.split, done, total);
  });
  require_classes(*data_, model.name);
  match_labels(*data_, model, request, watcher_.say);
  return *data_;
}

}  // namespace hone
