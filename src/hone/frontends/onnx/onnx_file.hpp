// An ONNX file as plain data: what the protobuf messages say, checked as far as one message can be.
//
// Sources: the IR specification of ONNX (https://onnx.ai/onnx/repo-docs/IR.html), onnx.proto.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/core/tensor.hpp"

namespace hone {

struct OnnxGraph;

struct OnnxAttribute {
  enum class Kind { integer, real, text, tensor, graph, integers, reals, texts, reference };
  Kind kind = Kind::integer;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;  // of a reference: the attribute of the function that is meant
  Tensor tensor = {};
  std::shared_ptr<OnnxGraph> graph = {};
  std::vector<std::int64_t> integers = {};
  std::vector<double> reals = {};
  std::vector<std::string> texts = {};
};

struct OnnxNode {
  std::string name;  // may be empty
  std::string op;
  std::string domain;                // "" is ONNX's own
  std::vector<std::string> inputs;   // "" for one that is absent
  std::vector<std::string> outputs;  // "" for one that nobody reads
  std::map<std::string, OnnxAttribute> attributes = {};

  // "node 'Conv_3' (Conv)", for messages.
  std::string describe() const;
};

// A dimension: a size, a name, or neither.
struct OnnxDim {
  std::optional<std::int64_t> size = {};
  std::string name = {};
};

struct OnnxValue {
  std::string name;
  std::optional<DType> dtype = {};                // absent where the file does not say
  std::optional<std::vector<OnnxDim>> dims = {};  // absent: the rank is not known
};

struct OnnxGraph {
  std::string name;
  std::vector<OnnxNode> nodes;
  std::map<std::string, Tensor> initializers = {};
  std::vector<OnnxValue> inputs, outputs, values = {};  // values: types of what nodes compute
};

struct OnnxFunction {
  std::string name, domain;
  std::vector<std::string> inputs, outputs, attributes = {};
  std::map<std::string, OnnxAttribute> defaults = {};
  std::vector<OnnxNode> nodes = {};
  std::map<std::string, std::int64_t> opsets = {};
};

struct OnnxFile {
  std::filesystem::path path;
  std::string producer;
  std::map<std::string, std::int64_t> opsets = {};  // by domain
  OnnxGraph graph = {};
  std::vector<OnnxFunction> functions = {};
};

// Reads a file and the data beside it that its tensors name. Throws Error naming the file and the
// tensor or node: bad_format for what is damaged or contradicts itself, unsupported for element
// types and features that hone does not have, not_found for external data that is missing.
OnnxFile read_onnx(const std::filesystem::path& file);
// One tensor in a file of its own (TensorProto), as test data has it.
Tensor read_onnx_tensor(const std::filesystem::path& file);

// An element type by its number in TensorProto.DataType; nothing for one that hone does not have.
std::optional<DType> dtype_of_onnx(std::int64_t number);
std::string name_of_onnx_dtype(std::int64_t number);

}  // namespace hone
