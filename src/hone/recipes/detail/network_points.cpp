#include "hone/recipes/detail/network_points.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/detail/train_inputs.hpp"
#include "hone/recipes/experiment.hpp"
#include "hone/recipes/labels.hpp"
#include "hone/recipes/network_metrics.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/options.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// Another worker may compute the same configuration: then its result is waited for.
FolderLock wait_for(const fs::path& folder, TrialWatcher& trial) {
  fs::create_directories(folder);
  while (true) {
    try {
      return FolderLock(folder);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::io) throw;
      trial.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
  }
}

bool is_wanted(const SearchSettings& search, const std::string& metric) {
  return std::find(search.objectives.begin(), search.objectives.end(), metric) !=
             search.objectives.end() ||
         std::find(search.measured.begin(), search.measured.end(), metric) != search.measured.end();
}

Json read_result(const fs::path& file) { return parse_json(read_file(file), file.string()); }

// A finished one: what is cut off in the middle leaves no result.
bool has_model(const fs::path& point) {
  return fs::exists(point / "result.json") && fs::exists(point / "model");
}

void remove_rest(const fs::path& point) {
  remove_training_weights(point / "training");
  remove_stages(point);
  std::error_code ignored;
  fs::remove_all(point / "start", ignored);
}

bool is_of_training(const std::string& metric) {
  return metric == "accuracy" || metric == "macro_f1" || metric == "loss";
}

}  // namespace

std::string NetworkPoints::name_of(const NetworkConfiguration& configuration) const {
  return sha256(configuration.identity(settings_, contents_).dump()).substr(0, 16);
}

fs::path NetworkPoints::folder_of(const std::string& point) const {
  return fs::path(settings_.folder) / settings_.place / "points" / point;
}

std::optional<NetworkPoints::Point> NetworkPoints::take(const NetworkConfiguration& configuration,
                                                        TrialWatcher& trial) const {
  const fs::path folder = folder_of(name_of(configuration));
  const FolderLock lock = wait_for(folder, trial);
  if (fs::exists(folder / "result.json")) {
    const Json known = read_result(folder / "result.json");
    const bool has_all =
        std::all_of(network_metrics().begin(), network_metrics().end(), [&](const auto& metric) {
          return !is_wanted(settings_, metric.name) || known.at("metrics").contains(metric.name);
        });
    if (has_all) return Point{known, true};
  }
  // A metric is missing: the model that is there has it.
  if (has_model(folder)) {
    Model model = load_model({.name = (folder / "model").string()});
    return Point{measure(configuration, model, folder), false};
  }
  const std::optional<Json> result = compute(configuration, folder, trial);
  if (!result) return std::nullopt;
  return Point{*result, false};
}

Json NetworkPoints::judge(const std::string& point, const NetworkConfiguration& configuration,
                          TrialWatcher& trial) const {
  const fs::path folder = folder_of(has_model(folder_of(point)) ? point : name_of(configuration));
  const FolderLock lock = wait_for(folder, trial);
  if (!has_model(folder)) compute(configuration, folder, trial);
  if (fs::exists(folder / "test.json")) return read_result(folder / "test.json");
  const Model model = load_model({.name = (folder / "model").string()});
  const Evaluation test = evaluate_split(settings_, configuration, model, "test", watcher_);
  Json result{{"accuracy", test.accuracy},
              {"low", test.interval.low},
              {"high", test.interval.high},
              {"loss", test.loss},
              {"model", (folder / "model").string()}};
  write_file_atomically(folder / "test.json", result.dump(1) + "\n");
  return result;
}

bool NetworkPoints::drop_model(const std::string& point) const {
  const fs::path folder = folder_of(point);
  const fs::path dropped = folder / "model.dropped";
  if (!fs::exists(folder / "model") && !fs::exists(dropped)) return false;
  try {
    const FolderLock lock(folder);
    std::error_code ignored;
    fs::remove_all(dropped, ignored);
    // (Cut off in the middle, no half of a model stays.)
    fs::rename(folder / "model", dropped, ignored);
    return fs::remove_all(dropped, ignored) > 0;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::io) throw;
    return false;
  }
}

bool NetworkPoints::is_judged(const std::string& point) const {
  return fs::exists(folder_of(point) / "test.json");
}

void NetworkPoints::drop_rest(const std::string& point) const {
  const fs::path folder = folder_of(point);
  if (!fs::exists(folder)) return;
  try {
    const FolderLock lock(folder);
    remove_rest(folder);
  } catch (const Error& error) {
    // Another worker is at it.
    if (error.code() != ErrorCode::io) throw;
  }
}

// The folder is locked.
std::optional<Json> NetworkPoints::compute(const NetworkConfiguration& configuration,
                                           const fs::path& folder, TrialWatcher& trial) const {
  fs::path last;
  Model model;
  if (!configuration.stages.empty()) {
    if (!begin_stages(configuration, folder, trial)) return std::nullopt;
    last = run_stages(configuration.stages, folder / "start", folder,
                      {.model = {},
                       .out = {},
                       .work = {},
                       .values = {},
                       .training = configuration.settings.values,
                       .data = input_of(settings_, "data"),
                       .tokenizer = input_of(settings_, "tokenizer"),
                       .data_settings = configuration.settings.data,
                       .seed = configuration.settings.values.integer_or("seed", 0),
                       .max_length = configuration.settings.values.integer_or("max_length", 0),
                       .command = "hone search",
                       .watcher = watcher_});
    model = load_model({.name = last.string()});
  } else if (settings_.trains) {
    if (!train(configuration, folder, trial)) {
      // (Whose trial it is by now goes on from the checkpoint.)
      if (!trial.is_lost()) remove_training_weights(folder / "training");
      return std::nullopt;
    }
    model = load_model({.name = (folder / "training").string()});
  } else {
    model = load_model({.name = input_of(settings_, "model")});
    apply_choices(model, settings_, configuration);
  }
  const Json result = measure(configuration, model, folder);
  remove_rest(folder);
  return result;
}

