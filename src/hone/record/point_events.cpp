#include "hone/record/point_events.hpp"

namespace hone {

using enum Presence;

void fields(FieldVisitor& visitor, MeasuredPoint& point) {
  visitor.text("kind", point.kind);
  visitor.whole("seed", point.seed);
  visitor.count("samples", point.samples, where_set);
  visitor.number("accuracy", point.accuracy, where_set);
  visitor.number("low", point.low, where_set);
  visitor.number("high", point.high, where_set);
  visitor.require(!(point.low > point.high), "low", "no more than \"high\"");
  visitor.number("loss", point.loss, where_set);
  visitor.count("bytes", point.bytes, where_set);
  visitor.number("bits_per_weight", point.bits_per_weight, where_set);
  visitor.number("seconds", point.seconds, where_set);
  visitor.number("p_float", point.p_float, where_set);
  visitor.text("correct", point.correct, where_set);
}

void fields(FieldVisitor& visitor, SweepPoint& point) {
  fields(visitor, static_cast<MeasuredPoint&>(point));
  visitor.require(point.kind == "float" || point.kind == "ptq" || point.kind == "qat", "kind",
                  "float, ptq or qat");
  visitor.text("format", point.format, where_set);
  visitor.whole("width", point.width, point.kind == "float" ? where_set : always);
  visitor.number("p_ptq", point.p_ptq, where_set);
}

void fields(FieldVisitor& visitor, MeasuredCost& cost) {
  visitor.number("latency", cost.latency, where_set);
  visitor.number("latency_low", cost.latency_low, where_set);
  visitor.number("latency_high", cost.latency_high, where_set);
  visitor.number("float_latency", cost.float_latency, where_set);
  visitor.number("speedup", cost.speedup, where_set);
  visitor.number("speedup_low", cost.speedup_low, where_set);
  visitor.number("speedup_high", cost.speedup_high, where_set);
  visitor.text("speed", cost.speed, where_set);
  visitor.count("bytes_on_disk", cost.bytes_on_disk, where_set);
}

void fields(FieldVisitor& visitor, PruningPoint& point) {
  fields(visitor, static_cast<MeasuredPoint&>(point));
  const bool is_float = point.kind == "float";
  visitor.require(
      is_float || point.kind == "pruned" || point.kind == "tuned" || point.kind == "speed", "kind",
      "float, pruned, tuned or speed");
  visitor.text("curve", point.curve, where_set);
  visitor.object("how", point.how, where_set);
  visitor.number("sparsity", point.sparsity, where_set);
  visitor.require(is_float || (point.sparsity > 0 && point.sparsity < 1), "sparsity",
                  "between 0 and 1");
  visitor.text("against", point.against, where_set);
  visitor.number("p_against", point.p_against, where_set);
  visitor.count("parameters", point.parameters, where_set);
  visitor.count("dropped", point.dropped, where_set);
  fields(visitor, point.cost);
}

void fields(FieldVisitor& visitor, CompressionPoint& point) {
  fields(visitor, static_cast<MeasuredPoint&>(point));
  visitor.require(point.kind == "float" || point.kind == "stage", "kind", "float or stage");
  visitor.whole("number", point.number, point.kind == "stage" ? always : where_set);
  visitor.text("title", point.title, where_set);
  visitor.array("stages", point.stages, where_set);
  visitor.number("p_before", point.p_before, where_set);
  fields(visitor, point.cost);
}

}  // namespace hone
