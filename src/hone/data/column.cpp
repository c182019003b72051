#include "hone/data/column.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"

namespace hone {

const Column* Dataset::find(std::string_view name) const {
  for (const Column& column : columns)
    if (column.name == name) return &column;
  return nullptr;
}

const Column& Dataset::column(std::string_view name) const {
  if (const Column* found = find(name)) return *found;
  std::vector<std::string_view> names;
  for (const Column& column : columns) names.push_back(column.name);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("the data has no column '{}', only: {}", name, fmt::join(names, ", ")),
              "give data of the kind that the model is for");
}

}  // namespace hone
