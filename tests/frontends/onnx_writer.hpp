// ONNX files for tests, written by the messages of the standard.
#pragma once

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "hone/frontends/onnx/onnx_messages.hpp"

namespace hone_test {

using OnnxDims = std::vector<std::string>;  // numbers or names; "?" is neither

class OnnxWriter {
public:
  explicit OnnxWriter(std::int64_t opset = 17) {
    model.set_ir_version(8);
    auto* set = model.add_opset_import();
    set->set_version(opset);
    graph().set_name("test");
  }
  onnx::GraphProto& graph() { return *model.mutable_graph(); }

  static void describe(onnx::ValueInfoProto& value, const std::string& name, int type,
                       const OnnxDims& dims) {
    value.set_name(name);
    auto* tensor = value.mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    auto* shape = tensor->mutable_shape();
    for (const std::string& dim : dims) {
      auto* one = shape->add_dim();
      if (dim == "?") continue;
      if (dim.find_first_not_of("-0123456789") == std::string::npos)
        one->set_dim_value(std::stoll(dim));
      else
        one->set_dim_param(dim);
    }
  }
  OnnxWriter& input(const std::string& name, const OnnxDims& dims,
                    int type = onnx::TensorProto::FLOAT) {
    describe(*graph().add_input(), name, type, dims);
    return *this;
  }
  OnnxWriter& output(const std::string& name, const OnnxDims& dims,
                     int type = onnx::TensorProto::FLOAT) {
    describe(*graph().add_output(), name, type, dims);
    return *this;
  }
  static onnx::NodeProto node_of(const std::string& op, const std::vector<std::string>& inputs,
                                 const std::vector<std::string>& outputs,
                                 const std::string& domain = "") {
    onnx::NodeProto node;
    node.set_op_type(op);
    node.set_domain(domain);
    for (const std::string& name : inputs) node.add_input(name);
    for (const std::string& name : outputs) node.add_output(name);
    return node;
  }
  onnx::NodeProto& node(const std::string& op, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs, const std::string& domain = "") {
    return *graph().add_node() = node_of(op, inputs, outputs, domain);
  }
  static void set(onnx::NodeProto& node, const std::string& name, std::int64_t value) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(value);
  }
  static void set(onnx::NodeProto& node, const std::string& name, float value) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::FLOAT);
    attribute->set_f(value);
  }
  static void set(onnx::NodeProto& node, const std::string& name,
                  const std::vector<std::int64_t>& values) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t value : values) attribute->add_ints(value);
  }
  // An attribute of a function's node that is the function's.
  static void refer(onnx::NodeProto& node, const std::string& name, const std::string& to,
                    onnx::AttributeProto::AttributeType type) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(type);
    attribute->set_ref_attr_name(to);
  }
  onnx::TensorProto& floats(const std::string& name, const std::vector<std::int64_t>& dims,
                            const std::vector<float>& values) {
    auto* tensor = graph().add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t dim : dims) tensor->add_dims(dim);
    for (const float value : values) tensor->add_float_data(value);
    return *tensor;
  }
  onnx::TensorProto& integers(const std::string& name, const std::vector<std::int64_t>& dims,
                              const std::vector<std::int64_t>& values) {
    auto* tensor = graph().add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(onnx::TensorProto::INT64);
    for (const std::int64_t dim : dims) tensor->add_dims(dim);
    for (const std::int64_t value : values) tensor->add_int64_data(value);
    return *tensor;
  }
  onnx::FunctionProto& function(const std::string& name, const std::vector<std::string>& inputs,
                                const std::vector<std::string>& outputs,
                                const std::string& domain = "own") {
    auto* function = model.add_functions();
    function->set_name(name);
    function->set_domain(domain);
    for (const std::string& one : inputs) function->add_input(one);
    for (const std::string& one : outputs) function->add_output(one);
    for (const auto& [of, version] : {std::pair<std::string, int>{"", 17}, {domain, 1}}) {
      auto* set = function->add_opset_import();
      set->set_domain(of);
      set->set_version(version);
    }
    return *function;
  }
  OnnxWriter& domain(const std::string& name, std::int64_t version = 1) {
    auto* set = model.add_opset_import();
    set->set_domain(name);
    set->set_version(version);
    return *this;
  }
  std::filesystem::path write(const std::filesystem::path& file) const {
    std::ofstream out(file, std::ios::binary);
    out << model.SerializeAsString();
    return file;
  }

  onnx::ModelProto model;
};

}  // namespace hone_test
