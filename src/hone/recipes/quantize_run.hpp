// Quantizing one model from names to a saved directory: after training, or by training with the
// rounding in it. `hone quantize` and the sweeps are this.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/passes/calibration.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/recipes/quantized_summary.hpp"
#include "hone/recipes/train_run.hpp"

namespace hone {

// Fitting ranges to data before anything is rounded.
struct CalibrationRequest {
  std::string data;  // "imdb:PATH"; its split train; of a model of tensors a file of them
  TextSettings data_settings = {};
  std::string tokenizer;        // "": the model's own
  std::int64_t max_length = 0;  // tokens of a sample; 0: what the model takes
  std::int64_t samples = 256;
  RangeMethod method = RangeMethod::mse;
  double percentile = 99.99;
};

struct QuantizeRequest {
  std::string model;                          // a directory
  std::vector<QuantizeSelection> selections;  // empty: the formats that the model has
  std::filesystem::path out;
  std::optional<CalibrationRequest> calibration;
  // Train with the rounding first; its `model`, `out` and `quantize` are set here.
  std::optional<TrainRequest> training;
  // Batch norm beside convolutions that take a format stays; else it goes into them first.
  bool keep_batch_norm = false;
  bool overwrite = false;    // what a run left in `out` goes (clear_out)
  std::string command = {};  // for the record
};

struct QuantizeOutcome {
  Quantization quantization;
  bool packed = false;  // false: see not_packed
  std::int64_t parameters = 0;
  std::int64_t bytes_before = 0, bytes_after = 0;  // of all parameters
  FloatShare left;                                 // what took no format
  std::string products;                            // describe_products
  int folded_norms = 0;                            // batch norms that went into convolutions
  std::int64_t learned_steps = 0;                  // that were trained
  std::optional<TrainOutcome> training;
};

inline constexpr const char* not_packed =
    "the rule leaves numbers that the format cannot hold: saved as float32 with its formats";

// Writes a packed model directory and its record. With training, its run is in out/training. Throws
// Error: what
// the parts throw, Error(invalid_argument) when nothing would change.
QuantizeOutcome run_quantization(const QuantizeRequest& request, const RunWatcher& watcher);

// Writes the model as it is (packed or not) with its tokenizer's files.
void save_with_tokenizer(const Model& model, const std::filesystem::path& out);

Json to_json(const QuantizeOutcome& outcome, const std::filesystem::path& out);

}  // namespace hone
