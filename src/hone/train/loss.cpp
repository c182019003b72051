#include "hone/train/loss.hpp"

#include "hone/core/error.hpp"

namespace hone {

void append_loss(Graph& graph, const Head& head, bool class_weights) {
  const ValueId logits = graph.output("logits");
  const ValueType per_sample{DType::i32, {graph.type(logits).dims[0]}};
  ValueId loss = none;
  if (head.kind == HeadKind::values && head.size == 1) {
    const ValueId targets = graph.input("targets", {DType::f32, per_sample.dims});
    loss = graph.apply("mean_squared_error", {logits, targets}, {}, "loss");
  } else if (head.kind == HeadKind::classes) {
    std::vector<ValueId> inputs{logits, graph.input("labels", per_sample)};
    if (class_weights)
      inputs.push_back(graph.input("class_weights", {DType::f32, {graph.type(logits).dims[1]}}));
    loss = graph.apply("cross_entropy", inputs, {}, "loss");
  } else {
    throw Error(ErrorCode::unsupported,
                "the model gives several labels or values a text: it cannot be trained");
  }
  graph.outputs.emplace_back("loss", loss);
}

}  // namespace hone
