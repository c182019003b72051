// Manifests of test vectors: named cases with a quantizer of MASE or microxcaling, its parameters,
// an input and an output tensor. Here is which format, rule and options of hone each of them is.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/tensor.hpp"

namespace hone {

struct GoldenCase {
  std::string id;
  std::string format;
  Json params;
  std::string input, output;
  std::map<std::string, std::string> extra_inputs;
  std::string compare;   // "bits" or "close"
  double tolerance = 0;  // of "close", relative
};

// Throws Error naming file and case.
std::vector<GoldenCase> read_golden_manifest(const std::filesystem::path& file);
// Whether hone has what the case asks for.
bool is_supported(const GoldenCase& golden);
// The case's output; `input` gives a tensor by its name. Throws Error(unsupported) for formats that
// hone does not have, and what the format throws.
Tensor run_golden_case(const GoldenCase& golden,
                       const std::function<Tensor(const std::string&)>& input);

}  // namespace hone
