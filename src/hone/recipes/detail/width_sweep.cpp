#include "hone/recipes/detail/width_sweep.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/record.hpp"
#include "hone/core/threads.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/compare_models.hpp"
#include "hone/recipes/detail/sweep_settings.hpp"
#include "hone/recipes/labels.hpp"
#include "hone/recipes/layers.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/report/sweep.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/forward.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr const char* result_file = "result.json";
constexpr std::int64_t float_width = 32;
// A training at one width that is cut off loses at most this many steps.
constexpr std::int64_t steps_between_checkpoints = 500;

Json read_json(const fs::path& path) { return parse_json(read_file(path), path.string()); }

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

std::vector<bool> unpack_bits(const std::string& text, std::size_t count) {
  std::vector<bool> bits(count);
  for (std::size_t i = 0; i < count && i / 4 < text.size(); ++i) {
    const char c = text[i / 4];
    const unsigned digit = static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    bits[i] = (digit >> (i % 4) & 1u) != 0;
  }
  return bits;
}

// Of the packed parameters alone.
double bits_per_weight(const Model& model) {
  double bits = 0, count = 0;
  for (const Node& node : model.graph.nodes) {
    if (node.op != "dequantize") continue;
    bits += 8.0 * static_cast<double>(stored_bytes(model, node.outputs[0]));
    count += static_cast<double>(element_count(evaluate(model.graph.type(node.outputs[0]), {})));
  }
  return count > 0 ? bits / count : 32;
}

struct Point {
  std::string kind;
  std::int64_t width = float_width;
  std::int64_t seed = 0;

  std::string title() const {
    return kind == "float" ? fmt::format("seed {}: float32", seed)
                           : fmt::format("seed {}: {} at {} bits", seed, kind, width);
  }
};

class WidthSweep {
public:
  WidthSweep(const RecipeCall& call, const RunWatcher& watcher)
      : call_(call), watcher_(watcher), settings_(read_sweep_settings(call)) {}

  Json run() {
    begin_ = now_seconds();
    set_thread_count(static_cast<int>(call_.settings.values.integer_or("threads", 0)));
    claim_folder();
    for (std::int64_t seed : settings_.seeds) run_seed(seed);
    finish_record("finished", "");
    Json result{{"recipe", call_.file},
                {"format", settings_.format},
                {"split", settings_.split},
                {"points", results_}};
    std::vector<Json> lines = results_;
    for (Json& line : lines) line["event"] = "point";
    result["finding"] = describe_sweep(arrange_sweep(summarize(lines, call_.file)));
    write_file_atomically(settings_.folder / result_file, result.dump(1) + "\n");
    result["out"] = settings_.folder.string();
    return result;
  }

  // The record of a sweep that did not come to its end says so.
  Json run_recorded() {
    try {
      return run();
    } catch (const Error& error) {
      finish_record(error.code() == ErrorCode::interrupted ? "interrupted" : "failed",
                    error.message());
      throw;
    }
  }

private:
  void say(const std::string& text) const {
    if (watcher_.say) watcher_.say(text);
  }

  // The folder belongs to one experiment: other settings are refused before any work.
  void claim_folder() {
    identity_ = sweep_identity(call_, settings_);
    const fs::path claim = settings_.folder / "identity.json";
    std::error_code failed;
    fs::create_directories(settings_.folder, failed);
    if (failed)
      throw Error(ErrorCode::io,
                  fmt::format("{}: cannot create the folder: {}", settings_.folder.string(),
                              failed.message()),
                  "choose another place with the key 'out'");
    lock_.emplace(settings_.folder);
    if (fs::exists(claim)) {
      check_identity(read_json(claim), identity_, settings_.folder);
    } else {
      if (!fs::is_empty(settings_.folder))
        throw Error(ErrorCode::invalid_argument,
                    settings_.folder.string() + ": holds something else than a sweep",
                    "give the recipe another name (--set name=...)");
      write_file_atomically(claim, identity_.dump(1) + "\n");
    }
    const fs::path record = settings_.folder / "record.jsonl";
    if (!fs::exists(record)) return;
    for (const Json& line : Record::read(record))
      if (line.value("event", "") == "point")
        recorded_.insert(fmt::format("{} {} {}", line.value("kind", ""), line.value("width", 0),
                                     line.value("seed", 0)));
  }

  static void check_identity(const Json& saved, const Json& wanted, const fs::path& place) {
    if (saved == wanted) return;
    throw Error(ErrorCode::invalid_argument,
                place.string() + ": holds the result of other settings",
                "give the recipe another name (--set name=...), or remove the folder");
  }

