#include "hone/frontends/onnx/onnx_call.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/dim.hpp"
#include "hone/graph/op.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

constexpr std::int64_t most_integers = 4096;  // in a list of sizes, axes or places

Tensor constant_of(const std::vector<Dim>& sizes, bool is_number) {
  std::vector<std::int64_t> fixed;
  for (const Dim& dim : sizes) fixed.push_back(dim.offset);
  return Tensor::from<std::int64_t>(
      DType::i64, is_number ? Shape{} : Shape{static_cast<std::int64_t>(fixed.size())},
      std::span<const std::int64_t>(fixed));
}

}  // namespace

void OnnxCall::refuse(const std::string& what, const std::string& hint) const {
  throw Error(ErrorCode::unsupported, fmt::format("{}: {}", node_.describe(), what), hint);
}

void OnnxCall::fail(const std::string& what, const std::string& hint) const {
  throw Error(ErrorCode::bad_format, fmt::format("{}: {}", node_.describe(), what), hint);
}

ValueId OnnxCall::in(std::size_t i) {
  if (!has(i)) fail(fmt::format("input {} is missing", i));
  OnnxTerm& term = *inputs_[i];
  if (term.id != none) return term.id;
  if (term.turned != none) return term.id = transposed(term.turned, {1, 0});
  if (!term.constant && term.sizes) {
    return term.id = computed(*term.sizes, term.is_number);
  }
  if (!term.constant) fail(fmt::format("input {} is computed by nothing", i));
  term.id = buffer(*term.constant, term.name.empty() ? "constant" : term.name);
  if (term.is_trained) graph_.value(term.id).kind = ValueKind::parameter;
  return term.id;
}

ValueId OnnxCall::turned_weight(std::size_t i) {
  OnnxTerm& term = *inputs_[i];
  if (term.turned != none) return term.turned;
  if (term.id != none || !term.is_trained || !term.constant || term.constant->shape().size() != 2)
    return none;
  const Tensor turned =
      evaluate_reference(find_op("transpose"), {&*term.constant}, {{"order", std::string("1,0")}})
          .front();
  term.turned = buffer(turned, term.name);
  graph_.value(term.turned).kind = ValueKind::parameter;
  return term.turned;
}

ValueId OnnxCall::computed(const std::vector<Dim>& sizes, bool is_number) {
  std::vector<ValueId> all;
  for (const Dim& size : sizes) {
    if (!is_at_least(size, 0))
      refuse(fmt::format("computes with the size {}, which may be negative", to_string(size)));
    // As many ones, added up.
    const ValueId ones = expanded(number(1, DType::i64), {size});
    all.push_back(apply("sum", {ones}, {{"axes", std::string("0")}, {"keep", true}}));
  }
  const ValueId list = all.size() == 1 ? all[0] : apply("concat", all, {{"axis", std::int64_t{0}}});
  return is_number ? reshaped(list, {}) : list;
}

ValueId OnnxCall::iota(const Dim& size) { return apply("iota", {}, {{"size", to_string(size)}}); }

const Tensor* OnnxCall::constant(std::size_t i) const {
  return has(i) && inputs_[i]->constant ? &*inputs_[i]->constant : nullptr;
}

std::optional<std::vector<Dim>> OnnxCall::find_sizes(std::size_t i) const {
  if (!has(i)) return std::nullopt;
  if (inputs_[i]->sizes) return inputs_[i]->sizes;
  const Tensor* known = constant(i);
  if (known == nullptr || is_real(known->dtype()) || known->shape().size() > 1 ||
      known->size() > most_integers)
    return std::nullopt;
  std::vector<Dim> dims;
  for (std::int64_t k = 0; k < known->size(); ++k) dims.emplace_back(integer_at(*known, k));
  return dims;
}

std::vector<Dim> OnnxCall::sizes(std::size_t i, const std::string& what) const {
  const auto found = find_sizes(i);
  if (!found)
    refuse(fmt::format("the {} follow from the data of a run, not from its shapes", what),
           "hone plans memory before it runs: such sizes have to be constants or shapes");
  return *found;
}

