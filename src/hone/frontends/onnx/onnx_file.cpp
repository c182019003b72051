#include "hone/frontends/onnx/onnx_file.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/onnx/onnx_messages.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr int deepest_message = 64;  // graphs in attributes of nodes of graphs in ...
constexpr std::int64_t most_dims = 8;
constexpr const char* damaged = "the file is damaged, or was made by a program with a fault";

struct NumberedType {
  std::int64_t number;
  const char* name;
  std::optional<DType> dtype;
};
// TensorProto.DataType, those that came later than the installed header too.
constexpr NumberedType types[] = {{1, "float", DType::f32},
                                  {2, "uint8", DType::u8},
                                  {3, "int8", DType::i8},
                                  {4, "uint16", std::nullopt},
                                  {5, "int16", DType::i16},
                                  {6, "int32", DType::i32},
                                  {7, "int64", DType::i64},
                                  {8, "string", std::nullopt},
                                  {9, "bool", DType::boolean},
                                  {10, "float16", DType::f16},
                                  {11, "double", DType::f64},
                                  {12, "uint32", DType::u32},
                                  {13, "uint64", std::nullopt},
                                  {14, "complex64", std::nullopt},
                                  {15, "complex128", std::nullopt},
                                  {16, "bfloat16", DType::bf16},
                                  {17, "float8e4m3fn", std::nullopt},
                                  {18, "float8e4m3fnuz", std::nullopt},
                                  {19, "float8e5m2", std::nullopt},
                                  {20, "float8e5m2fnuz", std::nullopt},
                                  {21, "uint4", std::nullopt},
                                  {22, "int4", std::nullopt},
                                  {23, "float4e2m1", std::nullopt},
                                  {24, "float8e8m0", std::nullopt},
                                  {25, "uint2", std::nullopt},
                                  {26, "int2", std::nullopt}};

constexpr std::int64_t type_uint4 = 21, type_int4 = 22;

class Reader {
public:
  explicit Reader(fs::path file) : file_(std::move(file)) {}

  OnnxFile read_model() {
    onnx::ModelProto model;
    parse(model);
    OnnxFile result{.path = file_, .producer = model.producer_name()};
    for (const auto& opset : model.opset_import()) {
      const std::string domain = domain_of(opset.domain());
      if (!result.opsets.emplace(domain, opset.version()).second)
        fail(fmt::format("the domain '{}' has two opsets", printable(domain, 100)));
    }
    if (!model.has_graph()) fail("it has no graph");
    result.graph = read_graph(model.graph());
    for (const auto& function : model.functions()) result.functions.push_back(read(function));
    return result;
  }

  std::set<fs::path> data_files() {
    onnx::ModelProto model;
    parse(model);
    std::set<fs::path> files;
    add_data_files(model.graph(), files);
    return files;
  }

  Tensor read_one_tensor() {
    onnx::TensorProto tensor;
    parse(tensor);
    return read_tensor(tensor, "the tensor");
  }

private:
  [[noreturn]] void fail(const std::string& what, const std::string& hint = damaged) const {
    throw Error(ErrorCode::bad_format, fmt::format("{}: {}", file_.string(), what), hint);
  }
  [[noreturn]] void refuse(const std::string& what, const std::string& hint = "") const {
    throw Error(ErrorCode::unsupported, fmt::format("{}: {}", file_.string(), what), hint);
  }

  template <typename Message>
  void parse(Message& message) {
    std::error_code ignored;
    if (fs::exists(file_, ignored) && !fs::is_regular_file(file_, ignored))
      fail("it is no file but a folder, a device or a pipe", "give the .onnx file itself");
    const std::string bytes = read_file(file_);
    if (bytes.size() >= std::size_t{1} << 31)
      fail("it is larger than 2 GB, more than a protobuf message can be",
           "weights of that size are stored as external data");
    google::protobuf::io::ArrayInputStream raw(bytes.data(), static_cast<int>(bytes.size()));
    google::protobuf::io::CodedInputStream coded(&raw);
    coded.SetRecursionLimit(deepest_message);
    coded.SetTotalBytesLimit(std::numeric_limits<int>::max());
    google::protobuf::LogSilencer silence;
    if (!message.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage())
      fail("it is no ONNX file, is cut short, or nests too deep");
  }

