#include "hone/record/transform_events.hpp"

namespace hone {

using enum Presence;

void fields(FieldVisitor& visitor, TrainedPart& part) {
  visitor.count("steps", part.steps);
  visitor.count("samples", part.samples);
  visitor.number("seconds", part.seconds);
  visitor.count("parameters", part.parameters, where_set);
}

void fields(FieldVisitor& visitor, FormatEntry& entry) {
  visitor.text("format", entry.format);
  visitor.text("slots", entry.slots);
  visitor.count("nodes", entry.nodes);
}

void fields(FieldVisitor& visitor, QuantizedEvent& event) {
  visitor.count("nodes", event.nodes);
  visitor.list("formats", event.formats);
  visitor.count("parameters", event.parameters);
  visitor.count("float_parameters", event.float_parameters);
  visitor.named_counts("left_in_float32", event.left_in_float32);
  visitor.count("bytes_before", event.bytes_before);
  visitor.count("bytes_after", event.bytes_after);
  // A training does not pack, and does not say what products would run on.
  visitor.flag("packed", event.packed, event.products.empty() ? where_set : always);
  visitor.count("learned_steps", event.learned_steps, where_set);
  visitor.object("calibration", event.calibration, where_set);
  visitor.part("trained", event.trained);
  visitor.text("products", event.products, where_set);
}

void fields(FieldVisitor& visitor, PrunedEntry& entry) {
  visitor.text("name", entry.name);
  visitor.count("numbers", entry.numbers);
  visitor.count("dropped", entry.dropped);
  visitor.number("sparsity", entry.sparsity);
}

void fields(FieldVisitor& visitor, PrunedDataEntry& entry) {
  visitor.text("node", entry.node);
  visitor.text("dropped", entry.dropped);
}

void fields(FieldVisitor& visitor, RemovedEntry& entry) {
  visitor.text("node", entry.node);
  visitor.count("before", entry.before);
  visitor.count("after", entry.after);
}

void fields(FieldVisitor& visitor, LatencyEntry& entry) {
  visitor.text("name", entry.name);
  visitor.number("median", entry.median);
  visitor.number("low", entry.low);
  visitor.number("high", entry.high);
  visitor.count("rounds", entry.rounds);
  visitor.text("against", entry.against, where_set);
  const Presence compared = entry.against.empty() ? where_set : always;
  visitor.flag("faster", entry.faster, compared);
  visitor.number("speedup", entry.speedup, compared);
  visitor.number("speedup_low", entry.speedup_low, compared);
  visitor.number("speedup_high", entry.speedup_high, compared);
}

void fields(FieldVisitor& visitor, PrunedEvent& event) {
  visitor.list("layers", event.layers);
  visitor.count("numbers", event.numbers);
  visitor.count("dropped", event.dropped);
  visitor.number("sparsity", event.sparsity);
  visitor.count("parameters", event.parameters);
  visitor.number("sparsity_of_all", event.sparsity_of_all);
  visitor.list("activations", event.activations);
  visitor.flag("packed", event.packed);
  visitor.part("trained", event.trained);
  visitor.count("disk_bytes_before", event.disk_bytes_before, where_set);
  visitor.count("disk_bytes", event.disk_bytes);

  visitor.flag("removed", event.removed, where_set);
  const Presence of_removal = event.removed ? always : where_set;
  visitor.list("heads", event.heads, of_removal);
  visitor.list("neurons", event.neurons, of_removal);
  visitor.list("channels", event.channels, where_set);
  visitor.texts("branches", event.branches, of_removal);
  visitor.count("parameters_after", event.parameters_after, of_removal);
  visitor.count("bytes_before", event.bytes_before, of_removal);
  visitor.count("bytes_after", event.bytes_after, of_removal);

  visitor.text("verdict", event.verdict, where_set);
  const Presence measured = event.verdict.empty() ? where_set : always;
  visitor.list("latency", event.latency, measured);
  visitor.count("latency_tokens", event.latency_tokens, measured);
  visitor.count("latency_threads", event.latency_threads, measured);
  visitor.count("products", event.products, measured);
  visitor.count("sparse_products", event.sparse_products, measured);
  visitor.text("dense_because", event.dense_because, where_set);
}

}  // namespace hone
