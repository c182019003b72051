#include "hone/tasks/detail/text_inputs.hpp"

namespace hone {

// Data has one label a text, so that such a model only answers.
Task task_text_labels() {
  Task task{{"text_labels", "any number of several labels for a text"}};
  task.columns = {"ids"};
  task.fill = fill_texts;
  return task;
}

}  // namespace hone
