#include "hone/tasks/detail/text_inputs.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {

void fill_texts(const Dataset& data, SampleNumbers numbers, Inputs& inputs) {
  const std::span<const std::int32_t> ids = data.column("ids").as<std::int32_t>();
  const Column* types = data.find("type_ids");
  std::int64_t tokens = 0;
  for (const std::int64_t number : numbers) tokens += data.length(number);
  if (tokens > std::numeric_limits<std::int32_t>::max())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a batch of {} tokens is too large", tokens), "use a smaller batch");
  Tensor batch_ids(DType::i32, {tokens}), batch_types(DType::i32, {tokens}),
      positions(DType::i32, {tokens}),
      offsets(DType::i32, {static_cast<std::int64_t>(numbers.size()) + 1});
  std::int32_t at = 0;
  auto* offset = offsets.as<std::int32_t>();
  for (const std::int64_t number : numbers) {
    const auto begin = data.offsets[static_cast<std::size_t>(number)];
    const auto length = static_cast<std::int32_t>(data.length(number));
    std::copy_n(ids.data() + begin, length, batch_ids.as<std::int32_t>() + at);
    if (types != nullptr)
      std::copy_n(types->as<std::uint8_t>().data() + begin, length,
                  batch_types.as<std::int32_t>() + at);
    std::iota(positions.as<std::int32_t>() + at, positions.as<std::int32_t>() + at + length, 0);
    at += length;
    *++offset = at;
  }
  inputs["ids"] = std::move(batch_ids);
  inputs["type_ids"] = std::move(batch_types);
  inputs["positions"] = std::move(positions);
  inputs["offsets"] = std::move(offsets);
}

}  // namespace hone
