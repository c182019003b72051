#pragma once

#include "hone/recipes/train_run.hpp"

namespace hone {

// The options of the loop from settings as they were given; the order of samples is read from its
// file. What depends on model and data (lr, epochs, class_weights) is chosen when they are loaded.
// Throws Error(invalid_argument) for settings that contradict each other or change nothing.
TrainOptions make_train_options(const Options& given);
// A JSON array of sample numbers.
std::vector<std::int64_t> read_order(const std::filesystem::path& path);

}  // namespace hone