  void add_data_files(const onnx::GraphProto& graph, std::set<fs::path>& files) const {
    const auto add = [&](const onnx::TensorProto& tensor) {
      for (const auto& entry : tensor.external_data())
        if (entry.key() == "location")
          files.insert(file_.parent_path() / fs::path(entry.value()).lexically_normal());
    };
    for (const auto& tensor : graph.initializer()) add(tensor);
    for (const auto& node : graph.node())
      for (const auto& attribute : node.attribute()) {
        if (attribute.has_t()) add(attribute.t());
        for (const auto& tensor : attribute.tensors()) add(tensor);
        if (attribute.has_g()) add_data_files(attribute.g(), files);
        for (const auto& inner : attribute.graphs()) add_data_files(inner, files);
      }
  }

  // ONNX's own domain has two names.
  static std::string domain_of(const std::string& domain) {
    return domain == "ai.onnx" ? "" : domain;
  }

  DType dtype(std::int64_t number, const std::string& of) const {
    const auto found = dtype_of_onnx(number);
    if (!found)
      refuse(fmt::format("{} has elements of type {}", of, name_of_onnx_dtype(number)),
             "hone has float, double, float16, bfloat16, int8 to int64, uint8, uint32 and bool");
    return *found;
  }

  OnnxGraph read_graph(const onnx::GraphProto& graph) {
    OnnxGraph result{.name = graph.name()};
    if (graph.sparse_initializer_size() > 0)
      refuse(fmt::format("initializer '{}' is sparse",
                         printable(graph.sparse_initializer(0).values().name(), 100)));
    for (const auto& tensor : graph.initializer()) {
      if (tensor.name().empty()) fail("an initializer has no name");
      const std::string what = fmt::format("initializer '{}'", printable(tensor.name(), 100));
      const bool narrow = tensor.data_type() == type_uint4 || tensor.data_type() == type_int4;
      if (narrow) result.narrow.insert(tensor.name());
      if (!result.initializers
               .emplace(tensor.name(),
                        narrow ? read_narrow(tensor, what) : read_tensor(tensor, what))
               .second)
        fail(what + " is there twice");
    }
    for (const auto& [from, to] : {std::pair{&graph.input(), &result.inputs},
                                   {&graph.output(), &result.outputs},
                                   {&graph.value_info(), &result.values}})
      for (const auto& value : *from) to->push_back(read_value(value));
    std::set<std::string> names;
    for (const OnnxValue& input : result.inputs)
      if (!names.insert(input.name).second)
        fail(fmt::format("input '{}' is there twice", printable(input.name, 100)));
    for (const auto& node : graph.node()) result.nodes.push_back(read_node(node));
    return result;
  }

  OnnxValue read_value(const onnx::ValueInfoProto& value) const {
    OnnxValue result{.name = value.name()};
    if (value.name().empty()) fail("an input or output has no name");
    if (!value.has_type()) return result;
    const std::string of = fmt::format("'{}'", printable(value.name(), 100));
    if (!value.type().has_tensor_type())
      refuse(of + " is no tensor but a sequence, a map, an optional or sparse");
    const auto& tensor = value.type().tensor_type();
    if (tensor.elem_type() != 0) result.dtype = dtype(tensor.elem_type(), of);
    if (!tensor.has_shape()) return result;
    if (tensor.shape().dim_size() > most_dims)
      refuse(fmt::format("{} has {} dimensions, hone takes {}", of, tensor.shape().dim_size(),
                         most_dims));
    result.dims.emplace();
    for (const auto& dim : tensor.shape().dim()) {
      OnnxDim one;
      if (dim.has_dim_value()) {
        if (dim.dim_value() < 0) fail(fmt::format("{} has a negative dimension", of));
        one.size = dim.dim_value();
      } else if (dim.has_dim_param()) {
        one.name = dim.dim_param();
      }
      result.dims->push_back(one);
    }
    return result;
  }

