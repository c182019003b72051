// Columns of data that are the same in every row, whatever the text.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "hone/model/model.hpp"

namespace hone {

// Whether a value is rows of numbers f32[T, columns], and how many columns it has.
bool is_data_matrix(const Graph& graph, ValueId id);
std::int64_t columns_of(const Graph& graph, ValueId id);
// An input of a node, none where it has not that many.
ValueId input_of(const Node& node, std::size_t i);

class ColumnConstants {
public:
  // Columns that products of zero rows make (their bias), through what works column by column, and
  // through attention.
  explicit ColumnConstants(const Model& model);

  // By column; nothing where it is not known.
  std::vector<std::optional<float>> of(ValueId id) const;

private:
  std::vector<std::optional<float>> of_product(const Node& node) const;
  std::vector<std::optional<float>> mapped(const Node& node) const;

  const Model& model_;
  std::map<ValueId, std::vector<std::optional<float>>> known_;
};

}  // namespace hone
