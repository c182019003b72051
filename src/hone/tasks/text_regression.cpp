#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/tasks/detail/text_inputs.hpp"

namespace hone {
namespace {
namespace text_regression_task {

std::span<const float> targets_of(const Dataset& data) {
  return data.column("targets").as<float>();
}

void fill_targets(const Dataset& data, SampleNumbers numbers, const LossOptions&, Inputs& inputs) {
  Tensor batch(DType::f32, {static_cast<std::int64_t>(numbers.size())});
  const std::span<const float> targets = targets_of(data);
  for (std::size_t b = 0; b < numbers.size(); ++b)
    batch.as<float>()[b] = targets[static_cast<std::size_t>(numbers[b])];
  inputs["targets"] = std::move(batch);
}

void append_squared_error(Graph& graph, const LossOptions&) {
  const ValueId logits = graph.output("logits");
  const std::vector<Dim> dims = graph.type(logits).dims;
  if (!dims[1].is_fixed() || dims[1].offset != 1)
    throw Error(ErrorCode::unsupported,
                "the model gives several values a text: it cannot be trained");
  const ValueId targets = graph.input("targets", {DType::f32, {dims[0]}});
  graph.outputs.emplace_back("loss",
                             graph.apply("mean_squared_error", {logits, targets}, {}, "loss"));
}

void check_loss(const LossOptions& loss, std::int64_t) {
  if (!loss.class_weights.empty())
    throw Error(ErrorCode::invalid_argument, "class_weights: the data has values, no classes",
                "leave them out");
}

}  // namespace text_regression_task
}  // namespace

Task task_text_regression() {
  using namespace text_regression_task;
  Task task{{"text_regression", "a number for a text"}};
  task.columns = {"ids"};
  task.targets = {"targets"};
  task.metrics = metric_names(false);
  task.fill = fill_texts;
  task.fill_targets = fill_targets;
  task.append_loss = append_squared_error;
  task.check_loss = check_loss;
  task.measure = [](const Tensor& logits, const Dataset& data) {
    return measure_values(logits, targets_of(data));
  };
  return task;
}

}  // namespace hone
