#include <cstring>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/round_up.hpp"
#include "hone/core/version.hpp"
#include "hone/frontends/onnx/onnx_file.hpp"
#include "hone/frontends/onnx/onnx_messages.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// Where tensors begin in a file of external data: pages, so that programs can map them.
constexpr std::int64_t page = 4096;

// The version of the format that goes with an operator set
// (https://onnx.ai/onnx/repo-docs/Versioning.html).
std::int64_t ir_version_of(std::int64_t opset) {
  constexpr std::pair<std::int64_t, std::int64_t> since[] = {{28, 14}, {25, 13}, {24, 12}, {23, 11},
                                                             {21, 10}, {19, 9},  {15, 8}};
  for (const auto& [set, version] : since)
    if (opset >= set) return version;
  return 7;
}

// Bytes of initializers, and where they are put: into their messages, or one behind the other into
// a file.
class OnnxFileWriter {
public:
  OnnxFileWriter(const OnnxFile& file, std::int64_t most_bytes) : file_(file) {
    std::int64_t bytes = 0;
    for (const auto& [name, tensor] : file.graph.initializers)
      bytes += static_cast<std::int64_t>(tensor.bytes());
    for (const auto& [name, raw] : file.graph.raw) bytes += std::ssize(raw.bytes);
    is_external_ = bytes > most_bytes;
  }

  void write() {
    model_.set_ir_version(ir_version_of(file_.opsets.at("")));
    model_.set_producer_name(file_.producer);
    model_.set_producer_version(version);
    for (const auto& [domain, set] : file_.opsets) {
      auto* opset = model_.add_opset_import();
      opset->set_domain(domain);
      opset->set_version(set);
    }
    for (const auto& [key, value] : file_.metadata) {
      auto* entry = model_.add_metadata_props();
      entry->set_key(key);
      entry->set_value(value);
    }
    auto& graph = *model_.mutable_graph();
    graph.set_name(file_.graph.name);
    for (const OnnxValue& input : file_.graph.inputs) describe(*graph.add_input(), input);
    for (const OnnxValue& output : file_.graph.outputs) describe(*graph.add_output(), output);
    for (const OnnxNode& node : file_.graph.nodes) write(*graph.add_node(), node);
    for (const auto& [name, tensor] : file_.graph.initializers)
      add(name, onnx_number_of(tensor.dtype()), tensor.shape(),
          {static_cast<const char*>(tensor.data()), tensor.bytes()});
    for (const auto& [name, raw] : file_.graph.raw) add(name, raw.type, raw.shape, raw.bytes);
    const fs::path data = data_file();
    std::error_code ignored;
    const bool is_there = fs::exists(data, ignored);
    const bool is_own = is_there && data_of_onnx(file_.path).contains(data);
    if (is_external_) {
      if (is_there && !is_own)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: is there already, and is no data of {}", data.string(),
                                file_.path.string()),
                    "move it away, or write the model under another name");
      write_file_atomically(data, [&](const ByteSink& sink) {
        std::int64_t at = 0;
        for (const auto& [offset, bytes] : places_) {
          const std::string gap(static_cast<std::size_t>(offset - at), '\0');
          sink(std::as_bytes(std::span(gap)));
          sink(std::as_bytes(std::span(bytes)));
          at = offset + std::ssize(bytes);
        }
      });
    }
    std::string bytes;
    if (!model_.SerializeToString(&bytes))
      throw Error(ErrorCode::io,
                  fmt::format("{}: the model is too large for an ONNX file", file_.path.string()));
    write_file_atomically(file_.path, bytes);
    // What belonged to the file that is replaced is nobody's data now.
    if (!is_external_ && is_own) fs::remove(data, ignored);
  }

private:
  fs::path data_file() const {
    fs::path data = file_.path;
    data += ".data";
    return data;
  }

  static void describe(onnx::ValueInfoProto& to, const OnnxValue& value) {
    to.set_name(value.name);
    auto* tensor = to.mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(static_cast<std::int32_t>(onnx_number_of(*value.dtype)));
    auto* shape = tensor->mutable_shape();
    for (const OnnxDim& dim : *value.dims) {
      auto* one = shape->add_dim();
      if (dim.size)
        one->set_dim_value(*dim.size);
      else
        one->set_dim_param(dim.name);
    }
  }

  static void write(onnx::NodeProto& to, const OnnxNode& node) {
    to.set_name(node.name);
    to.set_op_type(node.op);
    to.set_domain(node.domain);
    for (const std::string& name : node.inputs) to.add_input(name);
    for (const std::string& name : node.outputs) to.add_output(name);
    for (const auto& [name, value] : node.attributes) write(*to.add_attribute(), name, value);
  }

  static void write(onnx::AttributeProto& to, const std::string& name, const OnnxAttribute& value) {
    using Kind = OnnxAttribute::Kind;
    to.set_name(name);
    switch (value.kind) {
      case Kind::integer:
        to.set_type(onnx::AttributeProto::INT);
        to.set_i(value.integer);
        return;
      case Kind::real:
        to.set_type(onnx::AttributeProto::FLOAT);
        to.set_f(static_cast<float>(value.real));
        return;
      case Kind::text:
        to.set_type(onnx::AttributeProto::STRING);
        to.set_s(value.text);
        return;
      case Kind::integers:
        to.set_type(onnx::AttributeProto::INTS);
        for (const std::int64_t one : value.integers) to.add_ints(one);
        return;
      case Kind::reals:
        to.set_type(onnx::AttributeProto::FLOATS);
        for (const double one : value.reals) to.add_floats(static_cast<float>(one));
        return;
      case Kind::texts:
        to.set_type(onnx::AttributeProto::STRINGS);
        for (const std::string& one : value.texts) to.add_strings(one);
        return;
      default: throw Error(ErrorCode::internal, fmt::format("attribute '{}' is not written", name));
    }
  }

  void add(const std::string& name, std::int64_t type, const Shape& shape, std::string_view bytes) {
    auto& to = *model_.mutable_graph()->add_initializer();
    to.set_name(name);
    to.set_data_type(static_cast<std::int32_t>(type));
    for (const std::int64_t size : shape) to.add_dims(size);
    if (!is_external_) {
      to.set_raw_data(bytes.data(), bytes.size());
      return;
    }
    to.set_data_location(onnx::TensorProto::EXTERNAL);
    const std::int64_t offset = round_up(end_, page);
    for (const auto& [key, value] :
         {std::pair<std::string, std::string>{"location", data_file().filename().string()},
          {"offset", std::to_string(offset)},
          {"length", std::to_string(bytes.size())}}) {
      auto* entry = to.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    places_.emplace_back(offset, bytes);
    end_ = offset + std::ssize(bytes);
  }

  const OnnxFile& file_;
  bool is_external_ = false;
  onnx::ModelProto model_;
  std::vector<std::pair<std::int64_t, std::string_view>> places_;
  std::int64_t end_ = 0;
};

}  // namespace

void write_onnx(const OnnxFile& file, std::int64_t most_bytes) {
  OnnxFileWriter(file, most_bytes).write();
}

}  // namespace hone
