// What values of a graph of padded texts come to for a batch: how programs write masks and places
// down differs from version to version, what they come to does not.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "hone/core/tensor_store.hpp"
#include "hone/graph/graph.hpp"

namespace hone {

// Two texts, the second half as long as the first, all of type 0.
class BatchSample {
public:
  static constexpr std::int64_t texts = 2;
  // Of ids: small ones, and ones from all over the table of words.
  static constexpr int variants = 2;

  // ids, mask and types (none: there are none) are inputs [batch,sequence].
  BatchSample(const Graph& graph, const TensorStore& tensors, ValueId ids, ValueId mask,
              ValueId types);

  // Null where it cannot be said. Texts are as long as constants allow, which the first values that
  // are asked for find out: length() never grows.
  const Tensor* value(ValueId id, int variant = 0);
  std::int64_t length() const { return lengths_.back(); }
  bool is_token(std::int64_t text, std::int64_t place) const {
    return place < (text == 0 ? length() : length() / 2);
  }
  bool depends_on(ValueId id, ValueId input) const;

private:
  void begin(int variant);
  const Tensor& evaluated(ValueId id, int depth);
  Options of_sizes(Options attributes) const;

  const Graph& graph_;
  const TensorStore& tensors_;
  ValueId ids_, mask_, types_;
  std::vector<std::int64_t> lengths_;  // that may be tried, the next one last
  std::int64_t vocabulary_ = 100;
  std::int64_t known_length_ = 0;  // what known_ is of
  int known_variant_ = 0;
  std::map<ValueId, Tensor> known_;
};

// Chains of more nodes than this are not followed.
inline constexpr int deepest_chain = 3000;

}  // namespace hone
