// Models as ONNX files.
#pragma once

#include <filesystem>

#include "hone/model/model.hpp"

namespace hone {

// Operator sets that files can be written for. (Of 28 ONNX Runtime 1.32 has no QuantizeLinear.)
inline constexpr std::int64_t oldest_exported_opset = 13, newest_exported_opset = 27;

struct OnnxExport {
  std::int64_t opset = newest_exported_opset;
  // Rounded values as QuantizeLinear and DequantizeLinear, rounded weights as integers; else as the
  // real numbers and the arithmetic that they are.
  bool qdq = false;
  // Initializers of more bytes lie beside the file, in FILE.data.
  std::int64_t most_bytes = 1'900'000'000;
  // The file that the model was read from, if it was one: it and its data stay as they are.
  std::filesystem::path source = {};
};

// What the model computes when it runs forward. Inputs, outputs and named sizes keep their names; a
// model of texts takes input_ids, attention_mask and token_type_ids, i64[batch,sequence] each.
// Labels, task and history stand in the file's metadata. Throws Error(unsupported) naming the node
// and its op: what ONNX has no op for, or not in this operator set; formats that have no meaning
// there. Throws Error(invalid_argument) where the file or its data would take the place of
// settings.source or of data of it, and as write_onnx does.
void export_onnx(const Model& model, const std::filesystem::path& file,
                 const OnnxExport& settings = {});

}  // namespace hone
