// What the records of all runs have in common: how they begin and how they end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "hone/core/error.hpp"
#include "hone/model/model.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/record/record.hpp"
#include "hone/record/run_events.hpp"
#include "hone/record/transform_events.hpp"

namespace hone {

// Layers as describe_layers.
ModelEvent model_event(const std::string& name, const Model& model, std::int64_t tokens_per_sample);

// The events run and model. A transform has no data of its own: its layers are counted for samples
// of as many tokens as hone inspect takes.
void begin_record(Record& record, const RunEvent& run, const ModelEvent& model);
inline constexpr std::int64_t inspected_tokens = 256;

// The training that belonged to a transform, as its event has it.
TrainedPart trained_part(const TrainOutcome& training);
// Ends the record of a transform: what its training (if any) came to, and that it finished.
void end_record(Record& record, const std::optional<TrainOutcome>& training, double seconds);

// The end of a run that an error ended.
EndEvent end_of(const Error& error, double seconds);

}  // namespace hone
