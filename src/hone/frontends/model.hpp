// What a model directory holds, before any graph is built from it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/core/tensor_store.hpp"

namespace hone {

enum class Initializer { zeros, ones, normal };

// A parameter that an architecture wants: its Hugging Face name, shape and how to start it.
struct ParameterSpec {
  std::string name;
  Shape shape;
  Initializer initializer = Initializer::normal;
  double deviation = 0.02;  // of `normal`
};

// Contract of a weights file reader: one file in frontends/readers/.
struct WeightsReader : Described {
  // File name it reads inside a model directory, e.g. "model.safetensors".
  std::string file_name;
  // All tensors of the file, in file order, with their stored dtype. Never executes anything.
  TensorStore (*read)(const std::filesystem::path& file);
};

const std::vector<WeightsReader>& weights_reader_table();

}  // namespace hone
