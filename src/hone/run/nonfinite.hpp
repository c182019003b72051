// Where the first NaN or infinity of a computation comes from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "hone/run/executor.hpp"

namespace hone {

struct NonFinite {
  std::string node, op;   // the first in the order of the graph whose output is not finite
  std::string parameter;  // of that node, that holds NaN or infinity; "": the node overflowed
  std::int64_t nans = 0, infinities = 0;  // in the parameter, or in the node's output
  double largest_input = 0;               // largest magnitude that the node read; of finite inputs

  // "node 'layer0.q' [linear], whose parameter 'x' holds 1 NaN and 0 infinities", or "node ... ,
  // which gives infinity for finite numbers of up to 1e+30".
  std::string text() const;
  bool bad_weights() const { return !parameter.empty(); }
};

// Whether all numbers of an f32 tensor are finite.
bool is_finite(const Tensor& tensor);

// Runs the executor's graph once more on `inputs`, with every value kept, and looks. Nothing when
// all values are finite, or the graph changes what it reads (training).
std::optional<NonFinite> find_nonfinite(const Executor& executor,
                                        const std::map<std::string, Tensor>& inputs);

}  // namespace hone
