#include "hone/frontends/onnx/import_onnx.hpp"

#include <algorithm>
#include <cctype>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/frontends/vision_config.hpp"
#include "hone/graph/dim.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/verify.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {

constexpr std::int64_t most_nodes = 1 << 17;  // functions in place
constexpr std::size_t deepest_call = 64;
constexpr std::int64_t most_known = 4096;  // numbers of an input that sizes may follow from
// A constant that is computed while importing.
constexpr double most_operations = 2e9;
constexpr double largest_constant = 2147483648;  // bytes

std::string identifier_of(const std::string& name) {
  std::string result;
  for (const char c : name) result += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  if (result.empty() || std::isdigit(static_cast<unsigned char>(result[0])) != 0)
    result = "n" + result;
  return result;
}

// The numbers that a graph of constants comes to, value by value.
class Evaluation {
public:
  Evaluation(const Graph& graph, std::map<ValueId, Tensor> known)
      : graph_(graph), known_(std::move(known)) {
    for (const Node& node : graph.nodes) {
      std::vector<const Tensor*> inputs;
      for (const ValueId id : node.inputs) inputs.push_back(id == none ? nullptr : &known_.at(id));
      for (const ValueId id : node.outputs) {
        const ValueType& type = graph.type(id);
        double bytes = static_cast<double>(size_of(type.dtype));
        for (const Dim& dim : type.dims) bytes *= static_cast<double>(evaluate(dim, {}));
        if (bytes > largest_constant)
          throw Error(ErrorCode::unsupported,
                      fmt::format("a constant {} is too large", to_string(type)));
      }
      const Op& op = find_op(node.op);
      std::vector<Shape> shapes;
      for (const Tensor* tensor : inputs)
        shapes.push_back(tensor == nullptr ? Shape{} : tensor->shape());
      if (op.flop != nullptr && op.flop(shapes, node.attributes) > most_operations)
        throw Error(ErrorCode::unsupported, "a constant takes too long to compute while importing",
                    "let the exporter compute it");
      std::vector<Tensor> outputs = evaluate_reference(op, inputs, node.attributes);
      for (std::size_t i = 0; i < outputs.size(); ++i)
        known_[node.outputs[i]] = std::move(outputs[i]);
    }
  }
  const Tensor& at(ValueId id) const { return known_.at(id); }

private:
  const Graph& graph_;
  std::map<ValueId, Tensor> known_;
};

// The names that a node can read: those of its graph, and around a branch those of the graph that
// the branch stands in.
struct Scope {
  const Scope* outer = nullptr;
  const std::map<std::string, std::int64_t>* opsets = nullptr;  // by domain
  // Shared where a function is called with them.
  std::map<std::string, std::shared_ptr<OnnxTerm>> terms = {};

  std::shared_ptr<OnnxTerm> find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->outer)
      if (const auto found = scope->terms.find(name); found != scope->terms.end())
        return found->second;
    return nullptr;
  }
};

class Import {
public:
  Import(const std::filesystem::path& path, const std::map<std::string, Tensor>& known,
         const PictureTask* pictures = nullptr, bool classifies = false)
      : file_(read_onnx(path)), known_(known), pictures_(pictures), classifies_(classifies) {
    for (const OnnxFunction& function : file_.functions)
      if (!functions_.emplace(std::pair(function.domain, function.name), &function).second)
        throw Error(ErrorCode::bad_format,
                    fmt::format("the function '{}' is there twice", printable(function.name, 100)));
  }

  Model run() {
    if (file_.opsets.empty()) throw Error(ErrorCode::bad_format, "it names no operator set");
    const auto opset = file_.opsets.find("");
    if (opset != file_.opsets.end() &&
        (opset->second < oldest_onnx_opset || opset->second > newest_onnx_opset))
      throw Error(ErrorCode::unsupported,
                  fmt::format("operator set {}, hone reads {} to {}", opset->second,
                              oldest_onnx_opset, newest_onnx_opset),
                  "onnx.version_converter brings it to another one");
    model_.graph.name = identifier_of(file_.graph.name.empty() ? "onnx" : file_.graph.name);
    top_.opsets = &file_.opsets;
    add_initializers(file_.graph, top_);
    add_inputs();
    for (const OnnxNode& node : file_.graph.nodes) convert(node, top_);
    add_outputs();
    finish();
    return std::move(model_);
  }

private:
  static void add_initializers(const OnnxGraph& graph, Scope& scope) {
    for (const auto& [name, tensor] : graph.initializers) {
      auto term = std::make_shared<OnnxTerm>();
      term->constant = tensor;
      term->name = graph_name_of(name);
      // (Single numbers are scales and bounds.)
      term->is_trained = tensor.dtype() == DType::f32 && tensor.size() > 1;
      term->is_narrow = graph.narrow.contains(name);
      scope.terms[name] = std::move(term);
    }
  }

