// Masks from scores: how many numbers go, and in what groups. A mask is u8, 1 where a number stays.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/core/tensor.hpp"

namespace hone {

// Numbers that go together.
struct MaskGranularity {
  enum class Kind { element, n_of_m, block, row, column, head, neuron, channel, layer };
  Kind kind = Kind::element;
  // n_of_m: `first` of every `second` numbers of a row stay. block: first rows by second columns.
  std::int64_t first = 0, second = 0;

  bool operator==(const MaskGranularity&) const = default;
  // Heads, neurons, channels and layers: parts of several weights, which the graph tells.
  bool is_structural() const {
    return kind == Kind::head || kind == Kind::neuron || kind == Kind::channel ||
           kind == Kind::layer;
  }
};
// "element", "2:4", "4x4", "row", "column", "head", "neuron", "channel", "layer". Throws
// Error(invalid_argument).
MaskGranularity parse_mask_granularity(const std::string& text);
std::string to_string(const MaskGranularity& granularity);

// A rectangle of a matrix.
struct MaskRegion {
  std::size_t tensor = 0;  // its number among those that are ranked together
  std::int64_t row = 0, rows = 0, column = 0, columns = 0;
};
using MaskGroup = std::vector<MaskRegion>;

// local: each weight (of structures: each family, such as the heads of one attention) loses its
// share; global: the lowest of all go.
enum class MaskScope { local, global };

struct ScoredWeight {
  std::string name;  // for errors
  Tensor scores;     // f32
  // u8, empty: none. What is dropped already goes before all else, and stays dropped.
  Tensor before = {};
};

struct MaskOptions {
  double sparsity = 0;  // share of the groups that go, 0 to 1
  MaskScope scope = MaskScope::local;
  MaskGranularity granularity = {};
  // A group counts the root of the mean square of its scores, not their mean.
  bool root_mean_square = false;
  // A weight may lose all of its numbers.
  bool allow_empty = false;
};

// Throws Error(invalid_argument) for a sparsity outside 0 to 1, or other than N:M's own.
void check_sparsity(double sparsity, const MaskGranularity& granularity);

// Exactly round(sparsity * n) of n groups go (halves round up), those with the lowest scores; of
// equal scores the last by position; and with them all that was dropped before, which is more than
// that share where it was more, or lay in groups that stay. N:M takes its share from the pattern:
// sparsity must be 1 - N/M. `families`: the groups of structures, by family; empty for other
// granularities.
//
// Throws Error(invalid_argument) for a sparsity outside 0 to 1, a block or an M that does not
// divide a weight, and a weight that would be left empty; Error(numeric) for a NaN; each naming the
// weight.
std::vector<Tensor> make_masks(const std::vector<ScoredWeight>& weights, const MaskOptions& options,
                               const std::vector<std::vector<MaskGroup>>& families = {});

// Drops from a mask what the one before it dropped too; empty: none.
void keep_dropped(Tensor& mask, const Tensor& before);

// Whether a mask drops all of the numbers of which the one before it (empty: none) kept some.
bool leaves_empty(const Tensor& mask, const Tensor& before);

// The share of a mask that is dropped; 0 of an empty one.
double mask_sparsity(const Tensor& mask);
std::int64_t dropped_count(const Tensor& mask);

}  // namespace hone
