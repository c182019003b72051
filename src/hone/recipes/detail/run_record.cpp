#include "hone/recipes/detail/run_record.hpp"

#include "hone/recipes/layers.hpp"

namespace hone {

ModelEvent model_event(const std::string& name, const Model& model,
                       std::int64_t tokens_per_sample) {
  return {.name = name,
          .parameters = static_cast<double>(parameter_count(model)),
          .layers = describe_layers(model, tokens_per_sample)};
}

void begin_record(Record& record, const RunEvent& run, const ModelEvent& model) {
  record.write(run);
  record.write(model);
}

TrainedPart trained_part(const TrainOutcome& training) {
  return {.steps = static_cast<double>(training.total_steps),
          .samples = static_cast<double>(training.result.samples),
          .seconds = training.seconds};
}

void end_record(Record& record, const std::optional<TrainOutcome>& training, double seconds) {
  if (training && training->result.kept())
    record.write(eval_event(*training->result.kept(), "validation", training->total_steps));
  record.write(EndEvent{.status = "finished", .seconds = seconds});
}

EndEvent end_of(const Error& error, double seconds) {
  return {.status = error.code() == ErrorCode::interrupted ? "interrupted" : "failed",
          .seconds = seconds,
          .message = error.message()};
}

}  // namespace hone
