// Points of experiments: what is measured of one model of a sweep or a compression.
#pragma once

#include <cstdint>
#include <string>

#include "hone/core/json.hpp"
#include "hone/record/fields.hpp"

namespace hone {

// What is measured of every point: as its result has it, and its line in the record.
struct MeasuredPoint {
  std::string kind = {};  // float: the model that the others start from
  std::int64_t seed = 0;
  double samples = not_recorded;
  double accuracy = not_recorded;
  double low = not_recorded;  // 95 % interval of the accuracy
  double high = not_recorded;
  double loss = not_recorded;
  double bytes = not_recorded;            // of the tensors
  double bits_per_weight = not_recorded;  // of the weights that take the format
  double seconds = not_recorded;
  double p_float = not_recorded;  // McNemar's test against the float model
  // Which samples are right, a hexadecimal digit for four; in results alone, records leave it out.
  std::string correct = {};
};
void fields(FieldVisitor& visitor, MeasuredPoint& point);

// Of a sweep over widths: kind ptq or qat.
struct SweepPoint : MeasuredPoint {
  static constexpr const char* event_name = "point";
  std::string format = {};
  std::int64_t width = 0;
  double p_ptq = not_recorded;  // McNemar's test of qat against ptq
};
void fields(FieldVisitor& visitor, SweepPoint& point);

// What a model costs.
struct MeasuredCost {
  // Seconds of one text, beside the float model in the same rounds.
  double latency = not_recorded, latency_low = not_recorded, latency_high = not_recorded;
  double float_latency = not_recorded;
  double speedup = not_recorded, speedup_low = not_recorded, speedup_high = not_recorded;
  std::string speed = {};               // what that says: "1.60 x as fast", "no faster"
  double bytes_on_disk = not_recorded;  // of the files of its weights
};
void fields(FieldVisitor& visitor, MeasuredCost& cost);

// Of a sweep over sparsities: kind pruned, tuned (trained after it) or speed (has a cost).
struct PruningPoint : MeasuredPoint {
  static constexpr const char* event_name = "pruning_point";
  std::string curve = {};     // the way to prune
  Json how = Json::object();  // its settings
  double sparsity = not_recorded;
  std::string against = {};         // another curve
  double p_against = not_recorded;  // McNemar's test against it
  double parameters = not_recorded, dropped = not_recorded;
  MeasuredCost cost = {};
};
void fields(FieldVisitor& visitor, PruningPoint& point);

// One stage of a compression: kind stage.
struct CompressionPoint : MeasuredPoint {
  static constexpr const char* event_name = "compression_stage";
  std::int64_t number = 0;  // from 1; 0: the float model
  std::string title = {};
  Json stages = Json::array();     // the settings of all stages up to it
  double p_before = not_recorded;  // McNemar's test against the stage before it
  MeasuredCost cost = {};
};
void fields(FieldVisitor& visitor, CompressionPoint& point);

}  // namespace hone
