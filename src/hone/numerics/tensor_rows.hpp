// Which numbers of a tensor form a row: what shares a scale or a block in the formats that have
// them. Matrices and vectors are rows of their last dimension; planes and the filters of a
// convolution have their channels in dimension 1.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hone/numerics/format.hpp"

namespace hone {

enum class TensorRows {
  last,      // the numbers along the last dimension
  channels,  // of planes [N,C,...]: the C numbers of a place
  filters    // of weights [O,C,...]: all numbers of a filter, place by place, channels together
};
// Throws Error(invalid_argument) for another name.
TensorRows parse_tensor_rows(const std::string& name);
const char* name_of(TensorRows rows);
// The three names.
std::vector<std::string> tensor_rows_names();

// The numbers of a row in a tensor of that shape, and how many rows there are.
std::int64_t row_length(const Shape& shape, TensorRows rows);
// The tensor as a matrix of its rows [rows, length], and back.
Tensor to_rows(const Tensor& x, TensorRows rows);
Tensor from_rows(const Tensor& matrix, const Shape& shape, TensorRows rows);

// A format whose whole-tensor functions (quantize, pack, unpack, check, bits_per_value) see tensors
// by such rows; what is given row by row stays as it is. `quantizer` itself where it makes no
// difference.
std::unique_ptr<const Quantizer> by_tensor_rows(std::unique_ptr<const Quantizer> quantizer,
                                                TensorRows rows);

// Rounds a tensor of float32 by its rows; y may be x. With `draws` at random, draws->first the
// number of its first element in the order of the rows.
void quantize_by_rows(const Quantizer& quantizer, TensorRows rows, const Shape& shape,
                      const float* x, float* y, const RandomDraws* draws);

}  // namespace hone
