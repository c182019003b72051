// What the record of a training run says before its first step.
#pragma once

#include <optional>

#include "hone/recipes/detail/train_inputs.hpp"
#include "hone/record/record.hpp"

namespace hone {

// The events run, model and, where the model takes number formats, its quantization.
void write_run(Record& record, const TrainRequest& request, const TrainInputs& inputs,
               const TrainOptions& options);

}  // namespace hone