  void run_seed(std::int64_t seed) {
    const bool own_float = settings_.trains_model || seed == settings_.seeds.front();
    if (own_float) {
      float_.reset();
      data_.reset();
      float_seed_ = seed;
      float_correct_ = correct_of(take({"float", float_width, seed}));
    }
    for (std::int64_t width : settings_.widths) {
      // Of a given model PTQ is the same for every seed.
      ptq_correct_ =
          correct_of(own_float ? take({"ptq", width, seed})
                               : read_json(folder_of({"ptq", width, float_seed_}) / result_file));
      take({"qat", width, seed});
    }
  }

  fs::path folder_of(const Point& point) const {
    const fs::path folder = settings_.folder / fmt::format("seed-{}", point.seed);
    return point.kind == "float" ? folder / "float"
                                 : folder / fmt::format("{}-{}", point.kind, point.width);
  }

  Json identity_of(const Point& point) const {
    return {
        {"kind", point.kind}, {"width", point.width}, {"seed", point.seed}, {"sweep", identity_}};
  }

  // The result of a point, computed unless it is there.
  Json take(const Point& point) {
    const fs::path folder = folder_of(point);
    Json result;
    if (fs::exists(folder / result_file)) {
      result = read_json(folder / result_file);
      check_identity(result.value("identity", Json()), identity_of(point), folder);
      say(fmt::format("{}: already finished, taken from {}", point.title(), folder.string()));
    } else {
      if (watcher_.stop && watcher_.stop())
        throw Error(ErrorCode::interrupted, "stopped between two points",
                    "run the recipe again to continue");
      fs::create_directories(folder);
      result = compute(point, folder);
      result["identity"] = identity_of(point);
      write_file_atomically(folder / result_file, result.dump(1) + "\n");
      say(fmt::format("{}: accuracy {:.2f} %, loss {:.4f}", point.title(),
                      100 * result["accuracy"].get<double>(), result["loss"].get<double>()));
    }
    clean(point, folder);
    note(point, result);
    return result;
  }

