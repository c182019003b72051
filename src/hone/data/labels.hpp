// What the labels of rows mean: classes, or values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/data/dataset.hpp"
#include "hone/data/rows.hpp"

namespace hone {

// The whole number that a label writes: "3", "3.0", "-1", "1e2". Nothing for anything else, and
// beyond 2^53, where reals stop to tell whole numbers apart.
std::optional<std::int64_t> whole_number(std::string_view label);
// false and true in lower, upper or title case.
std::optional<bool> truth_value(std::string_view label);

// Numbers the different labels of the rows, into `labels` and `label_names` of `data`: whole
// numbers by their value and named as such ("1.0" is "1"), booleans false, true; anything else is a
// name, in sorted order. Throws Error(bad_format) naming the row for a label that is empty, or not
// a whole number where all are numbers.
void number_classes(const Rows& rows, TextData& data);

// Real numbers, into `targets`; all `labels` are 0. Throws Error(bad_format) naming the row for
// anything that is not a finite number.
void read_values(const Rows& rows, TextData& data);

}  // namespace hone
