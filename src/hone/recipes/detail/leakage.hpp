// Whether a model has been trained on samples that it is going to be judged on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace hone {

// A validation split as it is cut from the train split.
struct ValidationSplit {
  std::string data;  // "imdb:PATH"
  double share = 0;
  std::uint64_t seed = 0;
};

// A sentence about the training that the model's folder has the record of, where that was on the
// same data (by the name of the file) and left out another part of it, or none; "" otherwise.
std::string describe_leakage(const std::filesystem::path& model, const ValidationSplit& judged);

}  // namespace hone
