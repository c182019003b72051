// Models from directories and by name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "hone/frontends/zoo/architecture.hpp"
#include "hone/model/model.hpp"

namespace hone {

struct ModelRequest {
  std::string name;                           // a directory, an .onnx file, or a built-in name
  SizeSettings settings = {};                 // overrides of a built-in's sizes
  std::uint64_t seed = 0;                     // of fresh parameters
  std::int64_t vocab_size = 0;                // of a built-in model; 0: as configured
  std::vector<std::string> label_names = {};  // of a fresh head; empty: as configured
  // Drop the classifier of a directory and start a new one for these labels.
  bool fresh_head = false;
  // Look for NaN and infinity in the weights of a directory; false: whoever runs it looks at the
  // results.
  bool check_values = true;
};

// Loads an ONNX file (import_onnx.hpp), a directory (hone's own form, Hugging Face's, or an
// adapter's with the base that it names; its last checkpoint when a run did not finish) or makes a
// built-in model. Throws Error(not_found) naming the nearest built-in, and what load_saved_model
// and load_model_files throw.
Model load_model(const ModelRequest& request);

// The same without weights.
ModelFacts model_facts(const std::string& name, const SizeSettings& sizes);
Graph source_graph(const std::string& name, const SizeSettings& sizes);
// The longest text that a directory's config.json is for, whatever else it says (tokenizers come
// with ones that describe no model); 512 where it says nothing.
std::int64_t positions_of(const std::filesystem::path& directory);

// The files that hold the weights of a model's directory, in any form, and their bytes; none of a
// folder without any.
std::vector<std::filesystem::path> weight_files(const std::filesystem::path& directory);
std::int64_t weight_file_bytes(const std::filesystem::path& directory);

}  // namespace hone
