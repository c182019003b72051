// What a converter of an ONNX op sees: a node of the file, what is known of its inputs, and the
// graph that it adds to.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/core/tensor_store.hpp"
#include "hone/frontends/onnx/onnx_file.hpp"
#include "hone/graph/graph.hpp"

namespace hone {

// Operator sets of ONNX's own domain that files may name.
inline constexpr std::int64_t oldest_onnx_opset = 1, newest_onnx_opset = 28;

// What a name of the file stands for.
struct OnnxTerm {
  ValueId id = none;      // in the graph; none until something computes with it
  ValueId turned = none;  // a matrix [N,K] of the graph whose transposed it is
  // Its numbers, where they are known: initializers and what follows from them.
  std::optional<Tensor> constant = {};
  // Whole numbers that are known up to the sizes of inputs, in order; of a number without
  // dimensions where `is_number`.
  std::optional<std::vector<Dim>> sizes = {};
  bool is_number = false;
  std::string name = {};    // of an initializer
  bool is_trained = false;  // an initializer of real numbers
  bool is_narrow = false;   // of integers of 4 bits in the file
};

class OnnxCall {
public:
  OnnxCall(Graph& graph, TensorStore& tensors, const OnnxNode& node, std::int64_t opset,
           std::vector<OnnxTerm*> inputs)
      : graph_(graph), tensors_(tensors), node_(node), opset_(opset), inputs_(std::move(inputs)) {}

  const OnnxNode& node() const { return node_; }
  // Of the op's domain.
  std::int64_t opset() const { return opset_; }
  Graph& graph() { return graph_; }

  // Inputs; an absent optional one is there as little as one behind the last.
  std::size_t count() const { return inputs_.size(); }
  bool has(std::size_t i) const { return i < inputs_.size() && inputs_[i] != nullptr; }
  ValueId in(std::size_t i);
  // A trained matrix [K,N] as the parameter [N,K] that `linear` reads, if nothing read it otherwise
  // before; or none.
  ValueId turned_weight(std::size_t i);
  // (By value: adding to the graph, as the first look at a constant does, moves its types.)
  ValueType type(std::size_t i) { return graph_.type(in(i)); }
  // Of any value. (By value: adding to the graph moves its types.)
  std::vector<Dim> dims(ValueId id) const { return graph_.type(id).dims; }
  std::size_t rank(std::size_t i) { return type(i).dims.size(); }
  // Null where the numbers are not known.
  const Tensor* constant(std::size_t i) const;
  // Known whole numbers: of a constant, or of sizes that are all fixed. `what` says what for.
  // Throws Error(unsupported).
  std::vector<std::int64_t> integers(std::size_t i, const std::string& what) const;
  // The same up to the sizes of inputs; nothing where they are not known.
  std::optional<std::vector<Dim>> find_sizes(std::size_t i) const;
  std::vector<Dim> sizes(std::size_t i, const std::string& what) const;
  // Whether an input is known up to the sizes of inputs, and not as numbers.
  bool is_symbolic(std::size_t i) const;
  bool is_number(std::size_t i) const;

  // Attributes, each of the kind that is asked for; Error(bad_format) otherwise. One that nothing
  // asked for is an error at the end (check_attributes).
  bool has_attribute(const std::string& name) const;
  std::int64_t integer(const std::string& name, std::optional<std::int64_t> otherwise = {});
  double real(const std::string& name, std::optional<double> otherwise = {});
  std::string text(const std::string& name, std::optional<std::string> otherwise = {});
  std::vector<std::int64_t> integers(const std::string& name,
                                     std::optional<std::vector<std::int64_t>> otherwise);
  std::vector<double> reals(const std::string& name, std::optional<std::vector<double>> otherwise);
  std::vector<std::string> texts(const std::string& name,
                                 std::optional<std::vector<std::string>> otherwise);
  std::optional<Tensor> tensor(const std::string& name);
  // Does not count, and why is known.
  void ignore(const std::string& name) { read_.insert(name); }
  // Throws Error(unsupported) for an attribute that the converter did not look at.
  void check_attributes() const;

  // An axis as ONNX counts it, from the end where negative. Throws Error(bad_format).
  std::int64_t axis(std::int64_t given, std::size_t rank) const;
  std::vector<std::int64_t> axes(std::vector<std::int64_t> given, std::size_t rank) const;

  // Adds a node of hone's, called as output 0 of this node.
  ValueId apply(const std::string& op, std::vector<ValueId> inputs, Options attributes = {});
  NodeId append(const std::string& op, std::vector<ValueId> inputs, Options attributes = {});
  // A value repeated to a shape; the value itself where it has it.
  ValueId expanded(ValueId value, const std::vector<Dim>& dims);
  ValueId reshaped(ValueId value, const std::vector<Dim>& dims);
  ValueId cast(ValueId value, DType dtype);
  // 0, 1, 2, ... i64[size].
  ValueId iota(const Dim& size);
  ValueId transposed(ValueId value, const std::vector<std::int64_t>& order);
  // Both repeated to what numpy's broadcasting gives; a size that is known only up to names is
  // equal to itself alone. Throws Error(unsupported).
  std::pair<ValueId, ValueId> broadcast(ValueId a, ValueId b);
  std::vector<Dim> broadcast_dims(const std::vector<Dim>& a, const std::vector<Dim>& b) const;
  // Numbers, as a buffer of the model.
  // (By value: adding to the graph moves its types.)
  ValueId number(double value, DType dtype, std::vector<Dim> dims = {});
  ValueId buffer(Tensor tensor, const std::string& name = "constant");

  void out(std::size_t i, ValueId value);
  void out(std::size_t i, Tensor constant);
  void out_sizes(std::size_t i, std::vector<Dim> sizes, bool is_number = false);
  // What was given, by output.
  std::map<std::size_t, OnnxTerm>& results() { return results_; }

  // "file: node 'x' (Conv): what"
  [[noreturn]] void refuse(const std::string& what, const std::string& hint = "") const;
  [[noreturn]] void fail(const std::string& what, const std::string& hint = "") const;

private:
  // Sizes as numbers of a run: i64[count], or i64[] of one.
  ValueId computed(const std::vector<Dim>& sizes, bool is_number);
  const OnnxAttribute* find(const std::string& name, OnnxAttribute::Kind kind, const char* what);

  Graph& graph_;
  TensorStore& tensors_;
  const OnnxNode& node_;
  std::int64_t opset_;
  std::vector<OnnxTerm*> inputs_;
  std::map<std::size_t, OnnxTerm> results_;
  std::set<std::string> read_;
};

// The contract of a converter: one file in frontends/onnx/ops/ a member or a family.
struct OnnxOp : Described {
  std::string domain = {};
  // Operator sets in which it is defined so; 0: to the newest.
  std::int64_t since = 1, until = 0;
  std::function<void(OnnxCall& call)> convert = nullptr;
};
inline OnnxOp make_onnx_op(const char* name, const char* summary,
                           std::function<void(OnnxCall& call)> convert, std::int64_t since = 1,
                           std::int64_t until = 0) {
  OnnxOp op{{name, summary}};
  op.since = since;
  op.until = until;
  op.convert = std::move(convert);
  return op;
}
const std::vector<OnnxOp>& onnx_op_table();
// Throws Error(unsupported) naming the nearest known op, or the operator sets that there are.
const OnnxOp& find_onnx_op(const OnnxNode& node, std::int64_t opset);

}  // namespace hone
