// What tasks share whose answer is one class of several: the column labels (i32, 0-based, one a
// sample), the cross entropy, the metrics of classes.
#pragma once

#include <string>
#include <vector>

#include "hone/tasks/task.hpp"

namespace hone {

// Sets all of a task but its names and `fill`.
void answer_with_classes(Task& task);

// n / (k n_c) for class c of `classes`, as scikit-learn's class_weight="balanced": n samples, n_c
// of the class, k classes that occur; 1 for classes that do not.
std::vector<float> balanced_class_weights(const Dataset& data, std::int64_t classes);

}  // namespace hone