  void add_inputs() {
    for (const OnnxValue& input : file_.graph.inputs) {
      // (Before version 4 of the format initializers stand among the inputs.)
      if (const auto initial = top_.terms.find(input.name); initial != top_.terms.end()) {
        check_declared(input, type_of(*initial->second->constant), "input");
        continue;
      }
      const std::string of = fmt::format("input '{}'", printable(input.name, 100));
      if (!input.dtype) throw Error(ErrorCode::bad_format, of + " has no element type");
      const auto known = known_.find(graph_name_of(input.name));
      ValueType type{*input.dtype, {}};
      if (known != known_.end() && known->second.dtype() == *input.dtype) {
        check_declared(input, type_of(known->second), "input");
        for (const std::int64_t size : known->second.shape()) type.dims.emplace_back(size);
      } else if (!input.dims) {
        throw Error(ErrorCode::unsupported, of + " has no shape",
                    "onnx.shape_inference, or the exporter, can give it one");
      } else {
        for (std::size_t i = 0; i < input.dims->size(); ++i) {
          const OnnxDim& dim = (*input.dims)[i];
          if (pictures_ != nullptr && input.dims->size() == 4 && i == 0)
            type.dims.emplace_back("B");
          else if (pictures_ != nullptr && i > 1 && !dim.size && pictures_->image_size > 0)
            type.dims.emplace_back(pictures_->image_size);
          else if (dim.size)
            type.dims.emplace_back(*dim.size);
          else
            type.dims.emplace_back(dim.name.empty()
                                       ? identifier_of(fmt::format("{}_{}", input.name, i))
                                       : identifier_of(dim.name));
        }
      }
      auto term = std::make_shared<OnnxTerm>();
      const std::string name = pictures_ != nullptr ? "pixel_values" : graph_name_of(input.name);
      term->id = model_.graph.input(model_.graph.unique_name(name), std::move(type));
      if (known != known_.end() && known->second.dtype() == *input.dtype)
        term->constant = known->second;
      top_.terms[input.name] = std::move(term);
    }
  }

