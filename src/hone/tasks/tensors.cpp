#include "hone/tasks/task.hpp"

namespace hone {

// Its inputs and outputs are those of the graph: it is run, not trained or measured.
Task task_tensors() {
  Task task{{"tensors", "named tensors for named tensors (hone infer)"}};
  return task;
}

}  // namespace hone
