// What a record says of a run as a whole: what was run on what, how it ended.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/record/fields.hpp"

namespace hone {

// The first line of a run, and of each that continues it.
struct RunEvent {
  static constexpr const char* event_name = "run";
  std::string command;
  Json config = Json::object();
  std::vector<std::string> changed;  // keys of the configuration that are not at their default
  Json machine = Json::object();     // describe_machine()
  Json versions = Json::object();    // describe_versions()
  std::string started;               // ISO 8601, UTC
};
void fields(FieldVisitor& visitor, RunEvent& event);
// That of a run which starts now, here.
RunEvent begin_run(std::string command, Json config);

// A node with parameters, or an attention.
struct LayerEntry {
  std::string name, op;
  double parameters = not_recorded;
  double bytes = not_recorded;                 // of the parameters, as they are stored
  double macs_per_token = not_recorded;        // multiply-adds of the products
  std::map<std::string, std::string> formats;  // by slot: "integer width=8"; none: float32
  double dropped = not_recorded;               // numbers that masks drop, where they do
};
void fields(FieldVisitor& visitor, LayerEntry& layer);

struct ModelEvent {
  static constexpr const char* event_name = "model";
  std::string name;
  double parameters = not_recorded;
  std::vector<LayerEntry> layers;  // in the order of the computation
};
void fields(FieldVisitor& visitor, ModelEvent& event);

// A run goes on from a checkpoint: what the record has of later steps was lost and comes again.
struct ResumeEvent {
  static constexpr const char* event_name = "resume";
  std::int64_t step = 0;
};
void fields(FieldVisitor& visitor, ResumeEvent& event);

struct EndEvent {
  static constexpr const char* event_name = "end";
  std::string status;             // finished, interrupted or failed
  double seconds = not_recorded;  // wall clock, of this process
  std::string message = {};       // of an error
  // Of a training that finished: best or last, the model's step, whether patience ended it.
  std::string kept = {};
  double kept_step = not_recorded;
  bool out_of_patience = false;
};
void fields(FieldVisitor& visitor, EndEvent& event);

}  // namespace hone
