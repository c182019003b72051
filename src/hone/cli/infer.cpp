#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/named_inputs.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/frontends/array_files.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/onnx/import_onnx.hpp"
#include "hone/run/forward.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// Runs a model on the tensors of a file; without files it is only read.
void run_one(const std::string& model_name, const std::string& in, const std::string& out,
             Mode mode) {
  const bool is_onnx = fs::path(model_name).extension() == ".onnx";
  if (in.empty() && out.empty()) {
    load_model({.name = model_name});
    return;
  }
  std::error_code ignored;
  if (fs::equivalent(in, out, ignored))
    throw Error(ErrorCode::invalid_argument, out + ": the same file as the inputs",
                "choose another file");
  const TensorStore given = read_arrays(in);
  Model model =
      is_onnx ? import_onnx_for(model_name, by_name(given)) : load_model({.name = model_name});
  const std::map<std::string, Tensor> inputs = inputs_of(model, given, in);
  Executor executor = make_forward(std::move(model), mode, {}, true);
  const std::map<std::string, Tensor> outputs = executor.run(inputs);
  TensorStore results;
  for (const auto& [name, id] : executor.graph().outputs) results.set(name, outputs.at(name));
  write_arrays(out, results);
}

CommandResult run_batch(const std::string& file, Mode mode) {
  std::ifstream lines(file);
  if (!lines) throw Error(ErrorCode::not_found, file + ": cannot open", "check the path");
  std::string line;
  std::int64_t number = 0, refused = 0;
  while (std::getline(lines, line)) {
    ++number;
    if (trim(line).empty()) continue;
    Json result;
    try {
      const Json job = parse_json(line, fmt::format("{}: line {}", file, number));
      const std::string in = job.value("in", std::string()), out = job.value("out", std::string());
      if (in.empty() != out.empty())
        throw Error(ErrorCode::invalid_argument, "a job has both of in and out, or neither");
      run_one(job.at("model").text(), in, out, mode);
      result = {{"status", "ok"}};
    } catch (const Error& error) {
      ++refused;
      result = {{"status", "refused"}, {"error", error.message()}};
      if (!error.hint().empty()) result["hint"] = error.hint();
    } catch (const std::bad_alloc&) {
      ++refused;
      result = {{"status", "refused"}, {"error", "out of memory"}};
    } catch (const std::exception& error) {
      // (Of a library: what it says is about its own calls.)
      ++refused;
      result = {{"status", "refused"}, {"error", std::string("cannot be run: ") + error.what()}};
    }
    console().print(result.dump() + "\n");
    std::fflush(stdout);
  }
  return {0, {{"jobs", number}, {"refused", refused}}};
}

CommandResult run_infer(const CommandInput& input) {
  apply_threads(input);
  const Mode mode = parse_mode(input.options.text_or("mode", "compiled"));
  const std::string batch = input.options.text_or("batch", "");
  if (!batch.empty()) {
    for (const char* flag : {"in", "out"})
      if (input.options.contains(flag))
        throw UsageError(fmt::format("--{} changes nothing beside --batch", flag));
    if (input.has("MODEL")) throw UsageError("MODEL changes nothing beside --batch");
    return run_batch(batch, mode);
  }
  if (!input.has("MODEL") || !input.options.contains("in") || !input.options.contains("out"))
    throw UsageError("hone infer MODEL --in FILE --out FILE", "or --batch JOBS.jsonl");
  const std::string out = input.options.text("out");
  run_one(input.argument("MODEL"), input.options.text("in"), out, mode);
  console().print(fmt::format("wrote {}\n", out));
  return {0, {{"out", out}}};
}

}  // namespace

Command command_infer() {
  Command command{{"infer", "runs a model on named tensors of a file", {}}};
  command.arguments = {{"MODEL", "a model folder, or an .onnx file", false}};
  command.options = {
      {.name = "in",
       .default_value = {},
       .help = "tensors by the names of the inputs: .safetensors, .npz; .npy for the only one; of "
               "texts also input_ids, attention_mask and token_type_ids"},
      {.name = "out", .default_value = {}, .help = "the outputs, in the same kinds of file"},
      {.name = "batch",
       .default_value = {},
       .help = "jobs, a line {\"model\", \"in\", \"out\"} each; one line each is printed"},
      {.name = "mode",
       .type = OptionType::text,
       .default_value = std::string("compiled"),
       .help = "how the graph is run",
       .choices = {"reference", "eager", "compiled"}},
      {.name = "threads",
       .type = OptionType::integer,
       .default_value = {},
       .help = "threads (default: all cores)",
       .minimum = 1}};
  command.placeholders = {{"in", "FILE"}, {"out", "FILE"}, {"batch", "JOBS"}};
  command.examples = {"hone infer models/network --in inputs.npz --out outputs.npz",
                      "hone infer network.onnx --in inputs.npz --out outputs.npz"};
  command.run = run_infer;
  return command;
}

}  // namespace hone
