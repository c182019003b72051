#include "hone/train/inputs.hpp"

namespace hone {

Tensor int_vector(const std::vector<std::int32_t>& values) {
  return Tensor::from<std::int32_t>(DType::i32, {static_cast<std::int64_t>(values.size())}, values);
}

std::map<std::string, Tensor> batch_inputs(const Batch& batch) {
  return {{"ids", int_vector(batch.ids)},
          {"type_ids", int_vector(batch.type_ids)},
          {"positions", int_vector(batch.positions)},
          {"offsets", int_vector(batch.offsets)}};
}

}  // namespace hone
