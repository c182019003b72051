#include "hone/tasks/classes.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

std::span<const std::int32_t> labels_of(const Dataset& data) {
  return data.column("labels").as<std::int32_t>();
}

void fill_targets(const Dataset& data, SampleNumbers numbers, const LossOptions& loss,
                  Inputs& inputs) {
  const std::span<const std::int32_t> labels = labels_of(data);
  Tensor batch(DType::i32, {static_cast<std::int64_t>(numbers.size())});
  for (std::size_t b = 0; b < numbers.size(); ++b)
    batch.as<std::int32_t>()[b] = labels[static_cast<std::size_t>(numbers[b])];
  inputs["labels"] = std::move(batch);
  if (!loss.class_weights.empty())
    inputs["class_weights"] = Tensor::from<float>(
        DType::f32, {static_cast<std::int64_t>(loss.class_weights.size())}, loss.class_weights);
}

void append_cross_entropy(Graph& graph, const LossOptions& loss) {
  const ValueId logits = graph.output("logits");
  const std::vector<Dim> dims = graph.type(logits).dims;
  std::vector<ValueId> inputs{logits, graph.input("labels", {DType::i32, {dims[0]}})};
  if (!loss.class_weights.empty())
    inputs.push_back(graph.input("class_weights", {DType::f32, {dims[1]}}));
  if (!loss.mixed) {
    graph.outputs.emplace_back("loss", graph.apply("cross_entropy", inputs, {}, "loss"));
    return;
  }
  // Of mixed samples: the mean of both labels' losses by their shares.
  const auto part = [&](const char* share, ValueId labels) {
    inputs[1] = labels;
    return graph.apply(
        "mul", {graph.apply("cross_entropy", inputs), graph.input(share, {DType::f32, {1}})});
  };
  const ValueId own = part("mix", inputs[1]);
  const ValueId other = part("mix_rest", graph.input("mixed_labels", {DType::i32, {dims[0]}}));
  graph.outputs.emplace_back("loss", graph.apply("add", {own, other}, {}, "loss"));
}

double weight(const Dataset& data, SampleNumbers numbers, const LossOptions& loss) {
  if (loss.class_weights.empty()) return static_cast<double>(numbers.size());
  const std::span<const std::int32_t> labels = labels_of(data);
  double sum = 0;
  for (const std::int64_t number : numbers)
    sum += loss.class_weights[static_cast<std::size_t>(labels[static_cast<std::size_t>(number)])];
  return sum;
}

std::string refusal(const Dataset& data, std::int64_t number, std::int64_t classes) {
  const std::int32_t label = labels_of(data)[static_cast<std::size_t>(number)];
  if (label >= 0 && label < classes) return "";
  return fmt::format("label {} is outside the model's {} classes", label, classes);
}

void check_loss(const LossOptions& loss, std::int64_t classes) {
  if (loss.mixed && !loss.class_weights.empty())
    throw Error(ErrorCode::invalid_argument,
                "mixup and class_weights are both given: a mixed sample is of two classes",
                "leave one of them out");
  const auto weights = static_cast<std::int64_t>(loss.class_weights.size());
  if (weights != 0 && weights != classes)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} class weights for {} classes", weights, classes));
}

}  // namespace

void answer_with_classes(Task& task) {
  task.targets = {"labels"};
  task.metrics = metric_names(true);
  task.fill_targets = fill_targets;
  task.append_loss = append_cross_entropy;
  task.weight = weight;
  task.refusal = refusal;
  task.check_loss = check_loss;
  task.measure = [](const Tensor& logits, const Dataset& data) {
    return measure_classes(logits, labels_of(data));
  };
}

std::vector<float> balanced_class_weights(const Dataset& data, std::int64_t classes) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(classes));
  for (const std::int32_t label : labels_of(data)) ++counts.at(static_cast<std::size_t>(label));
  const auto occurring = static_cast<double>(
      std::count_if(counts.begin(), counts.end(), [](std::int64_t count) { return count > 0; }));
  std::vector<float> weights;
  for (const std::int64_t count : counts)
    weights.push_back(count == 0 ? 1.0f
                                 : static_cast<float>(static_cast<double>(data.size()) /
                                                      (occurring * static_cast<double>(count))));
  return weights;
}

}  // namespace hone
