#include "hone/frontends/onnx/onnx_builder.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/onnx/onnx_rounding.hpp"
#include "hone/graph/dim.hpp"
#include "hone/graph/op.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/passes/packing.hpp"

namespace hone {
namespace {

bool is_name(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_';
  });
}

// Calls f(sign, term) for the terms of a sum, or with `operators` "*" for the factors of a product.
template <typename F>
void for_each_part(const std::string& text, const std::string& operators, const F& f) {
  std::size_t begin = 0;
  int depth = 0;
  char sign = operators[0];
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size()) depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
    const bool splits =
        i == text.size() || (depth == 0 && operators.find(text[i]) != std::string::npos);
    if (!splits) continue;
    if (i > begin) f(sign, text.substr(begin, i - begin));
    if (i < text.size()) sign = text[i];
    begin = i + 1;
  }
}

// The first of the outputs that the schema of an op calls optional.
std::size_t first_optional_output(const std::string& op) {
  if (op == "LSTM" || op == "GRU" || op == "RNN") return 0;
  if (op == "MaxPool") return 1;
  return std::numeric_limits<std::size_t>::max();
}

}  // namespace

OnnxAttribute onnx_value(std::int64_t integer) {
  return {.kind = OnnxAttribute::Kind::integer, .integer = integer, .text = {}};
}
OnnxAttribute onnx_value(double real) {
  return {.kind = OnnxAttribute::Kind::real, .real = real, .text = {}};
}
OnnxAttribute onnx_value(const std::string& text) {
  return {.kind = OnnxAttribute::Kind::text, .text = text};
}
OnnxAttribute onnx_value(std::vector<std::int64_t> integers) {
  return {.kind = OnnxAttribute::Kind::integers, .text = {}, .integers = std::move(integers)};
}
OnnxAttribute onnx_value(std::vector<double> reals) {
  return {.kind = OnnxAttribute::Kind::reals, .text = {}, .reals = std::move(reals)};
}
OnnxAttribute onnx_value(std::vector<std::string> texts) {
  return {.kind = OnnxAttribute::Kind::texts, .text = {}, .texts = std::move(texts)};
}

OnnxBuilder::OnnxBuilder(const Model& model, std::int64_t opset, bool qdq)
    : model_(model), opset_(opset), qdq_(qdq) {
  const Graph& graph = model.graph;
  file_graph_.name = graph.name;
  for (const auto& readers : graph.readers()) readers_.push_back(readers.size());
  for (std::size_t v = 0; v < graph.values.size(); ++v) {
    const Value& value = graph.values[v];
    if (value.kind != ValueKind::input) continue;
    names_[ValueId(static_cast<std::int32_t>(v))] = value.name;
    taken_.insert(value.name);
    OnnxValue input{.name = value.name, .dtype = value.type.dtype, .dims = {{}}};
    for (std::size_t d = 0; d < value.type.dims.size(); ++d) {
      const Dim& dim = value.type.dims[d];
      if (dim.is_fixed()) {
        input.dims->push_back({.size = dim.offset});
        continue;
      }
      input.dims->push_back({.name = to_string(dim)});
      if (dim.offset == 0 && is_name(dim.symbol))
        size_places_.try_emplace(dim.symbol, value.name, static_cast<std::int64_t>(d));
    }
    file_graph_.inputs.push_back(std::move(input));
  }
  // Outputs have their names before all others.
  for (const auto& [name, id] : graph.outputs) {
    ++readers_[static_cast<std::size_t>(id)];
    OnnxValue output{.name = name, .dtype = graph.type(id).dtype, .dims = {{}}};
    for (const Dim& dim : graph.type(id).dims)
      output.dims->push_back(dim.is_fixed() ? OnnxDim{.size = dim.offset}
                                            : OnnxDim{.name = to_string(dim)});
    file_graph_.outputs.push_back(std::move(output));
    if (graph.value(id).kind == ValueKind::node && !planned_.contains(id) &&
        taken_.insert(name).second)
      planned_[id] = name;
  }
  for (const auto& [name, id] : graph.outputs) taken_.insert(name);
  for (std::size_t v = 0; v < graph.values.size(); ++v) {
    const ValueId id{static_cast<std::int32_t>(v)};
    if (!names_.contains(id) && !planned_.contains(id)) planned_[id] = fresh(graph.value(id).name);
  }
}