  void convert(const OnnxNode& node, Scope& scope) {
    if (++converted_ > most_nodes)
      throw Error(
          ErrorCode::unsupported,
          fmt::format("it has more than {} nodes once its functions are in place", most_nodes));
    std::vector<std::shared_ptr<OnnxTerm>> inputs;
    for (const std::string& name : node.inputs) {
      inputs.push_back(name.empty() ? nullptr : scope.find(name));
      if (!name.empty() && inputs.back() == nullptr)
        throw Error(ErrorCode::bad_format,
                    fmt::format("{}: its input '{}' is nothing that stands before it",
                                node.describe(), printable(name, 100)),
                    "nodes are listed in an order in which they can run, without cycles");
    }
    while (!inputs.empty() && inputs.back() == nullptr) inputs.pop_back();
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i] != nullptr && inputs[i]->is_narrow && node.op != "DequantizeLinear")
        throw Error(ErrorCode::unsupported,
                    fmt::format("{}: its input '{}' has elements of 4 bits", node.describe(),
                                printable(node.inputs[i], 100)),
                    "hone reads them where DequantizeLinear does");
    std::vector<std::shared_ptr<OnnxTerm>> results;
    const auto function = functions_.find({node.domain, node.op});
    if (function != functions_.end())
      results = call(node, *function->second, inputs);
    else if (node.domain.empty() && node.op == "If")
      results = choose_branch(node, scope, inputs);
    else
      results = convert_op(node, scope, inputs);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      if (i >= results.size() || results[i] == nullptr)
        throw Error(ErrorCode::unsupported,
                    fmt::format("{}: its output {} ('{}') is not computed by hone", node.describe(),
                                i, printable(node.outputs[i], 100)));
      if (!scope.terms.emplace(node.outputs[i], results[i]).second)
        throw Error(ErrorCode::bad_format,
                    fmt::format("{}: '{}' is computed twice", node.describe(),
                                printable(node.outputs[i], 100)));
    }
  }

  std::vector<std::shared_ptr<OnnxTerm>> convert_op(
      const OnnxNode& node, const Scope& scope,
      const std::vector<std::shared_ptr<OnnxTerm>>& shared) {
    const auto opset = scope.opsets->find(node.domain);
    if (opset == scope.opsets->end())
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: the file names no operator set of the domain '{}'",
                              node.describe(), printable(node.domain, 100)));
    std::vector<OnnxTerm*> inputs;
    for (const auto& term : shared) inputs.push_back(term.get());
    const OnnxOp& op = find_onnx_op(node, opset->second);
    const bool constant = std::all_of(inputs.begin(), inputs.end(), [](const OnnxTerm* term) {
      return term == nullptr || term->constant.has_value();
    });
    std::vector<std::shared_ptr<OnnxTerm>> results;
    try {
      auto made =
          constant ? fold(node, op, opset->second, inputs) : run(node, op, opset->second, inputs);
      for (auto& [i, term] : made) {
        results.resize(std::max(results.size(), i + 1));
        results[i] = std::make_shared<OnnxTerm>(std::move(term));
      }
    } catch (const Error& error) {
      // (Sizes and ops do not know the node.)
      if (error.message().find(node.describe()) != std::string::npos) throw;
      throw Error(error.code(), fmt::format("{}: {}", node.describe(), error.message()),
                  error.hint());
    }
    return results;
  }

  // The nodes of a function, with the attributes of the call.
  std::vector<std::shared_ptr<OnnxTerm>> call(
      const OnnxNode& node, const OnnxFunction& function,
      const std::vector<std::shared_ptr<OnnxTerm>>& inputs) {
    const auto again = std::find(calls_.begin(), calls_.end(), &function);
    if (again != calls_.end() || calls_.size() >= deepest_call)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: the function {}", node.describe(),
                              again != calls_.end() ? "calls itself" : "is called too deep"));
    if (inputs.size() > function.inputs.size() || node.outputs.size() > function.outputs.size())
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: {} inputs and {} outputs, the function has {} and {}",
                              node.describe(), inputs.size(), node.outputs.size(),
                              function.inputs.size(), function.outputs.size()));
    for (const auto& [name, value] : node.attributes)
      if (!function.defaults.contains(name) &&
          std::find(function.attributes.begin(), function.attributes.end(), name) ==
              function.attributes.end())
        throw Error(ErrorCode::bad_format, fmt::format("{}: the function has no attribute '{}'",
                                                       node.describe(), printable(name, 100)));
    Scope scope{.opsets = function.opsets.empty() ? &file_.opsets : &function.opsets};
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i] != nullptr) scope.terms[function.inputs[i]] = inputs[i];
    // (Absent optional inputs stay absent where the function hands them on.)
    const auto absent = [&](const std::string& name) {
      const auto formal = std::find(function.inputs.begin(), function.inputs.end(), name);
      return formal != function.inputs.end() && !scope.terms.contains(name);
    };
    calls_.push_back(&function);
    for (OnnxNode inner : function.nodes) {
      clear_absent(inner, absent);
      fill_in(inner, node, function);
      convert(inner, scope);
    }
    calls_.pop_back();
    return results_of(function.outputs, scope, node);
  }

  // In the node and in the branches that it has.
  template <typename Absent>
  static void clear_absent(OnnxNode& node, const Absent& absent) {
    for (std::string& name : node.inputs)
      if (absent(name)) name.clear();
    for (auto& [key, attribute] : node.attributes) {
      if (attribute.kind != OnnxAttribute::Kind::graph || attribute.graph == nullptr) continue;
      auto graph = std::make_shared<OnnxGraph>(*attribute.graph);
      for (OnnxNode& inner : graph->nodes) clear_absent(inner, absent);
      attribute.graph = std::move(graph);
    }
  }

  // What a function's node takes from its call: the call's attributes, their defaults, or nothing.
  static void fill_in(OnnxNode& inner, const OnnxNode& call, const OnnxFunction& function) {
    for (auto entry = inner.attributes.begin(); entry != inner.attributes.end();) {
      OnnxAttribute& attribute = entry->second;
      if (attribute.kind == OnnxAttribute::Kind::graph && attribute.graph != nullptr) {
        auto graph = std::make_shared<OnnxGraph>(*attribute.graph);
        for (OnnxNode& node : graph->nodes) fill_in(node, call, function);
        attribute.graph = std::move(graph);
      }
      if (attribute.kind != OnnxAttribute::Kind::reference) {
        ++entry;
        continue;
      }
      const std::string name = attribute.text;
      if (const auto given = call.attributes.find(name); given != call.attributes.end())
        (entry++)->second = given->second;
      else if (const auto usual = function.defaults.find(name); usual != function.defaults.end())
        (entry++)->second = usual->second;
      else
        entry = inner.attributes.erase(entry);
    }
  }

  std::vector<std::shared_ptr<OnnxTerm>> choose_branch(
      const OnnxNode& node, const Scope& scope,
      const std::vector<std::shared_ptr<OnnxTerm>>& inputs) {
    if (inputs.size() != 1)
      throw Error(ErrorCode::bad_format, node.describe() + ": it has no condition");
    if (!inputs[0]->constant)
      throw Error(ErrorCode::unsupported,
                  node.describe() + ": its condition follows from the data of a run",
                  "hone takes the branch while it imports: export without the condition");
    if (inputs[0]->constant->size() != 1)
      throw Error(ErrorCode::bad_format, node.describe() + ": its condition is not one number");
    const char* name = real_at(*inputs[0]->constant, 0) != 0 ? "then_branch" : "else_branch";
    const auto branch = node.attributes.find(name);
    if (branch == node.attributes.end() || branch->second.graph == nullptr)
      throw Error(ErrorCode::bad_format, fmt::format("{}: it has no {}", node.describe(), name));
    const OnnxGraph& graph = *branch->second.graph;
    Scope inner{.outer = &scope, .opsets = scope.opsets};
    add_initializers(graph, inner);
    for (const OnnxNode& one : graph.nodes) convert(one, inner);
    std::vector<std::string> outputs;
    for (const OnnxValue& output : graph.outputs) outputs.push_back(output.name);
    return results_of(outputs, inner, node);
  }

  static std::vector<std::shared_ptr<OnnxTerm>> results_of(const std::vector<std::string>& names,
                                                           const Scope& scope,
                                                           const OnnxNode& node) {
    std::vector<std::shared_ptr<OnnxTerm>> results;
    for (const std::string& name : names) {
      results.push_back(scope.find(name));
      if (results.back() == nullptr)
        throw Error(ErrorCode::bad_format,
                    fmt::format("{}: '{}', which it gives, is computed by nothing", node.describe(),
                                printable(name, 100)));
    }
    return results;
  }

  std::map<std::size_t, OnnxTerm> run(const OnnxNode& node, const OnnxOp& op, std::int64_t opset,
                                      const std::vector<OnnxTerm*>& inputs) {
    OnnxCall call(model_.graph, model_.tensors, node, opset, inputs);
    op.convert(call);
    call.check_attributes();
    return std::move(call.results());
  }

  // The same in a graph of its own, whose numbers are computed at once.
  std::map<std::size_t, OnnxTerm> fold(const OnnxNode& node, const OnnxOp& op, std::int64_t opset,
                                       const std::vector<OnnxTerm*>& inputs) {
    Graph graph;
    TensorStore tensors;
    std::vector<OnnxTerm> own(inputs.size());
    std::vector<OnnxTerm*> places;
    std::map<ValueId, Tensor> known;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] == nullptr) {
        places.push_back(nullptr);
        continue;
      }
      const Tensor& tensor = *inputs[i]->constant;
      ValueType type{tensor.dtype(), {}};
      for (const std::int64_t size : tensor.shape()) type.dims.emplace_back(size);
      own[i] = {.id = graph.input(fmt::format("x{}", i), type), .constant = tensor};
      known[own[i].id] = tensor;
      places.push_back(&own[i]);
    }
    OnnxCall call(graph, tensors, node, opset, places);
    op.convert(call);
    call.check_attributes();
    for (const std::string& name : tensors.names()) known[graph.find(name)] = tensors.at(name);
    const Evaluation numbers(graph, std::move(known));
    std::map<std::size_t, OnnxTerm> results;
    for (auto& [i, term] : call.results())
      results[i] = term.id == none ? term : OnnxTerm{.constant = numbers.at(term.id)};
    return results;
  }

  void add_outputs() {
    std::set<std::string> names;
    for (const OnnxValue& output : file_.graph.outputs) {
      const std::string of = fmt::format("output '{}'", printable(output.name, 100));
      const std::shared_ptr<OnnxTerm> found = top_.find(before_softmax(output.name));
      if (found == nullptr) throw Error(ErrorCode::bad_format, of + " is computed by nothing");
      const std::string name = graph_name_of(output.name);
      if (!names.insert(name).second) throw Error(ErrorCode::bad_format, of + " is there twice");
      const OnnxNode here{
          .name = output.name, .op = "output", .domain = {}, .inputs = {}, .outputs = {}};
      OnnxCall call(model_.graph, model_.tensors, here, 0, {found.get()});
      const ValueId id = call.in(0);
      check_declared(output, model_.graph.type(id), "output");
      model_.graph.outputs.emplace_back(name, id);
    }
    if (model_.graph.outputs.empty()) throw Error(ErrorCode::bad_format, "it has no output");
  }

  // Of a classifier the task has a softmax of its own: what stands before the file's are the
  // logits.
  std::string before_softmax(const std::string& output) {
    if (!classifies_) return output;
    for (const OnnxNode& node : file_.graph.nodes)
      if (node.op == "Identity" && node.domain.empty() && node.outputs.front() == output)
        return before_softmax(node.inputs.front());
    for (const OnnxNode& node : file_.graph.nodes)
      if ((node.op == "Softmax" || node.op == "LogSoftmax") && node.domain.empty() &&
          node.outputs.front() == output) {
        model_.report.notes.emplace_back(
            "the softmax at its end is left out: the task has its own");
        return node.inputs.front();
      }
    return output;
  }

  static ValueType type_of(const Tensor& tensor) {
    ValueType type{tensor.dtype(), {}};
    for (const std::int64_t size : tensor.shape()) type.dims.emplace_back(size);
    return type;
  }

  // What the file says of a value must not contradict what follows from its nodes.
  static void check_declared(const OnnxValue& value, const ValueType& type, const char* what) {
    bool good = !value.dtype || *value.dtype == type.dtype;
    if (value.dims) {
      good = good && value.dims->size() == type.dims.size();
      for (std::size_t i = 0; good && i < type.dims.size(); ++i) {
        const OnnxDim& declared = (*value.dims)[i];
        good = !declared.size || !type.dims[i].is_fixed() || *declared.size == type.dims[i].offset;
      }
    }
    if (good) return;
    std::string dims;
    for (const OnnxDim& dim : value.dims.value_or(std::vector<OnnxDim>{}))
      dims += (dims.empty() ? "" : ",") + (dim.size ? std::to_string(*dim.size) : dim.name);
    throw Error(ErrorCode::bad_format,
                fmt::format("{} '{}' is declared as {}[{}], what is there is {}", what,
                            printable(value.name, 100), value.dtype ? name_of(*value.dtype) : "",
                            dims, to_string(type)));
  }

  void finish() {
    model_.name = file_.path.string();
    model_.task = "tensors";
    // Means and variances are known numbers, not trained ones.
    for (const Node& node : model_.graph.nodes)
      if (node.op == "batch_norm")
        for (const std::size_t i : {3, 4})
          if (Value& value = model_.graph.value(node.inputs[i]); value.kind == ValueKind::parameter)
            value.kind = ValueKind::buffer;
    // Inputs that nothing reads stay: a run is given them.
    model_.graph.remove_dead(true);
    keep_named_tensors(model_);
    verify_graph(model_.graph);
    model_.history.push_back(
        fmt::format("imported from {}{}", file_.path.filename().string(),
                    file_.producer.empty() ? "" : ", made by " + printable(file_.producer, 60)));
  }

  OnnxFile file_;
  const std::map<std::string, Tensor>& known_;
  const PictureTask* pictures_;  // null: a network for whatever its user knows
  bool classifies_;              // what it gives is the answer of a classifier
  std::map<std::pair<std::string, std::string>, const OnnxFunction*> functions_;
  std::vector<const OnnxFunction*> calls_;  // that are being put in place
  std::int64_t converted_ = 0;
  Model model_;
  Scope top_;
};

}  // namespace

