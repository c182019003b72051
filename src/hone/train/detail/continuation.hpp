// What identifies a run, how long it is, and how a run that stopped or finished goes on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/train/checkpoint.hpp"
#include "hone/train/trainer.hpp"

namespace hone {

std::int64_t samples_of_epoch(const Dataset& data, const TrainOptions& options);
std::int64_t steps_of_epoch(const Dataset& data, const TrainOptions& options);
std::int64_t steps_of_run(const Dataset& data, const TrainOptions& options);

// Whether it ended because no evaluation got better.
bool is_out_of_patience(const TrainPosition& position, const TrainOptions& options);

// What a resumed run must have as it was: options, data, configuration.
Json identity_of(const Model& model, const Samples& data, const Samples* validation,
                 const TrainOptions& options);
// Where the run in `place` (its folder last/) stands, as the one with identity `wanted` continues
// it. Throws Error(invalid_argument) naming the first thing that is not as it was; a finished run
// may have more epochs or steps.
TrainPosition load_resumed(const Json& wanted, const std::filesystem::path& place);
// The learning rate of every step: of each part of the run, what its schedule says.
std::vector<float> rates_of(const TrainPosition& position, const TrainOptions& options);

}  // namespace hone
