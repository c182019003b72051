// What stands around texts and how much of them stays. Internal to the tokenizer's sources.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "hone/data/tokenizer.hpp"

namespace hone {

// What max_length (0: no limit) leaves for the texts; throws Error(invalid_argument) when that is
// less than nothing.
std::size_t room_for_texts(const Template& pieces, std::int64_t max_length);

// Longest first: how many ids of texts of a and b ids stay where there is room for `room`. The
// shorter keeps all while the longer can give; else both share the room, and the odd id goes to the
// longer (to the second of two alike).
std::pair<std::size_t, std::size_t> share_room(std::size_t a, std::size_t b, std::size_t room);

// Appends the pieces, the texts being `first` and `second`; their types too unless null.
void append_filled(const Template& pieces, std::span<const std::int32_t> first,
                   std::span<const std::int32_t> second, std::vector<std::int32_t>& ids,
                   std::vector<std::uint8_t>* type_ids);

}  // namespace hone