std::string graph_name_of(const std::string& onnx_name) {
  std::string name;
  for (const char c : onnx_name) {
    const bool kept = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' ||
                      c == ':' || c == '-' || c == '/';
    name += kept ? c : '_';
  }
  while (!name.empty() && name.back() == ':') name.back() = '_';
  return name.empty() ? "_" : name;
}

namespace {

// Errors begin with the file.
template <typename Body>
Model of_file(const std::filesystem::path& file, const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    const std::string where = file.string();
    if (error.message().starts_with(where)) throw;
    throw Error(error.code(), fmt::format("{}: {}", where, error.message()), error.hint());
  }
}

[[noreturn]] void refuse_as_classifier(const std::string& what, const std::string& hint = "") {
  throw Error(ErrorCode::unsupported, "it is no classifier of pictures: " + what, hint);
}

// The head and its labels; false where their numbers differ.
bool take_classes(Model& model, const std::vector<std::string>& labels, std::int64_t classes) {
  model.head = make_head("single_label_classification", classes, "its output");
  model.labels = labels;
  if (labels.empty())
    for (std::int64_t i = 0; i < classes; ++i) model.labels.push_back(fmt::format("LABEL_{}", i));
  return std::ssize(model.labels) == classes;
}

// What learning rates follow from: the features that are classified.
std::int64_t classified_features(const Model& model, ValueId logits) {
  const Node* classifier = model.graph.producer(logits);
  const std::vector<Dim> features =
      model.graph.type(classifier == nullptr ? logits : classifier->inputs[0]).dims;
  return features.back().is_fixed() ? features.back().offset : model.head.size;
}

