// Whole manifests of test vectors (numerics/detail/golden_case.hpp): reads their inputs, computes
// what they expect.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "hone/core/tensor_store.hpp"

namespace hone {

struct ManifestResult {
  std::size_t cases = 0;
  std::size_t written = 0;
  std::map<std::string, std::size_t>
      skipped;  // by format: cases of formats that hone does not have
  std::vector<std::pair<std::string, std::string>> failed;  // case and message
  TensorStore outputs;
};

// `inputs` empty: inputs.safetensors beside the manifest. Manifests of MXINT8 vectors ("files"
// instead of "cases") read each case's own file and give everything that it expects, as
// CASE.TENSOR: codes (I8), scales (U8), decoded numbers (BF16), and y of a linear layer (F32).
// Throws Error naming the file when it is neither.
ManifestResult run_manifest(const std::filesystem::path& manifest,
                            const std::filesystem::path& inputs);

// A safetensors file; 16-bit words, which some vectors keep bfloat16 in, are read as i16.
TensorStore read_vectors(const std::filesystem::path& file);

}  // namespace hone
