// The contract of tasks, and what texts become.
#include "hone/tasks/task.hpp"

#include <algorithm>
#include <set>

#include "hone/data/dataset.hpp"
#include "hone/graph/op.hpp"
#include "hone/model/head.hpp"
#include "hone/tasks/classes.hpp"
#include "support/expect_error.hpp"

namespace hone_test {
namespace {

using namespace hone;

using Ids = std::vector<std::int32_t>;
using Numbers = std::vector<std::int64_t>;

TokenizedData four_texts() {
  return {{10, 20, 21, 30, 31, 32, 40, 41}, {0, 1, 3, 6, 8}, {0, 1, 1, 0}, {"a", "b"}};
}

Samples samples(const TokenizedData& data, const char* task = "text_classification") {
  return {&find_task(task), data};
}

Ids ids_of(const Inputs& inputs, const char* name) {
  const auto values = inputs.at(name).span<std::int32_t>();
  return {values.begin(), values.end()};
}

TEST(TextInputs, ArePackedWithoutPadding) {
  const TokenizedData four = four_texts();
  const Inputs batch = samples(four).training_inputs(Numbers{2, 0, 2});
  EXPECT_EQ(ids_of(batch, "ids"), (Ids{30, 31, 32, 10, 30, 31, 32}));
  EXPECT_EQ(ids_of(batch, "positions"), (Ids{0, 1, 2, 0, 0, 1, 2}));
  EXPECT_EQ(ids_of(batch, "type_ids"), Ids(7, 0));
  EXPECT_EQ(ids_of(batch, "offsets"), (Ids{0, 3, 4, 7}));
  EXPECT_EQ(ids_of(batch, "labels"), (Ids{1, 0, 1}));
  EXPECT_EQ(batch.size(), 5u);
  const Inputs none = samples(four).inputs({});
  EXPECT_TRUE(ids_of(none, "ids").empty());
  EXPECT_EQ(ids_of(none, "offsets"), (Ids{0}));
  EXPECT_EQ(none.count("labels"), 0u);
}

TEST(TextInputs, TypesOfTokensGoAlong) {
  TokenizedData four = four_texts();
  four.type_ids = {0, 0, 1, 0, 1, 1, 0, 1};
  EXPECT_EQ(ids_of(samples(four).inputs(Numbers{3, 1}), "type_ids"), (Ids{0, 1, 0, 1}));
}

TEST(TextInputs, RefuseSamplesThatDoNotExist) {
  const TokenizedData four = four_texts();
  EXPECT_ERROR(samples(four).inputs(Numbers{0, 4}), ErrorCode::invalid_argument,
               "sample 4 does not exist");
  EXPECT_ERROR(samples(four).inputs(Numbers{-1}), ErrorCode::invalid_argument,
               "sample -1 does not exist");
}

TEST(TextRegression, TakesTargets) {
  TokenizedData four = four_texts();
  EXPECT_ERROR(samples(four, "text_regression").training_inputs(Numbers{0}),
               ErrorCode::invalid_argument, "no column 'targets', only: ids, labels");
  four.targets = {0.5f, -1, 2, 8};
  const Inputs inputs = samples(four, "text_regression").training_inputs(Numbers{3, 1});
  EXPECT_EQ(inputs.at("targets").as<float>()[0], 8);
  EXPECT_EQ(inputs.at("targets").as<float>()[1], -1);
  EXPECT_EQ(inputs.count("labels"), 0u);
  const Task& task = find_task("text_regression");
  EXPECT_ERROR(task.check_loss({{1, 2}}, 1), ErrorCode::invalid_argument,
               "class_weights: the data has values, no classes");
  Graph graph;
  graph.outputs.emplace_back("logits", graph.input("x", {DType::f32, {Dim("B"), Dim(2)}}));
  EXPECT_ERROR(append_loss(graph, task), ErrorCode::unsupported, "several values a text");
}

TEST(Classes, WeightsDecideWhatASampleWeighs) {
  const TokenizedData four = four_texts();
  const Samples data = samples(four);
  EXPECT_EQ(loss_weight(data, Numbers{0, 1, 2}, {}), 3);
  EXPECT_EQ(loss_weight(data, Numbers{0, 1, 2}, {{0.5f, 2}}), 4.5);
  const Inputs inputs = data.training_inputs(Numbers{1}, {{0.5f, 2}});
  EXPECT_EQ(inputs.at("class_weights").shape(), (Shape{2}));
  EXPECT_ERROR(data.task->check_loss({{1, 2, 3}}, 2), ErrorCode::invalid_argument,
               "3 class weights for 2 classes");
  EXPECT_EQ(data.task->refusal(four, 1, 2), "");
  EXPECT_EQ(data.task->refusal(four, 1, 1), "label 1 is outside the model's 1 classes");
}

// A task's inputs are those that its loss reads, its metrics are known, its names are given once.
TEST(Tasks, KeepTheContract) {
  const std::vector<std::string> of_classes = metric_names(true), of_values = metric_names(false);
  for (const Task& task : task_table()) {
    SCOPED_TRACE(task.name);
    EXPECT_EQ(&find_task(task.name), &task);
    // (Tensors are given by name: there are no rows of data.)
    EXPECT_EQ(task.fill == nullptr, task.name == tensors_task);
    EXPECT_EQ(task.columns.empty(), task.name == tensors_task);
    const bool trains = task.append_loss != nullptr;
    EXPECT_EQ(task.fill_targets != nullptr, trains);
    EXPECT_EQ(task.measure != nullptr, trains);
    EXPECT_EQ(task.metrics.empty(), !trains);
    EXPECT_EQ(task.targets.empty(), !trains);
    EXPECT_TRUE(task.metrics.empty() || task.metrics == of_classes || task.metrics == of_values);
    if (!trains) {
      Graph graph;
      EXPECT_ERROR(append_loss(graph, task), ErrorCode::unsupported, "cannot be trained");
      continue;
    }
    TokenizedData data = four_texts();
    data.targets = {1, 2, 3, 4};
    const std::int64_t width = task.targets.front() == "labels" ? 2 : 1;
    Graph graph;
    graph.outputs.emplace_back("logits", graph.input("x", {DType::f32, {Dim("B"), Dim(width)}}));
    append_loss(graph, task);
    Inputs inputs;
    task.fill_targets(data, Numbers{0, 1, 2}, {}, inputs);
    for (const Value& value : graph.values)
      if (value.kind == ValueKind::input && value.name != "x") {
        ASSERT_EQ(inputs.count(value.name), 1u) << value.name;
        EXPECT_EQ(inputs.at(value.name).dtype(), value.type.dtype);
        inputs.erase(value.name);
      }
    EXPECT_TRUE(inputs.empty());
    EXPECT_EQ(graph.type(graph.output("loss")), (ValueType{DType::f32, {Dim(1)}}));
    Tensor logits(DType::f32, {4, width});
    const Metrics metrics = task.measure(logits, data);
    EXPECT_EQ(metrics.samples, 4);
    EXPECT_EQ(metrics.of_classes(), task.metrics == of_classes);
  }
}

TEST(Tasks, EveryHeadHasOne) {
  for (const HeadKind kind : {HeadKind::classes, HeadKind::values, HeadKind::labels})
    EXPECT_NO_THROW(find_task(text_task({.kind = kind, .size = 1})));
  EXPECT_ERROR(find_task("text_clasification"), ErrorCode::invalid_argument,
               "unknown task 'text_clasification'", "text_classification");
}

}  // namespace
}  // namespace hone_test
