#include "hone/tasks/dense_texts.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

constexpr const char *ids_name = "input_ids", *mask_name = "attention_mask",
                     *types_name = "token_type_ids";

const Tensor* find(const Inputs& given, const char* name) {
  const auto found = given.find(name);
  return found == given.end() ? nullptr : &found->second;
}

}  // namespace

bool are_dense_texts(const Graph& graph, const Inputs& given) {
  const ValueId offsets = graph.find("offsets");
  return offsets != none && graph.value(offsets).kind == ValueKind::input &&
         find(given, ids_name) != nullptr;
}

Inputs pack_dense_texts(const Inputs& given) {
  const Tensor &ids = *find(given, ids_name), *mask = find(given, mask_name),
               *types = find(given, types_name);
  for (const auto& [name, tensor] : given) {
    if (name != ids_name && name != mask_name && name != types_name)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("'{}' is no part of a batch of texts", name),
                  fmt::format("those are {}, {} and {}", ids_name, mask_name, types_name));
    if (!is_integer(tensor.dtype()) || tensor.shape().size() != 2 || tensor.shape() != ids.shape())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("'{}' is {} {}, whole numbers [batch,sequence] as '{}' are wanted",
                              name, name_of(tensor.dtype()), to_string(tensor.shape()), ids_name));
  }
  const std::int64_t batch = ids.shape()[0], sequence = ids.shape()[1];
  std::vector<std::int32_t> packed, packed_types, positions, offsets{0};
  for (std::int64_t b = 0; b < batch; ++b) {
    std::int32_t place = 0;
    for (std::int64_t i = b * sequence; i < (b + 1) * sequence; ++i) {
      if (mask != nullptr && integer_at(*mask, i) == 0) continue;
      packed.push_back(static_cast<std::int32_t>(integer_at(ids, i)));
      packed_types.push_back(types == nullptr ? 0
                                              : static_cast<std::int32_t>(integer_at(*types, i)));
      positions.push_back(place++);
    }
    if (place == 0)
      throw Error(ErrorCode::invalid_argument, fmt::format("text {} has no tokens", b),
                  fmt::format("its row of '{}' is 0 throughout", mask_name));
    offsets.push_back(static_cast<std::int32_t>(packed.size()));
  }
  const auto tensor = [](const std::vector<std::int32_t>& list) {
    return Tensor::from<std::int32_t>(DType::i32, {std::ssize(list)}, list);
  };
  return {{"ids", tensor(packed)},
          {"type_ids", tensor(packed_types)},
          {"positions", tensor(positions)},
          {"offsets", tensor(offsets)}};
}

}  // namespace hone
