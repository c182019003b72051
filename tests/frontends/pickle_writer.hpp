// Pickles built by hand, opcode by opcode.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "hone/core/tensor_store.hpp"

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

// How a file of torch.save before version 1.6 begins: the magic number, the protocol, the machine.
inline const std::string legacy_magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
inline const std::string legacy_protocol = "\x80\x02M\xe9\x03.";
inline const std::string legacy_machine = "\x80\x02}(" + text("protocol_version") + "M\xe9\x03" +
                                          text("little_endian") + "\x88" + text("type_sizes") +
                                          "}(" + text("short") + "K\x02" + text("int") + "K\x04uu.";

inline std::string legacy_keys(const std::vector<std::string>& names) {
  std::string list = "\x80\x02](";
  for (const std::string& name : names) list += text(name);
  return list + "e.";
}

// A whole state dict as such a file.
inline std::string legacy_file(const hone::TensorStore& store) {
  std::string items;
  std::string values;
  for (const std::string& name : store.names()) {
    const hone::Tensor& t = store.at(name);
    std::string sizes;
    std::string strides;
    std::int64_t stride = t.size();
    for (const std::int64_t size : t.shape()) {
      sizes += integer(static_cast<std::int32_t>(size));
      stride /= size;
      strides += integer(static_cast<std::int32_t>(stride));
    }
    const char* type = t.dtype() == hone::DType::i8    ? "CharStorage"
                       : t.dtype() == hone::DType::u8  ? "ByteStorage"
                       : t.dtype() == hone::DType::i32 ? "IntStorage"
                       : t.dtype() == hone::DType::i64 ? "LongStorage"
                                                       : "FloatStorage";
    const auto count = static_cast<std::int32_t>(t.size());
    items += text(name) + tensor(storage(count, type, name, "N"), integer(0), sizes, strides);
    values += number(static_cast<std::uint32_t>(count)) + std::string(4, '\0');
    values.append(static_cast<const char*>(t.data()), t.bytes());
  }
  return legacy_magic + legacy_protocol + legacy_machine + state(items) +
         legacy_keys(store.names()) + values;
}

}  // namespace hone_test::pickled
