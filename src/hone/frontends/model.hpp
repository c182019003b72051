// What a model directory holds, before any graph is built from it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/core/parameter_store.hpp"

namespace hone {

enum class Initializer { zeros, ones, normal };

// A parameter that an architecture wants: its Hugging Face name, shape and how to start it.
struct ParameterSpec {
  std::string name;
  Shape shape;
  Initializer initializer = Initializer::normal;
  double deviation = 0.02;  // of `normal`
};

// How the tensors of a directory met what the architecture wants.
struct MatchReport {
  std::vector<std::string> initialized;  // wanted, not in the files: started afresh
  std::vector<std::string> unused;  // in the files, not wanted (buffers such as position_ids aside)
  std::vector<std::string> notes;   // what else was done to them, as sentences for the user
};

// Contract of a weights file reader: one file in frontends/readers/.
struct WeightsReader : Described {
  // File name it reads inside a model directory, e.g. "model.safetensors".
  std::string file_name;
  // Whether other libraries know that name too.
  bool common = true;
  // All tensors of the file, in file order, with their stored dtype. Never executes anything.
  ParameterStore (*read)(const std::filesystem::path& file);
};

const std::vector<WeightsReader>& weights_reader_table();

}  // namespace hone
