// Experiment points: measured things that are kept when finished and continued when interrupted.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/record/record.hpp"
#include "hone/record/run_events.hpp"
#include "hone/report/summary.hpp"

namespace hone {

// One measured thing.
struct ExperimentPoint {
  std::string folder;  // below the experiment's own: "seed-0/qat-4"; no other point has it
  std::string title;   // what messages call it: "seed 0: qat at 4 bits"
  // What it is, beside the experiment: {"kind": "qat", "width": 4, "seed": 0}. Part of its identity
  // and of its result.
  Json key;
};

// What the points of one folder have in common.
struct ExperimentSetup {
  std::filesystem::path folder;
  Json identity;       // everything that decides the results and is no part of a point
  std::string event;   // event_name of its struct; "": there is no record
  std::string recipe;  // the file, for result.json
  std::string command;
  Json config;  // of the event "run"
  // The model of the record, asked for when it begins; may be empty, or give none.
  std::function<std::optional<ModelEvent>()> model = {};
};

// A folder of points: identity.json says whose it is, each point's folder has its result.json,
// record.jsonl has every point once. Points that are finished are taken from their folders; one
// that was cut off is computed again in the folder that it left, where a training resumes. A folder
// is written by one process at a time.
class Experiment {
public:
  // Throws Error(invalid_argument) when the folder belongs to other settings or to something else,
  // Error(io) when another process writes into it; nothing is written then.
  Experiment(ExperimentSetup setup, const RunWatcher& watcher);

  const std::filesystem::path& folder() const { return setup_.folder; }
  std::filesystem::path folder_of(const ExperimentPoint& point) const;
  bool is_finished(const ExperimentPoint& point) const;
  // The result of a finished point. Throws Error(invalid_argument) when it is one of other
  // settings.
  Json result_of(const ExperimentPoint& point) const;

  // The result of a point: as it is kept, or as `compute` gives it now (its `key` is added): what
  // the point's struct (record/point_events.hpp) holds. Throws Error(interrupted) before a point
  // when the watcher asks to stop.
  Json take(const ExperimentPoint& point,
            const std::function<Json(const std::filesystem::path& folder)>& compute);

  // The same of structs.
  template <RecordStruct Point>
  Point result_of(const ExperimentPoint& point) const {
    return from_object<Point>(result_of(point), {point.title});
  }
  template <RecordStruct Point, class Compute>
  Point take(const ExperimentPoint& point, const Compute& compute) {
    const Json result = take(point, [&](const std::filesystem::path& folder) {
      return to_object<Point>(compute(folder));
    });
    return from_object<Point>(result, {point.title});
  }

  // Writes result.json, which has all points that were taken, as their order was, and `more`; ends
  // the record. Times are left out: they differ from run to run.
  Json finish(const Json& more);
  // Ends the record of an experiment that does not come to its end.
  void fail(const Error& error);
  // Every point that was taken, as a report has them.
  RunSummary summary() const { return summarize_points(points_, setup_.event, ""); }

private:
  void claim() const;
  Json identity_of(const ExperimentPoint& point) const;
  void note(const ExperimentPoint& point, const Json& full);
  Record& record();

  ExperimentSetup setup_;
  const RunWatcher& watcher_;
  double begin_;
  std::optional<FolderLock> lock_;
  std::optional<Record> record_;
  std::vector<Json> recorded_;  // points that the record has
  std::vector<Json> points_;
};

// Trains as the request says, which goes on where one in the same folder stopped and saves every
// 500 steps unless it says otherwise. Returns the seconds of all steps, continuations together.
// Throws Error(interrupted) when it was stopped.
double train_to_the_end(TrainRequest request, const RunWatcher& watcher);

// Removes what a training leaves beside its record once its model is kept elsewhere: checkpoints
// and weights.
void remove_training_weights(const std::filesystem::path& training);

}  // namespace hone