  OnnxNode read_node(const onnx::NodeProto& node) {
    OnnxNode result{.name = node.name(), .op = node.op_type(), .domain = domain_of(node.domain())};
    if (node.op_type().empty()) fail("a node has no op");
    result.inputs.assign(node.input().begin(), node.input().end());
    result.outputs.assign(node.output().begin(), node.output().end());
    for (const auto& attribute : node.attribute())
      if (!result.attributes.emplace(attribute.name(), read_attribute(attribute, result.describe()))
               .second)
        fail(fmt::format("{} has the attribute '{}' twice", result.describe(),
                         printable(attribute.name(), 100)));
    return result;
  }

  OnnxAttribute read_attribute(const onnx::AttributeProto& from, const std::string& node) {
    using Kind = OnnxAttribute::Kind;
    OnnxAttribute to;
    const std::string of = fmt::format("{}: attribute '{}'", node, printable(from.name(), 100));
    if (!from.ref_attr_name().empty()) {
      to.kind = Kind::reference;
      to.text = from.ref_attr_name();
      return to;
    }
    switch (kind_of(from, of)) {
      case onnx::AttributeProto::INT: to.integer = from.i(); break;
      case onnx::AttributeProto::FLOAT:
        to.kind = Kind::real;
        to.real = static_cast<double>(from.f());
        break;
      case onnx::AttributeProto::STRING:
        to.kind = Kind::text;
        to.text = from.s();
        break;
      case onnx::AttributeProto::TENSOR:
        to.kind = Kind::tensor;
        to.tensor = read_tensor(from.t(), of);
        break;
      case onnx::AttributeProto::GRAPH:
        to.kind = Kind::graph;
        to.graph = std::make_shared<OnnxGraph>(read_graph(from.g()));
        break;
      case onnx::AttributeProto::INTS:
        to.kind = Kind::integers;
        to.integers.assign(from.ints().begin(), from.ints().end());
        break;
      case onnx::AttributeProto::FLOATS:
        to.kind = Kind::reals;
        to.reals.assign(from.floats().begin(), from.floats().end());
        break;
      case onnx::AttributeProto::STRINGS:
        to.kind = Kind::texts;
        to.texts.assign(from.strings().begin(), from.strings().end());
        break;
      default: refuse(of + " is a sparse tensor, a type, or a list of tensors or graphs");
    }
    return to;
  }

  // Old files leave the type out.
  int kind_of(const onnx::AttributeProto& from, const std::string& of) const {
    if (from.type() != onnx::AttributeProto::UNDEFINED) return from.type();
    if (from.has_i()) return onnx::AttributeProto::INT;
    if (from.has_f()) return onnx::AttributeProto::FLOAT;
    if (from.has_s()) return onnx::AttributeProto::STRING;
    if (from.has_t()) return onnx::AttributeProto::TENSOR;
    if (from.has_g()) return onnx::AttributeProto::GRAPH;
    if (from.ints_size() > 0) return onnx::AttributeProto::INTS;
    if (from.floats_size() > 0) return onnx::AttributeProto::FLOATS;
    if (from.strings_size() > 0) return onnx::AttributeProto::STRINGS;
    fail(of + " has no value");
  }

  OnnxFunction read(const onnx::FunctionProto& from) {
    OnnxFunction to{.name = from.name(), .domain = domain_of(from.domain())};
    to.inputs.assign(from.input().begin(), from.input().end());
    to.outputs.assign(from.output().begin(), from.output().end());
    to.attributes.assign(from.attribute().begin(), from.attribute().end());
    for (const auto& node : from.node()) to.nodes.push_back(read_node(node));
    for (const auto& opset : from.opset_import())
      to.opsets[domain_of(opset.domain())] = opset.version();
    return to;
  }