  // Checkpoints have served once the packed model is saved.
  static void clean(const Point& point, const fs::path& folder) {
    if (point.kind != "qat") return;
    const fs::path training = folder / "training";
    for (const char* part : {"last", "best"}) fs::remove_all(training / part);
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator(training, ignored))
      if (is_weights_file(entry.path().filename().string())) fs::remove(entry.path(), ignored);
  }

  // Keeps what the results and the record have of a point.
  void note(const Point& point, const Json& full) {
    Json line = full;
    line.erase("identity");
    line.erase("correct");
    const std::string key = fmt::format("{} {} {}", point.kind, point.width, point.seed);
    if (recorded_.insert(key).second) {
      line["event"] = "point";
      record().write(line);
      line.erase("event");
    }
    // Times differ from run to run; the results do not.
    line.erase("seconds");
    results_.push_back(std::move(line));
  }

  Json compute(const Point& point, const fs::path& folder) {
    if (point.kind == "float") return measure(point, float_model(), 0);
    if (point.kind == "ptq") {
      Model model = float_model();
      set_formats(model, select_formats(model.graph, {settings_.selection(point.width)}));
      pack_weights(model);
      return measure(point, model, 0);
    }
    const fs::path training = folder / "training";
    TrainRequest request = training_request(settings_.qat_training, point.seed, training);
    request.model = float_folder();
    request.quantize = {settings_.selection(point.width)};
    if (!request.settings.values.contains("checkpoint_every"))
      request.settings.values.set("checkpoint_every", steps_between_checkpoints);
    say(point.title());
    train(request, point);
    Model model = load_model({.name = training.string()});
    pack_weights(model);
    const std::vector<fs::path> records{training};
    const Json result = measure(point, model, read_runs(records).front().step_seconds);
    save_with_tokenizer(model, folder / "model");
    return result;
  }

  Json measure(const Point& point, const Model& model, double training_seconds) {
    const TokenizedData& data = evaluation_data(model);
    check_samples(model.limits, data);
    Executor forward =
        make_forward(model, parse_mode(call_.settings.values.text_or("mode", "compiled")));
    EvaluateOptions options;
    options.stop = watcher_.stop;
    options.progress = [&](std::int64_t done) {
      if (watcher_.work) watcher_.work("evaluating " + point.title(), done, data.size());
    };
    const Evaluation evaluation = evaluate(forward, samples_of(model, data), options);
    const std::vector<bool> correct = correct_samples(evaluation, data);
    Json result{{"kind", point.kind},
                {"format", point.kind == "float" ? "float32" : settings_.format},
                {"width", point.width},
                {"seed", point.seed},
                {"samples", evaluation.samples},
                {"accuracy", evaluation.accuracy},
                {"low", evaluation.interval.low},
                {"high", evaluation.interval.high},
                {"loss", evaluation.loss},
                {"bytes", tensor_bytes(model)},
                {"bits_per_weight", bits_per_weight(model)},
                {"seconds", training_seconds + evaluation.seconds},
                {"correct", pack_bits(correct)}};
    if (point.kind != "float") result["p_float"] = compare_correct(float_correct_, correct).p;
    if (point.kind == "qat") result["p_ptq"] = compare_correct(ptq_correct_, correct).p;
    return result;
  }

  static std::vector<bool> correct_of(const Json& result) {
    return unpack_bits(result.at("correct").get<std::string>(),
                       result.at("samples").get<std::size_t>());
  }

  TrainRequest training_request(const Options& training, std::int64_t seed,
                                const fs::path& out) const {
    TrainRequest request;
    request.data = settings_.data;
    request.tokenizer = settings_.tokenizer;
    request.out = out;
    request.settings.values = training;
    request.settings.values.set("seed", seed);
    request.settings.data = call_.settings.data;
    request.command = call_.command;
    request.resume = fs::exists(out / "record.jsonl");
    return request;
  }

  void train(const TrainRequest& request, const Point& point) const {
    const TrainOutcome outcome = run_training(request, watcher_);
    if (outcome.result.finished) return;
    throw Error(ErrorCode::interrupted,
                fmt::format("{}: stopped at step {} of {}, saved", point.title(),
                            outcome.result.steps, outcome.total_steps),
                "run the recipe again to continue");
  }

  std::string float_folder() const {
    return settings_.trains_model ? folder_of({"float", float_width, float_seed_}).string()
                                  : settings_.model;
  }

  // Loaded, or trained first, when a point asks for it.
  const Model& float_model() {
    if (float_) return *float_;
    const Point point{"float", float_width, float_seed_};
    const fs::path folder = folder_of(point);
    if (settings_.trains_model && !fs::exists(folder / result_file)) {
      TrainRequest request = training_request(settings_.float_training, float_seed_, folder);
      request.model = settings_.model;
      request.settings.model = call_.settings.model;
      say(fmt::format("{}: training {}", point.title(), settings_.model));
      train(request, point);
    }
    float_ = load_model({.name = float_folder()});
    return *float_;
  }

  const TokenizedData& evaluation_data(const Model& model) {
    if (data_) return *data_;
    const Options& values = call_.settings.values;
    DataRequest request = make_data_request(settings_.data, call_.settings.data);
    const ChosenTokenizer chosen =
        choose_tokenizer(float_folder(), settings_.tokenizer, request.kind);
    check_fit(model.limits, chosen.tokenizer, chosen.source, {});
    request.split = settings_.split;
    request.seed = static_cast<std::uint64_t>(float_seed_);
    if (settings_.split == "validation") request.validation = values.real_or("validation", 0.1);
    request.max_length = length_limit(model.limits, chosen, values.integer_or("max_length", 0), {});
    request.labels = label_use(model.head);
    data_ = load_tokenized(request, chosen.tokenizer, [&](std::int64_t done, std::int64_t total) {
      if (watcher_.work) watcher_.work("tokenizing " + request.split, done, total);
    });
    require_classes(*data_, model.name);
    match_labels(*data_, model, request, watcher_.say);
    return *data_;
  }

  Record& record() {
    if (record_) return *record_;
    const fs::path path = settings_.folder / "record.jsonl";
    record_.emplace(path, fs::exists(path));
    Json config = identity_.value("settings", Json::object());
    for (const char* part : {"model", "data"})
      if (identity_.contains(part)) config[std::string(part) + "_options"] = identity_[part];
    config["widths"] = settings_.widths;
    config["seeds"] = settings_.seeds;
    record_->write({{"event", "run"},
                    {"command", call_.command},
                    {"config", config},
                    {"machine", describe_machine()},
                    {"versions", describe_versions()},
                    {"started", utc_now()}});
    if (float_ && data_ && data_->size() > 0)
      record_->write(
          {{"event", "model"},
           {"name", settings_.model},
           {"parameters", parameter_count(*float_)},
           {"layers", describe_layers(
                          *float_, static_cast<std::int64_t>(data_->ids.size()) / data_->size())}});
    return *record_;
  }

  void finish_record(const char* status, const std::string& message) {
    if (!record_) return;
    Json line{{"event", "end"}, {"status", status}, {"seconds", now_seconds() - begin_}};
    if (!message.empty()) line["message"] = message;
    record_->write(line);
  }

  const RecipeCall& call_;
  const RunWatcher& watcher_;
  SweepSettings settings_;
  Json identity_;
  double begin_ = 0;
  std::optional<FolderLock> lock_;
  std::optional<Record> record_;
  std::set<std::string> recorded_;  // points that the record has
  std::vector<Json> results_;
  std::optional<Model> float_;
  std::int64_t float_seed_ = 0;
  std::optional<TokenizedData> data_;
  std::vector<bool> float_correct_, ptq_correct_;
};

}  // namespace

std::vector<OptionSpec> width_sweep_options() { return sweep_options(); }

Json run_width_sweep(const RecipeCall& call, const RunWatcher& watcher) {
  return WidthSweep(call, watcher).run_recorded();
}

}  // namespace hone