std::string OnnxBuilder::fresh(const std::string& wanted) {
  if (taken_.insert(wanted).second) return wanted;
  std::int64_t& number = numbers_[wanted];
  while (true) {
    std::string name = fmt::format("{}_{}", wanted, ++number);
    if (taken_.insert(name).second) return name;
  }
}

bool OnnxBuilder::is_weight_of_model(ValueId id) const {
  if (id == none) return false;
  if (is_tensor_of_model(graph().value(id).kind)) return true;
  const Node* producer = graph().producer(id);
  if (producer == nullptr) return false;
  const std::string& op = producer->op;
  return (op == "dequantize" || op == "mask" || op == "quantize" || op == "quantize_tensor" ||
          op == "adapted_norm") &&
         std::all_of(producer->inputs.begin(), producer->inputs.end(),
                     [&](ValueId input) { return input == none || is_weight_of_model(input); });
}

Tensor OnnxBuilder::numbers_of(ValueId id) const {
  const Node* producer = graph().producer(id);
  if (producer == nullptr) return model_.tensors.at(graph().value(id).name);
  if (producer->op != "adapted_norm") return effective_weight(model_, id);
  std::vector<Tensor> inputs;
  for (const ValueId input : producer->inputs) inputs.push_back(numbers_of(input));
  std::vector<const Tensor*> places;
  for (const Tensor& input : inputs) places.push_back(&input);
  return evaluate_reference(find_op(producer->op), places, producer->attributes).front();
}

std::string OnnxBuilder::name_of(ValueId id) {
  const auto found = names_.find(id);
  if (found != names_.end()) return found->second;
  if (!is_weight_of_model(id))
    throw Error(ErrorCode::internal,
                fmt::format("%{} is read before it is there", graph().value(id).name));
  const std::string& name = planned_.at(id);
  const std::size_t first = node_count();
  if (qdq_)
    if (const std::optional<std::string> made = rounded_weight(*this, id, name)) {
      bind(id, *made, first);
      return names_[id];
    }
  file_graph_.initializers.emplace(name, numbers_of(id));
  return names_[id] = name;
}

void OnnxBuilder::bind(ValueId id, const std::string& name, std::size_t first_node) {
  const std::string& planned = planned_.at(id);
  for (std::size_t n = first_node; n < file_graph_.nodes.size(); ++n)
    for (const std::string& output : file_graph_.nodes[n].outputs) {
      if (output != name) continue;
      for (std::size_t m = first_node; m < file_graph_.nodes.size(); ++m) {
        OnnxNode& node = file_graph_.nodes[m];
        std::replace(node.inputs.begin(), node.inputs.end(), name, planned);
        std::replace(node.outputs.begin(), node.outputs.end(), name, planned);
      }
      names_[id] = planned;
      return;
    }
  names_[id] = name;
}

bool OnnxBuilder::is_used(ValueId id) const { return reader_count(id) > 0; }
std::size_t OnnxBuilder::reader_count(ValueId id) const {
  return readers_[static_cast<std::size_t>(id)];
}

std::vector<std::string> OnnxBuilder::add(const std::string& op, std::vector<std::string> inputs,
                                          OnnxAttributes attributes, std::size_t outputs,
                                          const std::string& wanted) {
  while (!inputs.empty() && inputs.back().empty()) inputs.pop_back();
  OnnxNode node{.name = {}, .op = op, .domain = {}, .inputs = std::move(inputs), .outputs = {}};
  for (std::size_t i = 0; i < outputs; ++i) node.outputs.push_back(fresh(wanted));
  node.attributes = std::move(attributes);
  file_graph_.nodes.push_back(std::move(node));
  return file_graph_.nodes.back().outputs;
}

std::string OnnxBuilder::tensor(Tensor tensor, const std::string& wanted) {
  const std::string name = fresh(wanted);
  file_graph_.initializers.emplace(name, std::move(tensor));
  return name;
}

std::string OnnxBuilder::raw(OnnxRaw raw, const std::string& wanted) {
  const std::string name = fresh(wanted);
  file_graph_.raw.emplace(name, std::move(raw));
  return name;
}

std::string OnnxBuilder::integers(const std::vector<std::int64_t>& all) {
  std::string& name = constants_["i64 " + to_text(all)];
  if (name.empty())
    name = tensor(Tensor::from<std::int64_t>(DType::i64, {std::ssize(all)}, all), "integers");
  return name;
}

std::string OnnxBuilder::number(double value, DType dtype) {
  std::string& name = constants_[fmt::format("{} {:a}", hone::name_of(dtype), value)];
  if (name.empty()) {
    Tensor one(dtype, {});
    set_real(one, 0, value);
    name = tensor(std::move(one), "number");
  }
  return name;
}

