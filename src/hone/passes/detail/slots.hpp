// Which slots a node has.
#pragma once

#include <array>
#include <string>

#include "hone/graph/op.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {

inline constexpr std::array<Slot, 5> all_slots{Slot::data_in, Slot::weight, Slot::bias,
                                               Slot::data_out, Slot::probabilities};

inline const char* name_of(Slot slot) { return slot_names[static_cast<std::size_t>(slot)]; }

// Whether the pass `quantize` may give a node of that op a format at all.
inline bool has_slots(const QuantizeSlots& slots) {
  return !slots.data.empty() || slots.weight >= 0;
}
bool has_slot(const Node& node, const QuantizeSlots& slots, Slot slot);

// Formats whose step can be trained.
inline bool can_learn(const std::string& format) {
  return format == "affine" || format == "integer";
}

}  // namespace hone
