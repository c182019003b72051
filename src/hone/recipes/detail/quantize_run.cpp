#include "hone/recipes/quantize_run.hpp"
#include "hone/core/json.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/data/tokenizer.hpp"
#include "hone/frontends/array_files.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/passes/batch_norm.hpp"
#include "hone/passes/format_checks.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/detail/run_record.hpp"
#include "hone/run/clock.hpp"
#include "hone/train/calibrate.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// Whether rounding would change any number: activations are always counted as changed.
void refuse_no_change(const Model& model) {
  const Quantization formats = formats_of(model.graph);
  for (const NodeFormats& node : formats)
    for (const auto& [slot, choice] : node.slots)
      if (slot != Slot::weight && slot != Slot::bias) return;
  for (const auto& [name, choice] : quantized_parameters(model.graph, formats)) {
    const Tensor& before = model.tensors.at(name);
    const Tensor after = bind_for(model.graph, model.graph.find(name), choice)->quantize(before);
    if (std::memcmp(before.data(), after.data(), before.bytes()) != 0) return;
  }
  throw Error(ErrorCode::invalid_argument, "the formats change no number of the model",
              "choose fewer bits, or other nodes");
}

// Before anything is trained or written.
void refuse_unsigned_parameters(const Model& model, const Quantization& formats) {
  for (const auto& [name, choice] : quantized_parameters(model.graph, formats)) {
    const auto values = model.tensors.at(name).span<float>();
    if (!values.empty())
      refuse_unsigned(choice, *std::min_element(values.begin(), values.end()), name);
  }
}

CalibrateOptions calibrate_options(const CalibrationRequest& request, const RunWatcher& watcher) {
  return {.samples = request.samples,
          .method = request.method,
          .percentile = request.percentile,
          .progress = [&watcher](std::int64_t done, std::int64_t total) {
            if (watcher.work) watcher.work("calibrating", done, total);
          }};
}

// A file of named tensors: for a model whose inputs only its user knows.
void calibrate_on_file(Quantization& quantization, const Model& model,
                       const CalibrationRequest& request, const RunWatcher& watcher) {
  if (!request.tokenizer.empty() || request.max_length > 0 || !request.data_settings.empty())
    throw Error(ErrorCode::invalid_argument,
                request.data + ": settings of texts change nothing for a file of tensors",
                "leave the tokenizer, the length and settings of data out");
  const TensorStore arrays = read_arrays(request.data);
  std::string only;
  int count = 0;
  for (const Value& value : model.graph.values)
    if (value.kind == ValueKind::input && ++count == 1) only = value.name;
  Inputs inputs;
  for (const std::string& name : arrays.names())
    inputs[name.empty() && count == 1 ? only : name] = arrays.at(name);
  try {
    calibrate_on_inputs(quantization, model, inputs, calibrate_options(request, watcher));
  } catch (const Error& error) {
    throw Error(error.code(), request.data + ": " + error.message(), error.hint());
  }
}

void run_calibration(Quantization& quantization, const Model& model,
                     const CalibrationRequest& request, const RunWatcher& watcher) {
  check_calibration(quantization);
  if (model.task == tensors_task) return calibrate_on_file(quantization, model, request, watcher);
  DataRequest data = make_data_request(request.data, request.data_settings);
  data.image = model.image;
  const ChosenTokenizer chosen = choose_tokenizer(model.name, request.tokenizer, data.kind);
  check_fit(model.limits, chosen.tokenizer, chosen.source, {});
  data.split = "train";
  data.labels = LabelUse::ignored;
  data.max_length = length_limit(model.limits, chosen, request.max_length, watcher.say);
  const TokenizedData tokens =
      load_tokenized(data, chosen.tokenizer, [&](std::int64_t done, std::int64_t total) {
        if (watcher.work) watcher.work("tokenizing train", done, total);
      });
  if (tokens.skipped > 0 && watcher.say)
    watcher.say(
        fmt::format("{}: {} rows with an empty text are skipped", request.data, tokens.skipped));
  check_samples(model.limits, tokens);
  calibrate_on_data(quantization, model, samples_of(model, tokens),
                    calibrate_options(request, watcher));
}

