#include "hone/record/run_events.hpp"

#include "hone/record/record.hpp"

namespace hone {

using enum Presence;

void fields(FieldVisitor& visitor, RunEvent& event) {
  visitor.text("command", event.command);
  visitor.object("config", event.config);
  visitor.texts("changed", event.changed, where_set);
  visitor.object("machine", event.machine);
  visitor.object("versions", event.versions);
  visitor.text("started", event.started);
}

RunEvent begin_run(std::string command, Json config) {
  return {.command = std::move(command),
          .config = std::move(config),
          .changed = {},
          .machine = describe_machine(),
          .versions = describe_versions(),
          .started = utc_now()};
}

void fields(FieldVisitor& visitor, LayerEntry& layer) {
  visitor.text("name", layer.name);
  visitor.text("op", layer.op);
  visitor.count("parameters", layer.parameters);
  visitor.count("bytes", layer.bytes);
  visitor.number("macs_per_token", layer.macs_per_token);
  visitor.named_texts("formats", layer.formats, where_set);
  visitor.count("dropped", layer.dropped, where_set);
}

void fields(FieldVisitor& visitor, ModelEvent& event) {
  visitor.text("name", event.name);
  visitor.count("parameters", event.parameters);
  visitor.list("layers", event.layers);
}

void fields(FieldVisitor& visitor, ResumeEvent& event) { visitor.whole("step", event.step); }

void fields(FieldVisitor& visitor, EndEvent& event) {
  visitor.text("status", event.status);
  visitor.number("seconds", event.seconds);
  visitor.text("message", event.message, where_set);
  visitor.text("kept", event.kept, where_set);
  const Presence of_training = event.kept.empty() ? where_set : always;
  visitor.count("kept_step", event.kept_step, of_training);
  visitor.flag("out_of_patience", event.out_of_patience, of_training);
}

}  // namespace hone