std::vector<std::int64_t> OnnxCall::integers(std::size_t i, const std::string& what) const {
  std::vector<std::int64_t> numbers;
  for (const Dim& dim : sizes(i, what)) {
    if (!dim.is_fixed())
      refuse(fmt::format("the {} depend on the sizes of inputs ({})", what, to_string(dim)));
    numbers.push_back(dim.offset);
  }
  return numbers;
}

bool OnnxCall::is_symbolic(std::size_t i) const {
  return has(i) && !inputs_[i]->constant && inputs_[i]->sizes.has_value();
}

bool OnnxCall::is_number(std::size_t i) const {
  if (!has(i)) return false;
  if (inputs_[i]->constant) return inputs_[i]->constant->shape().empty();
  return inputs_[i]->sizes ? inputs_[i]->is_number : false;
}

bool OnnxCall::has_attribute(const std::string& name) const {
  return node_.attributes.contains(name);
}

const OnnxAttribute* OnnxCall::find(const std::string& name, OnnxAttribute::Kind kind,
                                    const char* what) {
  read_.insert(name);
  const auto found = node_.attributes.find(name);
  if (found == node_.attributes.end()) return nullptr;
  if (found->second.kind != kind) fail(fmt::format("attribute '{}' is not {}", name, what));
  return &found->second;
}

#define HONE_ONNX_ATTRIBUTE(TYPE, FUNCTION, KIND, MEMBER, WHAT)                     \
  TYPE OnnxCall::FUNCTION(const std::string& name, std::optional<TYPE> otherwise) { \
    if (const OnnxAttribute* found = find(name, OnnxAttribute::Kind::KIND, WHAT))   \
      return found->MEMBER;                                                         \
    if (!otherwise) fail(fmt::format("attribute '{}' is missing", name));           \
    return *otherwise;                                                              \
  }
HONE_ONNX_ATTRIBUTE(std::int64_t, integer, integer, integer, "a whole number")
HONE_ONNX_ATTRIBUTE(double, real, real, real, "a number")
HONE_ONNX_ATTRIBUTE(std::string, text, text, text, "a text")
HONE_ONNX_ATTRIBUTE(std::vector<std::int64_t>, integers, integers, integers,
                    "a list of whole numbers")
HONE_ONNX_ATTRIBUTE(std::vector<double>, reals, reals, reals, "a list of numbers")
HONE_ONNX_ATTRIBUTE(std::vector<std::string>, texts, texts, texts, "a list of texts")
#undef HONE_ONNX_ATTRIBUTE

std::optional<Tensor> OnnxCall::tensor(const std::string& name) {
  const OnnxAttribute* found = find(name, OnnxAttribute::Kind::tensor, "a tensor");
  if (found == nullptr) return std::nullopt;
  return found->tensor;
}

void OnnxCall::check_attributes() const {
  for (const auto& [name, value] : node_.attributes)
    // (consumed_inputs: of memory, in the first operator sets.)
    if (!read_.contains(name) && !(opset_ < 6 && name == "consumed_inputs"))
      refuse(fmt::format("attribute '{}' is not known", printable(name, 100)));
}

std::int64_t OnnxCall::axis(std::int64_t given, std::size_t rank) const {
  const auto count = static_cast<std::int64_t>(rank);
  if (given < -count || given >= count)
    fail(fmt::format("axis {} of a tensor of {} dimensions", given, rank));
  return given < 0 ? given + count : given;
}

std::vector<std::int64_t> OnnxCall::axes(std::vector<std::int64_t> given, std::size_t rank) const {
  for (std::int64_t& one : given) one = axis(one, rank);
  std::vector<std::int64_t> sorted = given;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    fail("an axis is named twice");
  return given;
}

NodeId OnnxCall::append(const std::string& op, std::vector<ValueId> inputs, Options attributes) {
  try {
    return graph_.append(op, std::move(inputs), std::move(attributes));
  } catch (const Error& error) {
    fail(error.message(), error.hint());
  }
}

ValueId OnnxCall::apply(const std::string& op, std::vector<ValueId> inputs, Options attributes) {
  return graph_.node(append(op, std::move(inputs), std::move(attributes))).outputs[0];
}

