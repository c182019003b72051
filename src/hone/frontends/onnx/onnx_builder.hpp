// What a writer of one of hone's ops sees: a node, the names that its values have in an ONNX file,
// and the graph of the file that it adds to.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "hone/frontends/onnx/onnx_file.hpp"
#include "hone/graph/graph.hpp"
#include "hone/model/model.hpp"

namespace hone {

using OnnxAttributes = std::map<std::string, OnnxAttribute>;
OnnxAttribute onnx_value(std::int64_t integer);
OnnxAttribute onnx_value(double real);
OnnxAttribute onnx_value(const std::string& text);
OnnxAttribute onnx_value(std::vector<std::int64_t> integers);
OnnxAttribute onnx_value(std::vector<double> reals);
OnnxAttribute onnx_value(std::vector<std::string> texts);

// The graph of a file that is being made.
class OnnxBuilder {
public:
  // `model` has the graph that is written: without dropout, dense.
  OnnxBuilder(const Model& model, std::int64_t opset, bool qdq);

  const Model& model() const { return model_; }
  const Graph& graph() const { return model_.graph; }
  std::int64_t opset() const { return opset_; }
  bool qdq() const { return qdq_; }

  // The name of a value; its numbers become an initializer where it is a tensor of the model or
  // follows from such by formats, masks and packing alone.
  std::string name_of(ValueId id);
  // Says that a value is there under the name that it shall have, or under another's.
  void bind(ValueId id, const std::string& name, std::size_t first_node);
  // Whether it is a tensor of the model, or stands for one as name_of says.
  bool is_weight_of_model(ValueId id) const;
  // The numbers of such a value.
  Tensor numbers_of(ValueId id) const;
  bool is_used(ValueId id) const;
  std::size_t reader_count(ValueId id) const;

  std::size_t node_count() const { return file_graph_.nodes.size(); }
  std::vector<std::string> add(const std::string& op, std::vector<std::string> inputs,
                               OnnxAttributes attributes, std::size_t outputs,
                               const std::string& wanted);
  std::string add(const std::string& op, std::vector<std::string> inputs,
                  OnnxAttributes attributes = {}) {
    return add(op, std::move(inputs), std::move(attributes), 1, op).front();
  }

  // Initializers.
  std::string tensor(Tensor tensor, const std::string& wanted = "constant");
  std::string raw(OnnxRaw raw, const std::string& wanted);
  std::string integers(const std::vector<std::int64_t>& all);
  std::string number(double value, DType dtype);

  // i64[1] and i64[rank]: sizes of a run.
  std::string size(const Dim& dim);
  std::string sizes(const std::vector<Dim>& dims);
  std::string reshaped(const std::string& name, const std::vector<Dim>& dims);
  // Sums and the like, whose axes are an attribute or an input.
  std::string reduce(const std::string& op, const std::string& x, std::vector<std::int64_t> axes,
                     bool keep);

  // The whole graph, without what nothing reads.
  OnnxGraph finish();

private:
  std::string fresh(const std::string& wanted);
  std::string size_factor(const std::string& text);
  OnnxAttributes zeros_are_zeros() const;

  const Model& model_;
  std::int64_t opset_;
  bool qdq_;
  OnnxGraph file_graph_;
  std::map<ValueId, std::string> names_;    // of what is there
  std::map<ValueId, std::string> planned_;  // of what is yet to come
  std::set<std::string> taken_;
  std::map<std::string, std::int64_t> numbers_;  // behind names that were taken
  std::map<std::string, std::string> constants_, sizes_;
  std::map<std::string, std::pair<std::string, std::int64_t>> size_places_;  // input and axis
  std::vector<std::size_t> readers_;
};

class OnnxExportCall {
public:
  OnnxExportCall(OnnxBuilder& builder, const Node& node)
      : builder_(builder), node_(node), first_(builder.node_count()) {}

  const Node& node() const { return node_; }
  const Graph& graph() const { return builder_.graph(); }
  OnnxBuilder& builder() { return builder_; }
  std::int64_t opset() const { return builder_.opset(); }
  const Options& attributes() const { return node_.attributes; }

  std::size_t count() const { return node_.inputs.size(); }
  bool has(std::size_t i) const { return i < count() && node_.inputs[i] != none; }
  ValueId id(std::size_t i) const { return node_.inputs[i]; }
  // Its name; "" for an input that is absent.
  std::string in(std::size_t i) { return has(i) ? builder_.name_of(id(i)) : ""; }
  std::vector<std::string> all();
  // Their names for an op that repeats inputs as numpy does: what is repeated to the shape of the
  // outputs is read before it is.
  std::vector<std::string> broadcast();
  const ValueType& type(std::size_t i) const { return graph().type(id(i)); }
  const ValueType& result_type(std::size_t i = 0) const { return graph().type(node_.outputs[i]); }
  bool is_used(std::size_t i) const { return builder_.is_used(node_.outputs[i]); }
  // The same for products of matrices, which repeat what stands before the last two dimensions.
  std::vector<std::string> broadcast_in_front();
  // A matrix, or what it is the transposed of.
  struct Operand {
    std::string name;
    std::int64_t is_transposed = 0;
  };
  Operand operand(ValueId id);

  // A node of one output, defined so from operator set `since` on.
  std::string add(const std::string& op, std::vector<std::string> inputs,
                  OnnxAttributes attributes = {}, std::int64_t since = 1);
  std::vector<std::string> add_many(const std::string& op, std::vector<std::string> inputs,
                                    OnnxAttributes attributes, std::size_t outputs,
                                    std::int64_t since = 1);
  std::string number(double value, DType dtype) { return builder_.number(value, dtype); }
  std::string integers(const std::vector<std::int64_t>& list) { return builder_.integers(list); }

  void out(std::size_t i, const std::string& name) {
    builder_.bind(node_.outputs[i], name, first_);
  }

  // Throws Error(unsupported) where the operator set is older.
  void need(std::int64_t since, const std::string& what) const;
  // "node 'x' (op): what"
  [[noreturn]] void refuse(const std::string& what, const std::string& hint = "") const;

private:
  // Inputs before they are repeated, where that is done by the op: in all dimensions but the last
  // `kept`.
  std::vector<std::string> unexpanded(std::size_t kept);

  OnnxBuilder& builder_;
  const Node& node_;
  std::size_t first_;
};

// The contract of a writer: one file in frontends/onnx/writers/ a family, beside the family of
// frontends/onnx/ops/ that reads what it writes. The name is that of hone's op.
struct OnnxOpWriter : Described {
  std::function<void(OnnxExportCall& call)> write = nullptr;
};
inline OnnxOpWriter make_onnx_writer(const char* op, const char* summary,
                                     std::function<void(OnnxExportCall& call)> write) {
  OnnxOpWriter writer{{op, summary}};
  writer.write = std::move(write);
  return writer;
}
const std::vector<OnnxOpWriter>& onnx_writer_table();

}  // namespace hone
