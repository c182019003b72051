#include "hone/tasks/task.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {

void require_loss(const Task& task) {
  if (task.append_loss != nullptr) return;
  throw Error(ErrorCode::unsupported, fmt::format("the model is for {} ({}): it cannot be trained",
                                                  task.name, task.summary));
}

const Task& find_task(const std::string& name) { return find_member(task_table(), name, "task"); }

Samples samples_of(const ModelFacts& model, const Dataset& data) {
  return {&find_task(model.task), data};
}

namespace {

void check_numbers(const Dataset& data, SampleNumbers numbers) {
  for (const std::int64_t number : numbers)
    if (number < 0 || number >= data.size())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("sample {} does not exist; there are {}", number, data.size()),
                  "sample numbers start at 0");
}

}  // namespace

Inputs Samples::inputs(SampleNumbers numbers) const {
  check_numbers(data, numbers);
  Inputs made;
  task->fill(data, numbers, made);
  return made;
}

Inputs Samples::training_inputs(SampleNumbers numbers, const LossOptions& loss,
                                const Augmentation& augmentation) const {
  require_loss(*task);
  Inputs made;
  if (augmentation) {
    check_numbers(data, numbers);
    task->augment(data, numbers, augmentation, made);
  } else {
    made = inputs(numbers);
  }
  task->fill_targets(data, numbers, loss, made);
  return made;
}

void append_loss(Graph& graph, const Task& task, const LossOptions& loss) {
  require_loss(task);
  task.append_loss(graph, loss);
}

double loss_weight(const Samples& samples, SampleNumbers numbers, const LossOptions& loss) {
  return samples.task->weight == nullptr ? static_cast<double>(numbers.size())
                                         : samples.task->weight(samples.data, numbers, loss);
}

}  // namespace hone
