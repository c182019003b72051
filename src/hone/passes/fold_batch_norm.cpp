// Batch norm of inference is a number times each channel and one added to it: it goes into the
// convolution before it.
//
//   batch_norm(conv(%x, %w, %b), ...)   =>   conv(%x, %w.normed, %b.normed)
//
// Where nothing else reads the convolution and all numbers are tensors of the model.
#include <cmath>

#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace fold_batch_norm_pass {

class Folder {
public:
  Folder(Graph& graph, TensorStore& tensors) : graph_(graph), tensors_(tensors) {}

  int run() {
    int changes = 0;
    std::vector<std::vector<NodeId>> readers = graph_.readers();
    const std::size_t count = graph_.nodes.size();
    for (std::size_t n = 0; n < count; ++n) {
      const Node norm = graph_.nodes[n];
      if (norm.op != "batch_norm" || norm.attributes.integer("axis") != 1) continue;
      const Node* conv = graph_.producer(norm.inputs[0]);
      if (conv == nullptr || conv->op != "conv" || is_read_elsewhere(readers, norm.inputs[0]))
        continue;
      if (!are_known({conv->inputs.begin() + 1, conv->inputs.end()}) ||
          !are_known({norm.inputs.begin() + 1, norm.inputs.end()}))
        continue;
      fold(Node(*conv), norm);
      ++changes;
    }
    graph_.sort();
    graph_.remove_dead();
    return changes;
  }

private:
  bool is_read_elsewhere(const std::vector<std::vector<NodeId>>& readers, ValueId id) const {
    if (readers[static_cast<std::size_t>(id)].size() != 1) return true;
    for (const auto& [name, output] : graph_.outputs)
      if (output == id) return true;
    return false;
  }

  bool are_known(const std::vector<ValueId>& ids) const {
    for (const ValueId id : ids)
      if (id != none &&
          (!is_tensor_of_model(graph_.value(id).kind) || graph_.type(id).dtype != DType::f32))
        return false;
    return true;
  }

  const float* numbers(ValueId id) const {
    return tensors_.at(graph_.value(id).name).as<const float>();
  }

  ValueId constant(const std::string& name, Tensor tensor) {
    ValueType type{DType::f32, {}};
    for (const std::int64_t size : tensor.shape()) type.dims.emplace_back(size);
    const ValueId id = graph_.add_value(graph_.unique_name(name), type, ValueKind::constant);
    tensors_.set(graph_.value(id).name, std::move(tensor));
    return id;
  }

  void fold(const Node& conv, const Node& norm) {
    const ValueId w = conv.inputs[1], b = conv.inputs.size() > 2 ? conv.inputs[2] : none;
    const double epsilon = norm.attributes.real("epsilon");
    Tensor weights = tensors_.at(graph_.value(w).name).clone();
    const std::int64_t filters = weights.shape()[0];
    const std::int64_t each = filters == 0 ? 0 : weights.size() / filters;
    Tensor bias(DType::f32, {filters});
    const float *scale = numbers(norm.inputs[1]), *shift = numbers(norm.inputs[2]);
    const float *mean = numbers(norm.inputs[3]), *variance = numbers(norm.inputs[4]);
    for (std::int64_t o = 0; o < filters; ++o) {
      const double factor = scale[o] / std::sqrt(variance[o] + epsilon);
      const double before = b == none ? 0.0 : numbers(b)[o];
      bias.as<float>()[o] = static_cast<float>((before - mean[o]) * factor + shift[o]);
      float* row = weights.as<float>() + o * each;
      const auto by = static_cast<float>(factor);
      for (std::int64_t i = 0; i < each; ++i) row[i] *= by;
    }
    const ValueId folded =
        graph_.apply("conv",
                     {conv.inputs[0], constant(graph_.value(w).name + ".normed", weights),
                      constant(graph_.value(norm.inputs[2]).name + ".normed", bias)},
                     conv.attributes, graph_.value(norm.outputs[0]).name + ".normed");
    graph_.replace_uses(norm.outputs[0], folded);
  }

  Graph& graph_;
  TensorStore& tensors_;
};

}  // namespace fold_batch_norm_pass
}  // namespace

Pass pass_fold_batch_norm() {
  using namespace fold_batch_norm_pass;
  Pass pass{{"fold_batch_norm", "puts batch norm into the convolution before it"}};
  pass.run = [](const PassCall& call) {
    if (call.tensors == nullptr || !call.graph.updates.empty()) return 0;
    return Folder(call.graph, *call.tensors).run();
  };
  return pass;
}

}  // namespace hone