// Rows of the smallest table that a packed input picks from; 0: none does.
std::int64_t table_rows(const Graph& graph, const char* input) {
  std::int64_t rows = 0;
  for (const Node& node : graph.nodes)
    if (node.op == "embedding" && node.inputs[1] == graph.find(input)) {
      const std::int64_t own = graph.type(node.inputs[0]).dims[0].offset;
      rows = rows == 0 ? own : std::min(rows, own);
    }
  return rows;
}

void take_texts(Model& model, const std::vector<std::string>& labels) {
  const auto refuse_texts = [](const std::string& what, const std::string& hint = "") {
    throw Error(ErrorCode::unsupported, "it is no classifier of texts: " + what, hint);
  };
  // (Without that input all tokens are of type 0.)
  bool has_types = false;
  for (const Value& value : model.graph.values)
    has_types = has_types ||
                (value.kind == ValueKind::input && value.name.find("type") != std::string::npos);
  try {
    run_passes(
        model.graph,
        {{"fuse_bias"}, {"fuse_layer_norm"}, {"fuse_gelu"}, {"fuse_attention"}, {"pack_sequences"}},
        {}, &model.tensors);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
    refuse_texts(error.message(), error.hint());
  }
  Graph& graph = model.graph;
  // (Vectors that the exporting program wrote down as constants are parts of layers all the same.)
  for (const Node& node : graph.nodes)
    if (node.op == "linear" || node.op == "layer_norm" || node.op == "embedding")
      for (const ValueId input : node.inputs)
        if (input != none && graph.value(input).kind == ValueKind::buffer &&
            graph.type(input).dtype == DType::f32)
          graph.value(input).kind = ValueKind::parameter;
  const ValueId logits = graph.outputs[0].second;
  if (const Node* last = graph.producer(logits); last == nullptr || last->op != "linear")
    refuse_texts(fmt::format("its output is made by {}, logits come from a linear layer",
                             last == nullptr ? "nothing" : last->op));
  const std::int64_t classes = graph.type(logits).dims[1].offset;
  if (classes < 2) refuse_texts(fmt::format("it has {} logits, two or more are wanted", classes));
  if (!take_classes(model, labels, classes))
    refuse_texts(fmt::format("{} labels are given, it has {} classes", labels.size(), classes));
  model.task = "text_classification";
  model.limits = {.vocabulary = table_rows(graph, "ids"),
                  .positions = table_rows(graph, "positions"),
                  .token_types = has_types ? table_rows(graph, "type_ids") : 1};
  if (model.limits.vocabulary == 0 || model.limits.positions == 0)
    refuse_texts("it has no tables of words and positions");
  model.limits.token_types = std::max<std::int64_t>(model.limits.token_types, 1);
  model.width = classified_features(model, logits);
  keep_named_tensors(model);
  verify_graph(graph);
}