// A polynomial by its text, as graphs print it: graph/dim.hpp.
std::string OnnxBuilder::size(const Dim& dim) {
  if (dim.is_fixed()) return integers({dim.offset});
  const std::string text = to_string(dim);
  const auto known = sizes_.find(text);
  if (known != sizes_.end()) return known->second;
  std::string sum;
  for_each_part(text, "+-", [&](char sign, const std::string& term) {
    std::string product;
    for_each_part(term, "*", [&](char, const std::string& factor) {
      const std::string one = size_factor(factor);
      product = product.empty() ? one : add("Mul", {product, one});
    });
    if (sum.empty())
      sum = sign == '-' ? add("Mul", {product, integers({-1})}) : product;
    else
      sum = add(sign == '-' ? "Sub" : "Add", {sum, product});
  });
  return sizes_[text] = sum;
}

std::string OnnxBuilder::size_factor(const std::string& text) {
  if (text.starts_with("floor(")) {
    // floor(X/n), or of a sum floor((X)/n)
    const std::string inner = text.substr(6, text.size() - 7);
    const std::size_t slash = inner.rfind('/');
    std::string above = inner.substr(0, slash);
    if (above.starts_with('(')) above = above.substr(1, above.size() - 2);
    return add("Div", {size(parse_dim(above)), integers({std::stoll(inner.substr(slash + 1))})});
  }
  if (std::isdigit(static_cast<unsigned char>(text[0])) != 0) return integers({std::stoll(text)});
  const auto place = size_places_.find(text);
  if (place == size_places_.end())
    throw Error(ErrorCode::unsupported,
                fmt::format("the size {} is that of no dimension of an input", text));
  const auto known = sizes_.find(text);
  if (known != sizes_.end()) return known->second;
  const auto& [input, axis] = place->second;
  return sizes_[text] = opset_ >= 15
                            ? add("Shape", {input},
                                  {{"start", onnx_value(axis)}, {"end", onnx_value(axis + 1)}})
                            : add("Gather", {add("Shape", {input}), integers({axis})});
}

std::string OnnxBuilder::sizes(const std::vector<Dim>& dims) {
  std::vector<std::string> parts;
  std::vector<std::int64_t> run;
  const auto end_run = [&] {
    if (!run.empty()) parts.push_back(integers(run));
    run.clear();
  };
  for (const Dim& dim : dims) {
    if (dim.is_fixed()) {
      run.push_back(dim.offset);
      continue;
    }
    end_run();
    parts.push_back(size(dim));
  }
  if (parts.empty()) return integers(run);
  end_run();
  if (parts.size() == 1) return parts.front();
  return add("Concat", parts, {{"axis", onnx_value(std::int64_t{0})}});
}

std::string OnnxBuilder::reshaped(const std::string& name, const std::vector<Dim>& dims) {
  std::vector<std::int64_t> known;
  for (const Dim& dim : dims) known.push_back(dim.is_fixed() ? dim.offset : -1);
  const bool inferred = std::count(known.begin(), known.end(), -1) <= 1 &&
                        std::count(known.begin(), known.end(), 0) == 0;
  const bool fixed = std::count(known.begin(), known.end(), -1) == 0;
  if (!fixed && !inferred) return add("Reshape", {name, sizes(dims)}, zeros_are_zeros());
  return add("Reshape", {name, integers(known)},
             std::count(known.begin(), known.end(), 0) > 0 ? zeros_are_zeros() : OnnxAttributes{});
}

// (A 0 else means the size that the input has there.)
OnnxAttributes OnnxBuilder::zeros_are_zeros() const {
  if (opset_ < 14) return {};
  return {{"allowzero", onnx_value(std::int64_t{1})}};
}

std::string OnnxBuilder::reduce(const std::string& op, const std::string& x,
                                std::vector<std::int64_t> axes, bool keep) {
  const OnnxAttribute kept = onnx_value(std::int64_t{keep ? 1 : 0});
  if (opset_ >= 18 || op == "ReduceSum") return add(op, {x, integers(axes)}, {{"keepdims", kept}});
  return add(op, {x}, {{"axes", onnx_value(std::move(axes))}, {"keepdims", kept}});
}