// A copy of the model that the stages start from, in folder/start: what other points do with theirs
// is their own. False: the trial was stopped.
bool NetworkPoints::begin_stages(const NetworkConfiguration& configuration, const fs::path& folder,
                                 TrialWatcher& trial) const {
  const fs::path start = folder / "start";
  if (fs::exists(start)) return true;
  const NetworkConfiguration before = configuration.before_stages();
  const fs::path base = folder_of(name_of(before));
  const FolderLock lock = wait_for(base, trial);
  if (!has_model(base) && !compute(before, base, trial)) return false;
  const fs::path copy = folder / "start.tmp";
  fs::remove_all(copy);
  fs::copy(base / "model", copy, fs::copy_options::recursive | fs::copy_options::create_hard_links);
  fs::rename(copy, start);
  return true;
}

bool NetworkPoints::train(const NetworkConfiguration& configuration, const fs::path& folder,
                          TrialWatcher& trial) const {
  TrainRequest request;
  request.model = input_of(settings_, "model");
  request.data = input_of(settings_, "data");
  request.tokenizer = input_of(settings_, "tokenizer");
  request.out = folder / "training";
  request.settings = configuration.settings;
  request.transform = [&](Model& model) { apply_choices(model, settings_, configuration); };
  bool stopped = false;
  std::int64_t step = 0;
  RunWatcher watcher = watcher_;
  watcher.on_step = [&](const StepReport& report) {
    step = report.step;
    if (watcher_.on_step) watcher_.on_step(report);
  };
  const std::string& first = settings_.objectives.front();
  watcher.on_evaluation = [&](const Evaluation& evaluation, const std::string& split, double epoch,
                              bool best) {
    if (watcher_.on_evaluation) watcher_.on_evaluation(evaluation, split, epoch, best);
    if (is_of_training(first))
      stopped = trial.report(step, metric_value(evaluation, first)) || stopped;
  };
  watcher.stop = [&] { return stopped || (watcher_.stop && watcher_.stop()); };
  // Evaluations of the last step come after its question whether to stop.
  try {
    train_to_the_end(request, watcher);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::interrupted || !stopped) throw;
    trial.check();
    return false;
  }
  return true;
}

Json NetworkPoints::measure(const NetworkConfiguration& configuration, Model& model,
                            const fs::path& folder) const {
  const Evaluation evaluation =
      evaluate_split(settings_, configuration, model, settings_.selection, watcher_);
  if (!formats_of(model.graph).empty() && !is_packed(model.graph)) {
    try {
      pack_weights(model);
    } catch (const Error& error) {
      // A rule may leave numbers that the format has no bits for: stored as they are.
      if (error.code() != ErrorCode::unsupported) throw;
    }
  }
  save_with_tokenizer(model, folder / "model");
  Json values = Json::object(), intervals = Json::object();
  for (const NetworkMetric& metric : network_metrics()) {
    if (!metric.always && !is_wanted(settings_, metric.name)) continue;
    const MeasuredFigure figure = metric.measure(model, evaluation);
    values[metric.name] = figure.value;
    if (!std::isnan(figure.low)) intervals[metric.name] = Json::array({figure.low, figure.high});
  }
  Json result{{"identity", configuration.identity(settings_, contents_)},
              {"metrics", values},
              {"intervals", intervals}};
  write_file_atomically(folder / "result.json", result.dump(1) + "\n");
  return result;
}

Evaluation evaluate_split(const SearchSettings& search, const NetworkConfiguration& configuration,
                          const Model& model, const std::string& split, const RunWatcher& watcher) {
  const Options& values = configuration.settings.values;
  DataRequest request = make_data_request(input_of(search, "data"), configuration.settings.data);
  const ChosenTokenizer chosen =
      choose_tokenizer(model.directory.empty() ? model.name : model.directory.string(),
                       input_of(search, "tokenizer"), request.kind);
  request.split = split;
  // (The samples that this trial's own training left out.)
  request.seed = static_cast<std::uint64_t>(values.integer_or("seed", 0));
  if (split == "validation") request.validation = values.real_or("validation", default_validation);
  request.max_length = length_limit(model.limits, chosen, values.integer_or("max_length", 0), {});
  request.labels = label_use(model.head);
  request.image = model.image;
  TokenizedData data = load_split(request, chosen.tokenizer, watcher);
  match_labels(data, model, request, {});
  check_samples(model.limits, data);
  Executor forward = make_forward(model, parse_mode(values.text_or("mode", "compiled")));
  EvaluateOptions options;
  options.stop = watcher.stop;
  options.progress = [&](std::int64_t done) {
    if (watcher.work) watcher.work("evaluating " + split, done, data.size());
  };
  return evaluate(forward, samples_of(model, data), options);
}

}  // namespace hone
