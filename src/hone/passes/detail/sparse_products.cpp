#include "hone/passes/sparse_products.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/vector_width.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"

namespace hone {
namespace {

// Time against the dense product's: of all numbers, were they stored; of the inputs' passing; of
// the outputs' passing, which is shared by an output's numbers. Fitted to measurements
// (docs/benchmarks.md): wider vectors make the dense product faster, and the sparse one less so.
struct Cost {
  double numbers, inputs, outputs;
  double of(double stored, std::int64_t k) const {
    return numbers * stored + inputs + outputs / static_cast<double>(k);
  }
};
struct Costs {
  Cost rows, groups;
};
constexpr Costs of_avx2{{2.6, 0.06, 25}, {1.0, 0.04, 14}};
constexpr Costs of_avx512{{3.2, 0.24, 40}, {1.35, 0.18, 25}};
const Costs& costs() { return vector_floats() >= 16 ? of_avx512 : of_avx2; }
constexpr std::int64_t group_rows = 4;

bool keeps(const Tensor& mask, std::int64_t row, std::int64_t column) {
  return mask.as<std::uint8_t>()[row * mask.shape()[1] + column] != 0;
}

// Whether each block of a mask is kept or dropped as a whole.
bool in_blocks(const Tensor& mask, std::int64_t rows, std::int64_t columns) {
  const std::int64_t n = mask.shape()[0], k = mask.shape()[1];
  if (n % rows != 0 || k % columns != 0) return false;
  for (std::int64_t r = 0; r < n; ++r)
    for (std::int64_t c = 0; c < k; ++c)
      if (keeps(mask, r, c) != keeps(mask, r - r % rows, c - c % columns)) return false;
  return true;
}

// Whether `left` of each `of` numbers of a row are kept.
bool keeps_of_each(const Tensor& mask, std::int64_t left, std::int64_t of) {
  const std::int64_t n = mask.shape()[0], k = mask.shape()[1];
  if (k % of != 0) return false;
  for (std::int64_t r = 0; r < n; ++r)
    for (std::int64_t c = 0; c < k; c += of) {
      std::int64_t kept = 0;
      for (std::int64_t i = c; i < c + of; ++i) kept += keeps(mask, r, i);
      if (kept != left) return false;
    }
  return true;
}

std::string pattern_of(const Tensor& mask) {
  const std::int64_t n = mask.shape()[0], k = mask.shape()[1];
  if (in_blocks(mask, 1, k)) return "whole rows";
  if (in_blocks(mask, n, 1)) return "whole columns";
  for (const std::int64_t size : {64, 32, 16, 8, 4, 2})
    if (in_blocks(mask, size, size)) return fmt::format("blocks {}x{}", size, size);
  for (const std::int64_t size : {32, 16, 8, 4}) {
    if (in_blocks(mask, size, 1)) return fmt::format("blocks {}x1", size);
    if (in_blocks(mask, 1, size)) return fmt::format("blocks 1x{}", size);
  }
  for (const std::int64_t of : {2, 4, 8, 16})
    for (std::int64_t left = 1; left < of; ++left)
      if (keeps_of_each(mask, left, of)) return fmt::format("{}:{}", left, of);
  return "scattered";
}

}  // namespace

SparseChoice choose_sparse(const Tensor& weight, double max_cost) {
  const std::int64_t n = weight.shape()[0], k = weight.shape()[1];
  SparseChoice choice;
  if (weight.size() == 0) {
    choice.reason = "it has no numbers";
    return choice;
  }
  std::int64_t numbers = 0, grouped = 0;
  const float* w = weight.as<float>();
  for (std::int64_t first = 0; first < n; first += group_rows)
    for (std::int64_t c = 0; c < k; ++c) {
      std::int64_t found = 0;
      for (std::int64_t r = first; r < std::min(n, first + group_rows); ++r)
        found += w[r * k + c] != 0;
      numbers += found;
      grouped += found > 0 ? group_rows : 0;
    }
  const auto all = static_cast<double>(weight.size());
  choice.density = static_cast<double>(numbers) / all;
  const double in_groups = static_cast<double>(grouped) / all;
  const double row_cost = costs().rows.of(choice.density, k);
  const double group_cost = costs().groups.of(in_groups, k);
  const bool groups = n % group_rows == 0 && group_cost < row_cost;
  choice.cost = groups ? group_cost : row_cost;
  choice.stored = groups ? in_groups : choice.density;
  if (choice.cost < max_cost) choice.group = groups ? group_rows : 1;
  choice.reason =
      choice.group == 0
          ? fmt::format(
                "density {:.2g}, dense is as fast on CPUs (sparse: about {:.2g} of its time)",
                choice.density, choice.cost)
          : fmt::format("density {:.2g}, about {:.2g} of the time of the dense product",
                        choice.density, choice.cost);
  return choice;
}

namespace {

double density_of(const Tensor& weight) {
  const auto numbers = weight.span<const float>();
  const auto left = std::count_if(numbers.begin(), numbers.end(), [](float x) { return x != 0; });
  return numbers.empty() ? 0 : static_cast<double>(left) / static_cast<double>(numbers.size());
}

}  // namespace

std::vector<ProductNote> describe_sparse_products(const Model& model) {
  const Graph& graph = model.graph;
  const auto masks = masks_of(graph);
  std::vector<ProductNote> notes;
  for (const Node& node : graph.nodes) {
    if (node.op != "linear") continue;
    const ValueId weight = behind(graph, node.inputs[1]);
    ProductNote note;
    note.node = graph.value(node.outputs[0]).name;
    note.weight = graph.value(weight).name;
    const auto mask = masks.find(note.weight);
    note.masked = mask != masks.end();
    if (note.masked) note.pattern = pattern_of(model.tensors.at(mask->second));
    const Node* packed = graph.producer(weight);
    if (node.inputs[1] == weight && packed == nullptr) {
      note.reason = "no mask";
    } else if (packed != nullptr) {
      // (What it would cost as float32 is not asked; how much of it is left is what its bits say.)
      note.choice.density = density_of(effective_weight(model, weight));
      note.reason = "its numbers are packed: products read their bits, zeros among them";
    } else {
      note.choice = choose_sparse(effective_weight(model, node.inputs[1]));
      note.sparse = note.choice.group > 0;
      note.reason =
          (note.pattern.empty() || note.pattern == "scattered" ? "" : note.pattern + ": ") +
          note.choice.reason;
    }
    notes.push_back(std::move(note));
  }
  return notes;
}

}  // namespace hone
