#include "hone/frontends/onnx/export_onnx.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/onnx/onnx_builder.hpp"
#include "hone/graph/verify.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/pass.hpp"
#include "hone/passes/pipelines.hpp"

namespace hone {
namespace {

bool is_packed_text(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.op == "sequence_starts" || node.op == "attention";
  });
}

// What runs forward: without dropout, with steps of rounding that are trained no more, dense.
Model lowered(const Model& model) {
  Model result = model;
  freeze_learned_steps(result);
  const bool packed = is_packed_text(result.graph);
  run_passes(result.graph, export_pipeline(packed));
  // Inputs that nothing reads stay where users know them by name.
  if (!packed)
    for (const Value& value : model.graph.values)
      if (value.kind == ValueKind::input && result.graph.find(value.name) == none)
        result.graph.input(value.name, value.type);
  verify_graph(result.graph);
  return result;
}

const OnnxOpWriter* find_writer(const std::string& op) {
  const auto& table = onnx_writer_table();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const OnnxOpWriter& writer) { return writer.name == op; });
  return found == table.end() ? nullptr : &*found;
}

void write_node(OnnxBuilder& builder, const Node& node) {
  OnnxExportCall call(builder, node);
  const OnnxOpWriter* writer = find_writer(node.op);
  if (writer == nullptr) call.refuse("ONNX has no op for it");
  try {
    writer->write(call);
  } catch (const Error& error) {
    if (error.message().starts_with("node '")) throw;
    throw Error(error.code(),
                fmt::format("node '{}' ({}): {}",
                            printable(builder.graph().value(node.outputs[0]).name, 100), node.op,
                            error.message()),
                error.hint());
  }
}

std::map<std::string, std::string> metadata_of(const Model& model) {
  std::map<std::string, std::string> metadata{{"task", model.task}};
  if (!model.labels.empty()) metadata["labels"] = Json(model.labels).dump();
  if (!model.history.empty()) metadata["history"] = Json(model.history).dump();
  if (model.limits.positions > 0) metadata["longest_text"] = std::to_string(model.limits.positions);
  return metadata;
}

void refuse_replacing_source(const std::filesystem::path& file,
                             const std::filesystem::path& source) {
  std::filesystem::path data = file;
  data += ".data";
  std::set<std::filesystem::path> read = data_of_onnx(source);
  read.insert(source);
  std::error_code ignored;
  for (const std::filesystem::path& one : read)
    for (const std::filesystem::path& other : {file, data})
      if (std::filesystem::equivalent(one, other, ignored))
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: belongs to {}, the model that is read", other.string(),
                                source.string()),
                    "write the model under another name");
}

}  // namespace

void export_onnx(const Model& model, const std::filesystem::path& file,
                 const OnnxExport& settings) {
  if (settings.opset < oldest_exported_opset || settings.opset > newest_exported_opset)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("operator set {}: files are written for {} to {}", settings.opset,
                            oldest_exported_opset, newest_exported_opset),
                "leave --opset out for the newest");
  if (!settings.source.empty()) refuse_replacing_source(file, settings.source);
  const Model dense = lowered(model);
  OnnxBuilder builder(dense, settings.opset, settings.qdq);
  for (const Node& node : dense.graph.nodes)
    if (!builder.is_weight_of_model(node.outputs[0])) write_node(builder, node);
  OnnxFile made{.path = file, .producer = "hone", .opsets = {{"", settings.opset}}};
  made.graph = builder.finish();
  made.metadata = metadata_of(model);
  write_onnx(made, settings.most_bytes);
}

}  // namespace hone
