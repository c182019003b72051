// Pickles built by hand, opcode by opcode.
#pragma once

#include <cstdint>
#include <string>

namespace hone_test::pickled {

inline std::string number(std::uint32_t value) {
  return {static_cast<char>(value), static_cast<char>(value >> 8), static_cast<char>(value >> 16),
          static_cast<char>(value >> 24)};
}
inline std::string integer(std::int32_t value) {
  return "J" + number(static_cast<std::uint32_t>(value));
}
inline std::string text(const std::string& value) {
  return "X" + number(static_cast<std::uint32_t>(value.size())) + value;
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
// A persistent id as the archive has it; `more` is what files before torch 1.6 add.
inline std::string storage(std::int32_t elements, const std::string& type = "FloatStorage",
                           const std::string& key = "0", const std::string& more = "") {
  return "(" + text("storage") + global("torch", type) + text(key) + text("cpu") +
         integer(elements) + more + "tQ";
}
inline std::string tensor(const std::string& content, const std::string& offset,
                          const std::string& sizes, const std::string& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + content + offset + "(" + sizes +
         "t(" + strides + "t\x89" + global("collections", "OrderedDict") + ")RtR";
}
inline std::string state(const std::string& items) { return "\x80\x02}(" + items + "u."; }

}  // namespace hone_test::pickled