OnnxGraph OnnxBuilder::finish() {
  for (const auto& [name, id] : graph().outputs)
    if (const std::string from = name_of(id); from != name) {
      const std::string made = add("Identity", {from});
      file_graph_.nodes.back().outputs = {name};
      taken_.erase(made);
    }
  std::set<std::string> needed;
  for (const OnnxValue& output : file_graph_.outputs) needed.insert(output.name);
  std::vector<OnnxNode> kept;
  for (auto node = file_graph_.nodes.rbegin(); node != file_graph_.nodes.rend(); ++node) {
    if (std::none_of(node->outputs.begin(), node->outputs.end(),
                     [&](const std::string& output) { return needed.contains(output); }))
      continue;
    for (std::size_t i = first_optional_output(node->op); i < node->outputs.size(); ++i)
      if (!needed.contains(node->outputs[i])) node->outputs[i].clear();
    while (node->outputs.back().empty()) node->outputs.pop_back();
    needed.insert(node->inputs.begin(), node->inputs.end());
    for (const std::string& output : node->outputs)
      if (node->name.empty() && needed.contains(output)) node->name = output;
    kept.push_back(std::move(*node));
  }
  std::reverse(kept.begin(), kept.end());
  file_graph_.nodes = std::move(kept);
  std::erase_if(file_graph_.initializers,
                [&](const auto& one) { return !needed.contains(one.first); });
  std::erase_if(file_graph_.raw, [&](const auto& one) { return !needed.contains(one.first); });
  return std::move(file_graph_);
}

std::vector<std::string> OnnxExportCall::all() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count(); ++i) names.push_back(in(i));
  return names;
}

std::vector<std::string> OnnxExportCall::unexpanded(std::size_t kept) {
  const std::vector<Dim>& dims = result_type().dims;
  std::vector<ValueId> sources;
  for (const ValueId input : node_.inputs) {
    const Node* expand = graph().producer(input, "expand");
    sources.push_back(input);
    if (expand == nullptr) continue;
    const std::vector<Dim>& own = graph().type(expand->inputs[0]).dims;
    const std::vector<Dim>& repeated = graph().type(input).dims;
    if (own.size() >= kept && std::equal(own.end() - static_cast<std::ptrdiff_t>(kept), own.end(),
                                         repeated.end() - static_cast<std::ptrdiff_t>(kept)))
      sources.back() = expand->inputs[0];
  }
  // Each dimension is there in one of them; else the first input is read as it was repeated.
  for (std::size_t back = kept + 1; back <= dims.size(); ++back) {
    const Dim& wanted = dims[dims.size() - back];
    const bool there = std::any_of(sources.begin(), sources.end(), [&](ValueId source) {
      const std::vector<Dim>& own = graph().type(source).dims;
      return own.size() >= back && own[own.size() - back] == wanted;
    });
    if (!there) sources[0] = node_.inputs[0];
  }
  std::vector<std::string> names;
  for (const ValueId source : sources) names.push_back(builder_.name_of(source));
  return names;
}

std::vector<std::string> OnnxExportCall::broadcast() { return unexpanded(0); }
std::vector<std::string> OnnxExportCall::broadcast_in_front() { return unexpanded(2); }

OnnxExportCall::Operand OnnxExportCall::operand(ValueId id) {
  const Node* turned = graph().producer(id, "transpose");
  if (turned != nullptr && turned->attributes.text("order") == "1,0")
    return {builder_.name_of(turned->inputs[0]), 1};
  return {builder_.name_of(id), 0};
}

void OnnxExportCall::need(std::int64_t since, const std::string& what) const {
  if (opset() < since)
    refuse(fmt::format("{} is of operator set {} and newer, not of {}", what, since, opset()),
           fmt::format("--opset {}", since));
}

std::vector<std::string> OnnxExportCall::add_many(const std::string& op,
                                                  std::vector<std::string> inputs,
                                                  OnnxAttributes attributes, std::size_t outputs,
                                                  std::int64_t since) {
  need(since, op);
  return builder_.add(op, std::move(inputs), std::move(attributes), outputs, op);
}

std::string OnnxExportCall::add(const std::string& op, std::vector<std::string> inputs,
                                OnnxAttributes attributes, std::int64_t since) {
  return add_many(op, std::move(inputs), std::move(attributes), 1, since).front();
}

void OnnxExportCall::refuse(const std::string& what, const std::string& hint) const {
  throw Error(ErrorCode::unsupported,
              fmt::format("node '{}' ({}): {}",
                          printable(graph().value(node_.outputs[0]).name, 100), node_.op, what),
              hint);
}

}  // namespace hone
