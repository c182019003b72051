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

bool are_dense_texts(const Model& model, const Inputs& given) {
  const auto reads = [&](const char* name) {
    const ValueId id = model.graph.find(name);
    return id != none && model.graph.value(id).kind == ValueKind::input;
  };
  return model.limits.vocabulary > 0 && reads("ids") && reads("positions") && reads("offsets") &&
         !reads(ids_name) &&
         (find(given, ids_name) != nullptr || find(given, mask_name) != nullptr);
}

Inputs pack_dense_texts(const Model& model, const Inputs& given) {
  const Tensor *ids = find(given, ids_name), *mask = find(given, mask_name),
               *types = find(given, types_name);
  const auto refuse = [](const std::string& what, const std::string& hint = "") {
    throw Error(ErrorCode::invalid_argument, what, hint);
  };
  if (ids == nullptr) refuse(fmt::format("'{}' is missing", ids_name));
  for (const auto& [name, tensor] : given) {
    if (name != ids_name && name != mask_name && name != types_name)
      refuse(fmt::format("'{}' is no part of a batch of texts", name),
             fmt::format("those are {}, {} and {}", ids_name, mask_name, types_name));
    if (!is_integer(tensor.dtype()) || tensor.shape().size() != 2 || tensor.shape() != ids->shape())
      refuse(fmt::format("'{}' is {} {}, whole numbers [batch,sequence] as '{}' are wanted", name,
                         name_of(tensor.dtype()), to_string(tensor.shape()), ids_name));
  }
  if (types != nullptr && model.limits.token_types < 2)
    refuse(fmt::format("'{}': the model has no types of tokens", types_name), "leave them out");
  const std::int64_t batch = ids->shape()[0], sequence = ids->shape()[1];
  std::vector<std::int32_t> packed, packed_types, positions, offsets{0};
  const auto take = [&](const Tensor& from, std::int64_t i, const char* name, std::int64_t rows,
                        std::vector<std::int32_t>& to) {
    const std::int64_t number = integer_at(from, i);
    if (number < 0 || number >= rows)
      refuse(fmt::format("text {}: '{}' has {}, the model has 0 to {}", i / sequence, name, number,
                         rows - 1));
    to.push_back(static_cast<std::int32_t>(number));
  };
  for (std::int64_t b = 0; b < batch; ++b) {
    std::int32_t place = 0;
    for (std::int64_t i = b * sequence; i < (b + 1) * sequence; ++i) {
      const std::int64_t seen = mask == nullptr ? 1 : integer_at(*mask, i);
      if (seen != 0 && seen != 1)
        refuse(fmt::format("text {}: '{}' has {}, it is 0 or 1", b, mask_name, seen));
      if (seen == 0) continue;
      if (place != i - b * sequence)
        refuse(fmt::format("text {}: '{}' has a 0 before a 1", b, mask_name),
               "fill texts up behind their tokens (padding_side = right)");
      take(*ids, i, ids_name, model.limits.vocabulary, packed);
      if (types == nullptr)
        packed_types.push_back(0);
      else
        take(*types, i, types_name, model.limits.token_types, packed_types);
      positions.push_back(place++);
    }
    if (place == 0)
      refuse(fmt::format("text {} has no tokens", b),
             fmt::format("its row of '{}' is 0 throughout", mask_name));
    if (place > model.limits.positions)
      refuse(fmt::format("text {} has {} tokens, the model has {} positions", b, place,
                         model.limits.positions));
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
