#include "hone/record/training_events.hpp"

#include <cmath>

namespace hone {

using enum Presence;

void fields(FieldVisitor& visitor, StepEvent& event) {
  visitor.count("epoch", event.epoch);
  visitor.whole("step", event.step);
  visitor.number("loss", event.loss);
  visitor.number("grad_norm", event.grad_norm);
  visitor.number("lr", event.lr);
  visitor.count("tokens", event.tokens);
  visitor.count("samples", event.samples);
  visitor.number("seconds", event.seconds);
}

void fields(FieldVisitor& visitor, ClassFigures& figures) {
  visitor.text("label", figures.label);
  visitor.count("support", figures.support);
  visitor.count("predicted", figures.predicted);
  visitor.number("precision", figures.precision);
  visitor.number("recall", figures.recall);
  visitor.number("f1", figures.f1);
  visitor.intervals("intervals", figures.intervals, where_set);
}

void fields(FieldVisitor& visitor, EvalFigures& figures) {
  visitor.count("samples", figures.samples);
  visitor.number("loss", figures.loss);
  visitor.number("accuracy", figures.accuracy, where_set);
  visitor.number("low", figures.low, where_set);
  visitor.number("high", figures.high, where_set);
  visitor.require(!(figures.low > figures.high), "low", "no more than \"high\"");
  visitor.texts("labels", figures.labels, where_set);
  visitor.square("confusion", figures.confusion, where_set);
  visitor.require(figures.confusion.empty() || figures.labels.empty() ||
                      figures.labels.size() == figures.confusion.size(),
                  "labels", "as many as \"confusion\" has rows");
  visitor.list("classes", figures.classes, where_set);
  // What is undefined is null; what the other kind of answers has is absent.
  const bool has_classes = !figures.confusion.empty() || !std::isnan(figures.accuracy);
  const Presence of_classes = figures.confusion.empty() ? where_set : always;
  visitor.number("macro_f1", figures.macro_f1, of_classes);
  visitor.number("mcc", figures.mcc, of_classes);
  visitor.number("top5", figures.top5, where_set);
  const Presence of_values = has_classes ? where_set : always;
  visitor.number("mse", figures.mse, of_values);
  visitor.number("mae", figures.mae, of_values);
  visitor.number("r2", figures.r2, of_values);
  visitor.number("pearson", figures.pearson, of_values);
  visitor.number("spearman", figures.spearman, of_values);
  visitor.intervals("intervals", figures.intervals, where_set);
}

void fields(FieldVisitor& visitor, SplitFigures& figures) {
  fields(visitor, static_cast<EvalFigures&>(figures));
  visitor.text("split", figures.split);
  visitor.number("seconds", figures.seconds);
  visitor.number("samples_per_second", figures.samples_per_second);
}

void fields(FieldVisitor& visitor, EvalEvent& event) {
  fields(visitor, static_cast<SplitFigures&>(event));
  visitor.count("epoch", event.epoch, where_set);
  visitor.whole("step", event.step);
}

void fields(FieldVisitor& visitor, TimingEvent& event) {
  visitor.text("kernel", event.kernel);
  visitor.text("op", event.op);
  visitor.count("calls", event.calls);
  visitor.number("seconds", event.seconds);
  visitor.number("flop", event.flop);
  visitor.require(!(event.calls < 0), "calls", "0 or more");
  visitor.require(!(event.seconds < 0), "seconds", "0 or more");
  visitor.require(!(event.flop < 0), "flop", "0 or more");
}

void fields(FieldVisitor& visitor, MemoryEvent& event) {
  visitor.count("peak_bytes", event.peak_bytes);
  visitor.count("arena_bytes", event.arena_bytes);
}

}  // namespace hone