  // Integers of 4 bits, two in a byte, as such of 8.
  Tensor read_narrow(const onnx::TensorProto& from, const std::string& what) {
    const bool is_signed = from.data_type() == type_int4;
    onnx::TensorProto bytes = from;
    std::int64_t count = 1;
    for (const std::int64_t size : from.dims()) {
      if (size < 0) fail(what + " has a negative dimension");
      if (__builtin_mul_overflow(count, size, &count)) fail(what + " is larger than any memory");
    }
    Tensor wide(is_signed ? DType::i8 : DType::u8, Shape(from.dims().begin(), from.dims().end()));
    bytes.set_data_type(onnx::TensorProto::UINT8);
    bytes.clear_dims();
    bytes.add_dims(count / 2 + count % 2);
    const Tensor packed = read_tensor(bytes, what);
    for (std::int64_t i = 0; i < count; ++i) {
      const int code = packed.as<std::uint8_t>()[i / 2] >> (i % 2 == 0 ? 0 : 4) & 15;
      wide.as<std::uint8_t>()[i] =
          static_cast<std::uint8_t>(is_signed && code >= 8 ? code - 16 : code);
    }
    return wide;
  }

  Tensor read_tensor(const onnx::TensorProto& from, const std::string& what) {
    const DType type = dtype(from.data_type(), what);
    if (from.dims_size() > most_dims)
      refuse(fmt::format("{} has {} dimensions, hone takes {}", what, from.dims_size(), most_dims));
    Shape shape(from.dims().begin(), from.dims().end());
    for (const std::int64_t size : shape)
      if (size < 0) fail(what + " has a negative dimension");
    if (from.has_segment()) refuse(what + " is stored in segments");
    const std::int64_t count = element_count(shape);
    const auto bytes = static_cast<std::size_t>(count) * size_of(type);
    if (static_cast<std::size_t>(count) > (std::size_t{1} << 46) / size_of(type))
      fail(what + " is larger than any memory");
    if (from.data_location() == onnx::TensorProto::EXTERNAL)
      return external(from, what, type, shape, bytes);
    if (from.has_raw_data()) {
      if (from.raw_data().size() != bytes)
        fail(fmt::format("{} is {}{} and has {} bytes instead of {}", what, name_of(type),
                         to_string(shape), from.raw_data().size(), bytes));
      Tensor tensor(type, shape);
      std::memcpy(tensor.data(), from.raw_data().data(), bytes);
      return tensor;
    }
    return typed(from, what, type, shape, count);
  }

  template <typename T, typename List>
  Tensor filled(const List& list, const std::string& what, DType type, const Shape& shape,
                std::int64_t count) const {
    if (list.size() != count)
      fail(fmt::format("{} is {}{} and has {} numbers instead of {}", what, name_of(type),
                       to_string(shape), list.size(), count));
    Tensor tensor(type, shape);
    T* to = tensor.as<T>();
    for (const auto value : list) *to++ = static_cast<T>(value);
    return tensor;
  }

  // Numbers in the lists of the message; small types share a list of integers.
  Tensor typed(const onnx::TensorProto& from, const std::string& what, DType type,
               const Shape& shape, std::int64_t count) const {
    switch (type) {
      case DType::f32: return filled<float>(from.float_data(), what, type, shape, count);
      case DType::f64: return filled<double>(from.double_data(), what, type, shape, count);
      case DType::i64: return filled<std::int64_t>(from.int64_data(), what, type, shape, count);
      case DType::u32: return filled<std::uint32_t>(from.uint64_data(), what, type, shape, count);
      case DType::i32: return filled<std::int32_t>(from.int32_data(), what, type, shape, count);
      case DType::i16: return filled<std::int16_t>(from.int32_data(), what, type, shape, count);
      case DType::i8: return filled<std::int8_t>(from.int32_data(), what, type, shape, count);
      case DType::u8: return filled<std::uint8_t>(from.int32_data(), what, type, shape, count);
      case DType::boolean: return filled<bool>(from.int32_data(), what, type, shape, count);
      case DType::f16:
      case DType::bf16: return filled<std::uint16_t>(from.int32_data(), what, type, shape, count);
    }
    fail(what + " has an unknown element type");
  }

