#include "hone/recipes/experiment.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/recipes/detail/run_record.hpp"
#include "hone/run/clock.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr const char* result_file = "result.json";
constexpr const char* identity_file = "identity.json";
constexpr const char* record_file = "record.jsonl";
// A training that is cut off loses at most this many steps.
constexpr std::int64_t steps_between_checkpoints = 500;

Json read_json(const fs::path& path) { return parse_json(read_file(path), path.string()); }

void check_identity(const Json& saved, const Json& wanted, const fs::path& place) {
  if (saved == wanted) return;
  throw Error(ErrorCode::invalid_argument, place.string() + ": holds the result of other settings",
              "give the recipe another name (--set name=...), or remove the folder");
}

// Whether a point was finished or a training begun: what failed before that binds nobody.
bool holds_anything(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name == result_file || name == record_file) return true;
  }
  return false;
}

bool has_key(const Json& line, const Json& key) {
  return std::all_of(key.items().begin(), key.items().end(), [&](const auto& member) {
    return line.value(member.first, Json()) == member.second;
  });
}

}  // namespace

Experiment::Experiment(ExperimentSetup setup, const RunWatcher& watcher)
    : setup_(std::move(setup)), watcher_(watcher), begin_(now_seconds()) {
  std::error_code failed;
  fs::create_directories(setup_.folder, failed);
  if (failed)
    throw Error(
        ErrorCode::io,
        fmt::format("{}: cannot create the folder: {}", setup_.folder.string(), failed.message()),
        "choose another place with the key 'out'");
  lock_.emplace(setup_.folder);
  claim();
  if (const fs::path record = setup_.folder / record_file; fs::exists(record))
    for (Json& line : Record::read(record))
      if (line.value("event", "") == setup_.event) recorded_.push_back(std::move(line));
}

// The folder belongs to one experiment: other settings are refused before any work.
void Experiment::claim() const {
  const fs::path claim = setup_.folder / identity_file;
  if (fs::exists(claim)) {
    if (holds_anything(setup_.folder))
      check_identity(read_json(claim), setup_.identity, setup_.folder);
    write_file_atomically(claim, setup_.identity.dump(1) + "\n");
    return;
  }
  if (!fs::is_empty(setup_.folder))
    throw Error(ErrorCode::invalid_argument,
                setup_.folder.string() + ": holds something else than an experiment",
                "give the recipe another name (--set name=...)");
  write_file_atomically(claim, setup_.identity.dump(1) + "\n");
}

fs::path Experiment::folder_of(const ExperimentPoint& point) const {
  return setup_.folder / point.folder;
}

bool Experiment::is_finished(const ExperimentPoint& point) const {
  return fs::exists(folder_of(point) / result_file);
}

Json Experiment::identity_of(const ExperimentPoint& point) const {
  Json identity = point.key;
  identity["experiment"] = setup_.identity;
  return identity;
}

Json Experiment::result_of(const ExperimentPoint& point) const {
  const fs::path folder = folder_of(point);
  Json result = read_json(folder / result_file);
  check_identity(result.value("identity", Json()), identity_of(point), folder);
  return result;
}

Json Experiment::take(const ExperimentPoint& point,
                      const std::function<Json(const fs::path& folder)>& compute) {
  const auto say = [&](const std::string& text) {
    if (watcher_.say) watcher_.say(text);
  };
  const fs::path folder = folder_of(point);
  Json result;
  if (is_finished(point)) {
    result = result_of(point);
    say(fmt::format("{}: already finished, taken from {}", point.title, folder.string()));
  } else {
    if (watcher_.stop && watcher_.stop())
      throw Error(ErrorCode::interrupted, "stopped between two points",
                  "run the recipe again to continue");
    fs::create_directories(folder);
    result = compute(folder);
    for (const auto& [name, value] : point.key.items()) result[name] = value;
    result["identity"] = identity_of(point);
    write_file_atomically(folder / result_file, result.dump(1) + "\n");
    if (result.contains("accuracy")) {
      const auto measured = from_object<MeasuredPoint>(result, {point.title});
      say(fmt::format("{}: accuracy {:.2f} %, loss {:.4f}", point.title, 100 * measured.accuracy,
                      measured.loss));
    }
  }
  note(point, result);
  return result;
}

// Keeps what the results and the record have of a point.
void Experiment::note(const ExperimentPoint& point, const Json& full) {
  Json line = full;
  line.erase("identity");
  line.erase("correct");
  if (!setup_.event.empty() &&
      std::none_of(recorded_.begin(), recorded_.end(),
                   [&](const Json& known) { return has_key(known, point.key); })) {
    line["event"] = setup_.event;
    record().write(line);
    recorded_.push_back(line);
    line.erase("event");
  }
  line.erase("seconds");
  points_.push_back(std::move(line));
}

Record& Experiment::record() {
  if (record_) return *record_;
  const fs::path path = setup_.folder / record_file;
  record_.emplace(path, fs::exists(path));
  record_->write(begin_run(setup_.command, setup_.config));
  if (const auto model = setup_.model ? setup_.model() : std::nullopt) record_->write(*model);
  return *record_;
}

Json Experiment::finish(const Json& more) {
  if (record_) record_->write(EndEvent{.status = "finished", .seconds = now_seconds() - begin_});
  Json result{{"recipe", setup_.recipe}, {"points", points_}};
  for (const auto& [name, value] : more.items()) result[name] = value;
  write_file_atomically(setup_.folder / result_file, result.dump(1) + "\n");
  result["out"] = setup_.folder.string();
  return result;
}

void Experiment::fail(const Error& error) {
  if (record_) record_->write(end_of(error, now_seconds() - begin_));
}

double train_to_the_end(TrainRequest request, const RunWatcher& watcher) {
  request.resume = fs::exists(request.out / record_file);
  if (!request.settings.values.contains("checkpoint_every"))
    request.settings.values.set("checkpoint_every", steps_between_checkpoints);
  const TrainOutcome outcome = run_training(request, watcher);
  if (!outcome.result.finished)
    throw Error(ErrorCode::interrupted,
                fmt::format("{}: stopped at step {} of {}, saved", request.out.string(),
                            outcome.result.steps, outcome.total_steps),
                "run the recipe again to continue");
  const std::vector<fs::path> records{request.out};
  return read_runs(records).front().step_seconds;
}

void remove_training_weights(const fs::path& training) {
  for (const char* part : {"last", "best"}) fs::remove_all(training / part);
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(training, ignored))
    if (is_weights_file(entry.path().filename().string())) fs::remove(entry.path(), ignored);
}

}  // namespace hone
