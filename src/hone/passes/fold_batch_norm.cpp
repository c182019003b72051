// Batch norm of inference is a number times each channel and one added to it: it goes into the
// convolution before it.
//
//   batch_norm(conv(%x, %w, %b), ...)   =>   conv(%x, %w.normed, %b.normed)
//
// Where nothing else reads the convolution and all numbers are tensors of the model.
#include <cmath>
#include <set>

#include "hone/graph/weight.hpp"
#include "hone/passes/batch_norm.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace fold_batch_norm_pass {

class Folder {
public:
  Folder(Graph& graph, TensorStore& tensors) : graph_(graph), tensors_(tensors) {}

  // What is folded becomes constants.
  int run() {
    int changes = 0;
    const std::vector<std::vector<NodeId>> readers = graph_.readers();
    for (const NodeId id : norms_after_convs(readers)) {
      const Node norm = graph_.node(id), conv = *graph_.producer(norm.inputs[0]);
      if (!are_known({conv.inputs.begin() + 1, conv.inputs.end()}) ||
          !are_known({norm.inputs.begin() + 1, norm.inputs.end()}))
        continue;
      const Folded folded = fold(conv.inputs[1], bias_of(conv), norm);
      const ValueId y = graph_.apply(
          "conv",
          {conv.inputs[0], constant(graph_.value(conv.inputs[1]).name + ".normed", folded.weight),
           constant(graph_.value(norm.inputs[2]).name + ".normed", folded.bias)},
          conv.attributes, graph_.value(norm.outputs[0]).name + ".normed");
      graph_.replace_uses(norm.outputs[0], y);
      ++changes;
    }
    finish();
    return changes;
  }

  // What is folded stays a parameter, below masks and formats.
  int run_for_good(const std::set<std::string>& wanted) {
    int changes = 0;
    const std::vector<std::vector<NodeId>> readers = graph_.readers();
    for (const NodeId id : norms_after_convs(readers)) {
      const Node norm = graph_.node(id);
      const NodeId conv = graph_.value(norm.inputs[0]).producer;
      const ValueId y = graph_.node(conv).outputs[0];
      const ValueId bias_read = bias_of(graph_.node(conv));
      const ValueId w = own_parameter(graph_, readers, graph_.node(conv).inputs[1]);
      const ValueId b = own_parameter(graph_, readers, bias_read);
      if (wanted.count(graph_.value(y).name) == 0 || w == none ||
          (bias_read != none && b == none) ||
          !are_known({norm.inputs.begin() + 1, norm.inputs.end()}))
        continue;
      const Folded folded = fold(w, b, norm);
      tensors_.set(graph_.value(w).name, folded.weight);
      const std::string bias = b != none
                                   ? graph_.value(b).name
                                   : graph_.unique_name(layer_name(graph_.value(w).name) + ".bias");
      tensors_.set(bias, folded.bias);
      if (b == none) {
        graph_.node(conv).inputs.resize(3, none);
        graph_.node(conv).inputs[2] =
            graph_.parameter(bias, {DType::f32, {Dim(folded.bias.size())}});
      }
      graph_.replace_uses(norm.outputs[0], y);
      ++changes;
    }
    finish();
    return changes;
  }

private:
  struct Folded {
    Tensor weight, bias;
  };

  void finish() {
    graph_.sort();
    graph_.remove_dead();
  }

  static ValueId bias_of(const Node& conv) {
    return conv.inputs.size() > 2 ? conv.inputs[2] : none;
  }

  // Norms that alone read a convolution.
  std::vector<NodeId> norms_after_convs(const std::vector<std::vector<NodeId>>& readers) const {
    std::vector<NodeId> norms;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& norm = graph_.nodes[n];
      if (norm.op != "batch_norm" || norm.attributes.integer("axis") != 1) continue;
      if (graph_.producer(norm.inputs[0], "conv") != nullptr &&
          graph_.only_reader(norm.inputs[0], readers) != nullptr)
        norms.push_back(static_cast<NodeId>(n));
    }
    return norms;
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

  // The filters w and their bias (or none) with the norm in them.
  Folded fold(ValueId w, ValueId b, const Node& norm) const {
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
    return {weights, bias};
  }

  Graph& graph_;
  TensorStore& tensors_;
};

}  // namespace fold_batch_norm_pass
}  // namespace

int fold_batch_norm(Model& model, const Quantization& formats) {
  std::set<std::string> convs;
  for (const NodeFormats& node : formats)
    if (node.slots.count(Slot::weight) != 0) convs.insert(node.node);
  return fold_batch_norm(model, convs);
}

int fold_batch_norm(Model& model, const std::set<std::string>& convs) {
  using namespace fold_batch_norm_pass;
  const int changes = Folder(model.graph, model.tensors).run_for_good(convs);
  keep_named_tensors(model);
  return changes;
}

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