ValueId OnnxCall::expanded(ValueId value, const std::vector<Dim>& dims) {
  if (graph_.type(value).dims == dims) return value;
  return apply("expand", {value}, {{"shape", to_string(dims)}});
}

ValueId OnnxCall::reshaped(ValueId value, const std::vector<Dim>& dims) {
  if (graph_.type(value).dims == dims) return value;
  return apply("reshape", {value}, {{"shape", to_string(dims)}});
}

ValueId OnnxCall::cast(ValueId value, DType dtype) {
  if (graph_.type(value).dtype == dtype) return value;
  return apply("cast", {value}, {{"to", std::string(name_of(dtype))}});
}

ValueId OnnxCall::transposed(ValueId value, const std::vector<std::int64_t>& order) {
  bool same = true;
  for (std::size_t i = 0; i < order.size(); ++i)
    same = same && order[i] == static_cast<std::int64_t>(i);
  if (same) return value;
  return apply("transpose", {value}, {{"order", to_text(order)}});
}

std::vector<Dim> OnnxCall::broadcast_dims(const std::vector<Dim>& a,
                                          const std::vector<Dim>& b) const {
  const std::size_t rank = std::max(a.size(), b.size());
  std::vector<Dim> dims;
  for (std::size_t i = 0; i < rank; ++i) {
    const Dim left = i < rank - a.size() ? Dim(1) : a[i - (rank - a.size())];
    const Dim right = i < rank - b.size() ? Dim(1) : b[i - (rank - b.size())];
    if (left == Dim(1))
      dims.push_back(right);
    else if (right == Dim(1) || left == right)
      dims.push_back(left);
    else
      refuse(fmt::format("[{}] and [{}] do not broadcast", to_string(a), to_string(b)));
  }
  return dims;
}

std::pair<ValueId, ValueId> OnnxCall::broadcast(ValueId a, ValueId b) {
  const std::vector<Dim> dims = broadcast_dims(graph_.type(a).dims, graph_.type(b).dims);
  const ValueId left = expanded(a, dims);
  return {left, expanded(b, dims)};
}

ValueId OnnxCall::buffer(Tensor tensor, const std::string& wanted) {
  ValueType type{tensor.dtype(), {}};
  for (const std::int64_t size : tensor.shape()) type.dims.emplace_back(size);
  const std::string name = graph_.unique_name(wanted);
  const ValueId id = graph_.buffer(name, type);
  tensors_.set(name, std::move(tensor));
  return id;
}

ValueId OnnxCall::number(double value, DType dtype, std::vector<Dim> dims) {
  Tensor one(dtype, {});
  set_real(one, 0, value);
  return expanded(buffer(std::move(one)), dims);
}

void OnnxCall::out(std::size_t i, ValueId value) { results_[i] = {.id = value}; }
void OnnxCall::out(std::size_t i, Tensor constant) {
  results_[i] = {.constant = std::move(constant)};
}
void OnnxCall::out_sizes(std::size_t i, std::vector<Dim> sizes, bool is_number) {
  const bool known =
      std::all_of(sizes.begin(), sizes.end(), [](const Dim& dim) { return dim.is_fixed(); });
  if (known) return out(i, constant_of(sizes, is_number));
  results_[i] = {.sizes = std::move(sizes), .is_number = is_number};
}

const OnnxOp& find_onnx_op(const OnnxNode& node, std::int64_t opset) {
  std::vector<std::string> names;
  std::string sets;
  for (const OnnxOp& op : onnx_op_table()) {
    if (op.domain == node.domain) names.push_back(op.name);
    if (op.domain != node.domain || op.name != node.op) continue;
    if (opset >= op.since && (op.until == 0 || opset <= op.until)) return op;
    sets += fmt::format("{}{} to {}", sets.empty() ? "" : ", ", op.since,
                        op.until == 0 ? "the newest" : std::to_string(op.until));
  }
  if (!sets.empty())
    throw Error(ErrorCode::unsupported, fmt::format("{}: is of operator set {}, hone has it of {}",
                                                    node.describe(), opset, sets));
  throw Error(ErrorCode::unsupported, node.describe() + ": hone does not have this op",
              did_you_mean(node.op, names));
}

}  // namespace hone