// Whether it was done: rules of other systems may leave numbers that have no bits.
bool pack_if_possible(Model& model) {
  try {
    pack_weights(model);
    return true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
    return false;
  }
}

const char* name_of(RangeMethod method) {
  switch (method) {
    case RangeMethod::min_max: return "min_max";
    case RangeMethod::moving_average: return "moving_average";
    case RangeMethod::percentile: return "percentile";
    case RangeMethod::mse: break;
  }
  return "mse";
}

Json describe(const CalibrationRequest& request) {
  Json json{
      {"data", request.data}, {"samples", request.samples}, {"range", name_of(request.method)}};
  if (request.method == RangeMethod::percentile) json["percentile"] = request.percentile;
  if (request.max_length > 0) json["max_length"] = request.max_length;
  for (const auto& [key, value] : request.data_settings) json["data_settings"][key] = value;
  return json;
}

// What was asked for.
Json configuration(const QuantizeRequest& request) {
  Json config{{"model", request.model}};
  for (std::size_t i = 0; i < request.selections.size(); ++i) {
    const QuantizeSelection& selection = request.selections[i];
    Json part{{"nodes", selection.nodes}};
    if (!selection.format.empty()) part["format"] = selection.format;
    for (const auto& [key, value] : selection.keys) part[key] = value;
    config[request.selections.size() == 1 ? std::string("formats")
                                          : fmt::format("formats.{}", i + 1)] = part;
  }
  if (request.keep_batch_norm) config["keep_batch_norm"] = true;
  if (request.calibration) config["calibrate"] = describe(*request.calibration);
  if (request.training) {
    config["qat"] = {{"data", request.training->data}};
    for (const auto& [key, value] : request.training->settings.values.values())
      config["qat"][key] = to_string(value);
  }
  return config;
}

// What was done, for the model's history.
std::string history_line(const QuantizeRequest& request, int folded_norms) {
  std::string line = request.training ? "quantize, trained with the rounding:" : "quantize:";
  if (folded_norms > 0) line += fmt::format(" {} batch norms into convolutions;", folded_norms);
  for (const QuantizeSelection& selection : request.selections) {
    line += fmt::format(" {} {}", selection.nodes, selection.format);
    for (const auto& [key, value] : selection.keys) line += fmt::format(" {}={}", key, value);
    line += ";";
  }
  if (request.selections.empty()) line += " formats as before;";
  if (request.calibration) line += " calibrated on " + request.calibration->data + ";";
  line.pop_back();
  return line;
}

void write_record(const QuantizeRequest& request, const Model& model,
                  const QuantizeOutcome& outcome, const RunEvent& run, double seconds) {
  Record record(request.out / "record.jsonl");
  ModelEvent described = model_event(request.model, model, inspected_tokens);
  described.parameters = static_cast<double>(outcome.parameters);
  begin_record(record, run, described);
  QuantizedEvent event = describe_quantized(model);
  event.bytes_before = static_cast<double>(outcome.bytes_before);
  event.bytes_after = static_cast<double>(outcome.bytes_after);
  event.packed = outcome.packed;
  event.products = outcome.products;
  if (request.calibration) event.calibration = describe(*request.calibration);
  if (outcome.training) {
    event.trained = trained_part(*outcome.training);
    event.trained->parameters = static_cast<double>(outcome.training->parameters);
    event.learned_steps = static_cast<double>(outcome.learned_steps);
  }
  record.write(event);
  end_record(record, outcome.training, seconds);
}

}  // namespace

void save_with_tokenizer(const Model& model, const fs::path& out) {
  save_model(out, model, model.tensors, tokenizer_files(model.directory));
}

