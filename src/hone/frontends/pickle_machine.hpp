// The stack machine of the pickle format (Python's pickletools documents the opcodes), limited to
// the opcodes that torch.save writes. Values live in one flat list and refer to each other by
// index, so neither deep nesting nor cycles can exhaust the call stack.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "hone/core/dtype.hpp"

namespace hone::pickle {

enum class Kind : std::uint8_t {
  none,
  boolean,
  integer,
  real,
  text,
  tuple,
  list,
  dict,
  global,
  storage,
  tensor
};

// What an allowed global stands for.
enum class Global : std::uint8_t {
  ordered_dict,
  size,
  rebuild_tensor,
  rebuild_parameter,
  storage_type
};

using Handle = std::uint32_t;  // index of a value

struct Value {
  Kind kind = Kind::none;
  Global global = Global::ordered_dict;  // of a global
  DType dtype = DType::f32;              // of a storage or a storage type
  std::int64_t number = 0;               // boolean, integer; elements of a storage
  std::string_view text;                 // text; key of a storage
  // Elements of a tuple or list; keys and values in turn of a dict; for a tensor its storage,
  // offset, sizes and strides; for a storage that is a part of another one, offset and size of the
  // part.
  std::vector<Handle> items;
};

class Machine {
public:
  // Begins at `position`. `bytes` must outlive the machine: texts point into it.
  Machine(std::span<const std::byte> bytes, std::string where, std::size_t position = 0)
      : bytes_(bytes), where_(std::move(where)), at_(position) {}

  // Runs to STOP and returns the one value that is left.
  Handle run_one();
  // The same, where nothing follows.
  Handle run();
  // The byte after STOP.
  std::size_t position() const { return at_; }
  const Value& value(Handle handle) const { return values_[handle]; }

private:
  bool step();
  bool step_number(std::uint8_t opcode);
  bool step_memo(std::uint8_t opcode);
  bool step_container(std::uint8_t opcode);
  [[noreturn]] void refuse_opcode(std::uint8_t opcode);
  [[noreturn]] void fail(const std::string& what) const;

  std::span<const std::byte> take(std::uint64_t count);
  template <typename T>
  T take_number();
  std::string_view take_text(std::uint64_t length);
  std::string_view take_line();

  Handle add(Value value);
  void push(Value value) { stack_.push_back(add(std::move(value))); }
  Handle pop();
  Value& top(Kind kind, const char* what);
  // Everything above the last mark, which is removed.
  std::vector<Handle> pop_to_mark();
  std::string_view text_of(Handle handle, const char* what) const;
  std::int64_t integer_of(Handle handle, const char* what) const;
  const std::vector<Handle>& tuple_of(Handle handle, const char* what) const;

  void remember(std::uint64_t index);
  void recall(std::uint64_t index);
  void push_long(std::uint64_t length);
  void push_tuple(std::vector<Handle> items);
  void set_items(const std::vector<Handle>& items);
  void append_items(const std::vector<Handle>& items);
  void push_global(std::string_view module, std::string_view name);
  void load_storage();
  std::vector<Handle> part_of_storage(Handle view, std::int64_t elements) const;
  void reduce();
  Value rebuild_tensor(const std::vector<Handle>& arguments);
  void build();

  std::span<const std::byte> bytes_;
  std::string where_;
  std::size_t at_;             // next byte
  std::size_t opcode_at_ = 0;  // of the opcode that runs, for messages
  std::vector<Value> values_;
  std::vector<Handle> stack_;
  std::vector<std::size_t> marks_;  // heights of the stack
  std::unordered_map<std::uint64_t, Handle> memo_;
};

}  // namespace hone::pickle