// Names what the task reads and gives, and checks that they are there.
void take_pictures(Model& model, const PictureTask& task) {
  Graph& graph = model.graph;
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < graph.values.size(); ++i)
    if (graph.values[i].kind == ValueKind::input) inputs.push_back(static_cast<ValueId>(i));
  if (inputs.size() != 1 || graph.outputs.size() != 1)
    refuse_as_classifier(fmt::format("it has {} inputs and {} outputs, one of each is wanted",
                                     inputs.size(), graph.outputs.size()));
  const Value& pixels = graph.value(inputs[0]);
  const std::vector<Dim> x = pixels.type.dims;
  if (pixels.type.dtype != DType::f32 || x.size() != 4 || !x[1].is_fixed() ||
      (x[1].offset != 1 && x[1].offset != 3))
    refuse_as_classifier(
        fmt::format("its input %{} is {}, pictures are f32[B,C,H,W] with 1 or 3 channels",
                    pixels.name, to_string(pixels.type)));
  if (!x[2].is_fixed() || !x[3].is_fixed())
    refuse_as_classifier(
        fmt::format("its input is {}: the size of pictures is open", to_string(pixels.type)),
        "--image-size N gives it");
  const ValueId logits = graph.outputs[0].second;
  const ValueType& y = graph.type(logits);
  if (y.dtype != DType::f32 || y.dims.size() != 2 || !(y.dims[0] == x[0]) || !y.dims[1].is_fixed())
    refuse_as_classifier(
        fmt::format("its output is {}, logits are f32[B, classes] of every picture", to_string(y)),
        "batches must stay open: torch.onnx.export(..., dynamic_axes) or dynamic_shapes");
  if (!take_classes(model, task.labels, y.dims[1].offset))
    refuse_as_classifier(
        fmt::format("{} labels are given, it has {} classes", task.labels.size(), model.head.size));
  ImageInput image = usual_image_input(x[1].offset, std::min(x[2].offset, x[3].offset));
  image.height = x[2].offset;
  image.width = x[3].offset;
  if (task.resize > 0) image.resize = task.resize;
  if (!task.mean.empty()) image.mean = task.mean;
  if (!task.deviation.empty()) image.deviation = task.deviation;
  check_image_input(image, "its pictures");
  model.image = image;
  model.task = "image_classification";
  model.width = classified_features(model, logits);
  graph.outputs = {{"logits", logits}};
  graph.remove_dead();
  keep_named_tensors(model);
  verify_graph(graph);
}

}  // namespace

Model import_onnx(const std::filesystem::path& file, const std::map<std::string, Tensor>& known) {
  return of_file(file, [&] { return Import(file, known).run(); });
}

Model import_picture_classifier(const std::filesystem::path& file, const PictureTask& task) {
  return of_file(file, [&] {
    const std::map<std::string, Tensor> nothing;
    Model model = Import(file, nothing, &task, true).run();
    take_pictures(model, task);
    return model;
  });
}

Model import_text_classifier(const std::filesystem::path& file,
                             const std::vector<std::string>& labels) {
  return of_file(file, [&] {
    const std::map<std::string, Tensor> nothing;
    Model model = Import(file, nothing, nullptr, true).run();
    take_texts(model, labels);
    return model;
  });
}

Model import_onnx_for(const std::filesystem::path& file,
                      const std::map<std::string, Tensor>& inputs) {
  std::map<std::string, Tensor> small;
  for (const auto& [name, tensor] : inputs)
    if (tensor.shape().size() <= 1 && tensor.size() <= most_known) small[name] = tensor;
  try {
    return import_onnx(file);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported || small.empty()) throw;
  }
  return import_onnx(file, small);
}

}  // namespace hone