QuantizeOutcome run_quantization(const QuantizeRequest& request, const RunWatcher& watcher) {
  QuantizeOutcome outcome;
  const double begin = now_seconds();
  const RunEvent run = begin_run(request.command, configuration(request));
  Model model = load_model({.name = request.model});
  say_report(model, watcher.say);
  unpack_weights(model);
  Quantization formats = formats_of(model.graph);
  if (!formats.empty() && !request.selections.empty() && watcher.say)
    watcher.say(
        request.model +
        " is quantized already: its formats are replaced, its rounded numbers rounded again");
  const Quantization before = formats;
  if (!request.selections.empty()) formats = select_formats(model.graph, request.selections);
  if (!request.selections.empty() && !request.training && !request.calibration && formats == before)
    throw Error(ErrorCode::invalid_argument,
                request.model + ": takes these formats already: nothing would change",
                "choose others; --dequantize turns back");
  if (formats.empty())
    throw Error(ErrorCode::invalid_argument, request.model + ": has no formats of its own",
                "name one with --format: hone format list");
  Model folded = model;  // shares its numbers
  // (What starts afresh is trained with its norms.)
  const bool fresh = model.directory.empty() && request.training;
  const int norms = fresh ? 0 : fold_batch_norm(folded, formats);
  if (request.keep_batch_norm && norms == 0)
    throw Error(ErrorCode::invalid_argument,
                request.model +
                    ": keep_batch_norm changes nothing: no batch norm would go into a "
                    "convolution that takes a format",
                "leave it out");
  if (!request.keep_batch_norm && norms > 0) {
    model = std::move(folded);
    outcome.folded_norms = norms;
  }
  if (!request.training) refuse_untrained(formats);
  refuse_unsigned_parameters(model, formats);
  if (request.calibration)
    run_calibration(formats, model, *request.calibration, watcher);
  else
    refuse_unsigned_data(model.graph, formats);
  refuse_shared_scales(model.graph, formats);
  if (request.training) {
    TrainRequest training = *request.training;
    training.model = request.model;
    training.out = request.out / "training";
    training.formats = formats;
    training.keep_batch_norm = request.keep_batch_norm;
    outcome.training = run_training(training, watcher);
    if (!outcome.training->result.finished) return outcome;
    model = load_model({.name = training.out.string()});
    outcome.learned_steps = static_cast<std::int64_t>(learned_steps(model.graph).size());
    freeze_learned_steps(model);
  } else {
    set_formats(model, formats);
  }
  model.history.push_back(history_line(request, outcome.folded_norms));
  outcome.parameters = parameter_count(model);
  outcome.bytes_before = tensor_bytes(model);
  outcome.quantization = formats_of(model.graph);
  if (!request.training) refuse_no_change(model);
  outcome.packed = pack_if_possible(model);
  outcome.bytes_after = tensor_bytes(model);
  outcome.left = left_in_float32(model);
  outcome.products = describe_products(model);
  if (request.overwrite)
    clear_out(request.out,
              request.training ? std::set<std::string>{"training"} : std::set<std::string>{});
  save_with_tokenizer(model, request.out);
  write_record(request, model, outcome, run, now_seconds() - begin);
  return outcome;
}

Json to_json(const QuantizeOutcome& outcome, const fs::path& out) {
  Json json{{"out", out.string()},
            {"nodes", to_json(outcome.quantization)},
            {"packed", outcome.packed},
            {"parameters", outcome.parameters},
            {"bytes_before", outcome.bytes_before},
            {"bytes_after", outcome.bytes_after},
            {"float_parameters", outcome.left.float_parameters},
            {"left_in_float32", Json::object()},
            {"folded_norms", outcome.folded_norms},
            {"products", outcome.products}};
  for (const auto& [op, count] : outcome.left.by_op) json["left_in_float32"][op] = count;
  if (outcome.training) json["training"] = to_json(*outcome.training, out / "training");
  return json;
}

}  // namespace hone
