// An ONNX file as plain data: what the protobuf messages say, checked as far as one message can be.
//
// Sources: the IR specification of ONNX (https://onnx.ai/onnx/repo-docs/IR.html), onnx.proto.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
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
  std::string domain;                     // "" is ONNX's own
  std::vector<std::string> inputs = {};   // "" for one that is absent
  std::vector<std::string> outputs = {};  // "" for one that nobody reads
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

// Numbers of a type that hone has no tensors of, as a file holds them: integers of 4 bits (two in a
// byte, the lower half first) or 16.
struct OnnxRaw {
  std::int64_t type = 0;  // in TensorProto.DataType
  Shape shape;
  std::string bytes;
};

struct OnnxGraph {
  std::string name;
  std::vector<OnnxNode> nodes = {};
  std::map<std::string, Tensor> initializers = {};
  std::map<std::string, OnnxRaw> raw = {};  // initializers, to be written
  // Initializers of integers of 4 bits, read as such of 8.
  std::set<std::string> narrow = {};
  std::vector<OnnxValue> inputs = {}, outputs = {},
                         values = {};  // values: types of what nodes compute
};

struct OnnxFunction {
  std::string name, domain;
  std::vector<std::string> inputs = {}, outputs = {}, attributes = {};
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
  std::map<std::string, std::string> metadata =
      {};  // what programs say of the model, to be written
};

// Reads a file and the data beside it that its tensors name. Throws Error naming the file and the
// tensor or node: bad_format for what is damaged or contradicts itself, unsupported for element
// types and features that hone does not have, not_found for external data that is missing.
OnnxFile read_onnx(const std::filesystem::path& file);
// One tensor in a file of its own (TensorProto), as test data has it.
Tensor read_onnx_tensor(const std::filesystem::path& file);

// The files beside it that its tensors name, whether they are there or not; none of what is no ONNX
// file.
std::set<std::filesystem::path> data_of_onnx(const std::filesystem::path& file);

// Writes the file, and its initializers into FILE.data beside it where they take more bytes than
// `most_bytes` (a protobuf message ends at 2 GB). The file is complete or not there. A FILE.data
// that belonged to the file before is replaced or taken away. Throws Error(io);
// Error(invalid_argument) where one is needed and is there already, but not as that file's.
void write_onnx(const OnnxFile& file, std::int64_t most_bytes = 1'900'000'000);

// An element type by its number in TensorProto.DataType; nothing for one that hone does not have.
std::optional<DType> dtype_of_onnx(std::int64_t number);
std::int64_t onnx_number_of(DType dtype);
std::string name_of_onnx_dtype(std::int64_t number);

}  // namespace hone
