// What a record has of a model that was quantized or pruned.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/record/fields.hpp"

namespace hone {

// The training that belonged to a transform.
struct TrainedPart {
  double steps = not_recorded;
  double samples = not_recorded;
  double seconds = not_recorded;
  double parameters = not_recorded;
};
void fields(FieldVisitor& visitor, TrainedPart& part);

// A format, the slots that take it ("bias, weight"), and how many nodes.
struct FormatEntry {
  std::string format, slots;
  double nodes = not_recorded;
};
void fields(FieldVisitor& visitor, FormatEntry& entry);

// What a quantized model, or one that is trained with the rounding, is made of.
struct QuantizedEvent {
  static constexpr const char* event_name = "quantized";
  double nodes = not_recorded;
  std::vector<FormatEntry> formats;
  double parameters = not_recorded;
  double float_parameters = not_recorded;         // that take no format
  std::map<std::string, double> left_in_float32;  // those by op
  double bytes_before = not_recorded;
  double bytes_after = not_recorded;  // packed; of a training: what packing will give
  bool packed = false;  // false: trained with the rounding, or a rule that has no bits
  double learned_steps = not_recorded;
  Json calibration = Json::object();  // what it was asked for: {data, samples, range, ...}
  std::optional<TrainedPart> trained;
  std::string products;  // where they run
};
void fields(FieldVisitor& visitor, QuantizedEvent& event);

// A weight with a mask.
struct PrunedEntry {
  std::string name;
  double numbers = not_recorded, dropped = not_recorded, sparsity = not_recorded;
};
void fields(FieldVisitor& visitor, PrunedEntry& entry);

// What of the data that a node reads goes.
struct PrunedDataEntry {
  std::string node, dropped;
};
void fields(FieldVisitor& visitor, PrunedDataEntry& entry);

// Heads, neurons or channels of a node.
struct RemovedEntry {
  std::string node;
  double before = not_recorded, after = not_recorded;
};
void fields(FieldVisitor& visitor, RemovedEntry& entry);

// Wall seconds of one text: dense, masked or removed.
struct LatencyEntry {
  std::string name;
  double median = not_recorded;
  double low = not_recorded, high = not_recorded;  // the 10th and the 90th percentile
  double rounds = not_recorded;
  // Against the first, but for that: in words, and how many times faster, with a 95 % interval.
  std::string against;
  bool faster = false;
  double speedup = not_recorded, speedup_low = not_recorded, speedup_high = not_recorded;
};
void fields(FieldVisitor& visitor, LatencyEntry& entry);

// What pruning left of a model. Shares and parameters are those before anything is removed.
struct PrunedEvent {
  static constexpr const char* event_name = "pruned";
  std::vector<PrunedEntry> layers;
  double numbers = not_recorded, dropped = not_recorded, sparsity = not_recorded;  // of the layers
  double parameters = not_recorded;                                                // of the model
  double sparsity_of_all = not_recorded;
  std::vector<PrunedDataEntry> activations;
  bool packed = false;
  std::optional<TrainedPart> trained;
  double disk_bytes_before = not_recorded, disk_bytes = not_recorded;  // of the files of weights

  // Where structures were taken out.
  bool removed = false;
  std::vector<RemovedEntry> heads, neurons, channels;
  std::vector<std::string> branches;
  double parameters_after = not_recorded;
  double bytes_before = not_recorded, bytes_after = not_recorded;  // of the tensors

  // Where it was measured.
  std::string verdict;
  std::vector<LatencyEntry> latency;
  double latency_tokens = not_recorded, latency_threads = not_recorded;
  double products = not_recorded, sparse_products = not_recorded;
  std::string dense_because;  // why a masked product is not sparse
};
void fields(FieldVisitor& visitor, PrunedEvent& event);

}  // namespace hone