  Tensor external(const onnx::TensorProto& from, const std::string& what, DType type,
                  const Shape& shape, std::size_t bytes) {
    std::string location;
    std::int64_t offset = 0, length = -1;
    const auto number = [&](const std::string& text) {
      std::int64_t value = 0;
      try {
        value = std::stoll(text);
      } catch (const std::exception&) {
        value = -1;
      }
      if (value < 0)
        fail(fmt::format("{}: '{}' is no place in its external data", what, printable(text, 100)));
      return value;
    };
    for (const auto& entry : from.external_data()) {
      if (entry.key() == "location") location = entry.value();
      if (entry.key() == "offset") offset = number(entry.value());
      if (entry.key() == "length") length = number(entry.value());
    }
    const fs::path relative = fs::path(location).lexically_normal();
    if (location.empty() || relative.is_absolute() || *relative.begin() == "..")
      fail(fmt::format("{}: its external data '{}' is not in the folder of the file", what,
                       printable(location, 200)),
           "a model's data lies beside it");
    if (length >= 0 && static_cast<std::size_t>(length) != bytes)
      fail(fmt::format("{} is {}{} and its external data has {} bytes instead of {}", what,
                       name_of(type), to_string(shape), length, bytes));
    const fs::path folder = fs::weakly_canonical(fs::absolute(file_).parent_path());
    const fs::path file = folder / relative;
    std::error_code failed;
    if (!fs::is_regular_file(file, failed))
      throw Error(ErrorCode::not_found,
                  fmt::format("{}: {}: its external data is missing: {}", file_.string(), what,
                              file.string()),
                  "copy it beside the model");
    // (A link may lead out of the folder too.)
    const fs::path real = fs::canonical(file, failed).lexically_relative(folder);
    if (failed || real.empty() || *real.begin() == "..")
      fail(fmt::format("{}: its external data '{}' leads out of the folder of the file", what,
                       printable(location, 200)),
           "a model's data lies beside it");
    const auto size = static_cast<std::int64_t>(fs::file_size(file));
    if (offset > size || static_cast<std::int64_t>(bytes) > size - offset)
      fail(fmt::format("{}: its external data ends too soon: {} has {} bytes, {} are needed", what,
                       file.string(), size, offset + static_cast<std::int64_t>(bytes)));
    const auto found = external_.find(file);
    const std::string& data =
        found != external_.end() ? found->second : external_[file] = read_file(file);
    Tensor tensor(type, shape);
    std::memcpy(tensor.data(), data.data() + offset, bytes);
    return tensor;
  }

  fs::path file_;
  std::map<fs::path, std::string> external_;
};

}  // namespace

std::string OnnxNode::describe() const {
  const std::string of = domain.empty() ? op : domain + "." + op;
  const std::string& called = !name.empty() ? name : outputs.empty() ? name : outputs.front();
  return fmt::format("node '{}' ({})", printable(called, 100), printable(of, 100));
}

std::optional<DType> dtype_of_onnx(std::int64_t number) {
  for (const NumberedType& type : types)
    if (type.number == number) return type.dtype;
  return std::nullopt;
}

std::int64_t onnx_number_of(DType dtype) {
  for (const NumberedType& type : types)
    if (type.dtype == dtype) return type.number;
  throw Error(ErrorCode::internal, "an element type that ONNX does not have");
}

std::string name_of_onnx_dtype(std::int64_t number) {
  for (const NumberedType& type : types)
    if (type.number == number) return type.name;
  return fmt::format("number {}", number);
}

OnnxFile read_onnx(const fs::path& file) { return Reader(file).read_model(); }

std::set<fs::path> data_of_onnx(const fs::path& file) {
  try {
    return Reader(file).data_files();
  } catch (const Error&) {
    return {};
  }
}

Tensor read_onnx_tensor(const fs::path& file) { return Reader(file).read_one_tensor(); }

}  // namespace hone
