#include "hone/tasks/classes.hpp"
#include "hone/tasks/detail/text_inputs.hpp"

namespace hone {

Task task_text_classification() {
  Task task{{"text_classification", "one class of several for a text"}};
  task.columns = {"ids"};
  task.fill = fill_texts;
  answer_with_classes(task);
  return task;
}

}  // namespace hone
