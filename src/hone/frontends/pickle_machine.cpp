#include "hone/frontends/pickle_machine.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone::pickle {
namespace {

// BERT-base has 200 tensors of about 20 values each; this is for models of 100,000 tensors.
constexpr std::size_t max_values = 4'000'000;
constexpr std::size_t max_dimensions = 64;  // as in PyTorch

struct AllowedGlobal {
  std::string_view module;
  std::string_view name;
  Global global;
  DType dtype = DType::f32;
};

// Everything a state dict needs. Nothing here is ever called: each name stands for a plain value.
constexpr std::array<AllowedGlobal, 15> allowed{{
    {"collections", "OrderedDict", Global::ordered_dict},
    {"torch", "Size", Global::size},
    {"torch._utils", "_rebuild_tensor", Global::rebuild_tensor},  // before 0.4
    {"torch._utils", "_rebuild_tensor_v2", Global::rebuild_tensor},
    {"torch._utils", "_rebuild_parameter", Global::rebuild_parameter},
    {"torch", "FloatStorage", Global::storage_type, DType::f32},
    {"torch", "DoubleStorage", Global::storage_type, DType::f64},
    {"torch", "HalfStorage", Global::storage_type, DType::f16},
    {"torch", "BFloat16Storage", Global::storage_type, DType::bf16},
    {"torch", "CharStorage", Global::storage_type, DType::i8},
    {"torch", "ByteStorage", Global::storage_type, DType::u8},
    {"torch", "ShortStorage", Global::storage_type, DType::i16},
    {"torch", "IntStorage", Global::storage_type, DType::i32},
    {"torch", "LongStorage", Global::storage_type, DType::i64},
    {"torch", "BoolStorage", Global::storage_type, DType::boolean},
}};

const AllowedGlobal* find_global(std::string_view module, std::string_view name) {
  const auto matches = [&](const AllowedGlobal& entry) {
    return entry.module == module && entry.name == name;
  };
  const auto found = std::find_if(allowed.begin(), allowed.end(), matches);
  return found == allowed.end() ? nullptr : &*found;
}

// Opcodes, by their names in Python's pickletools.
enum Opcode : std::uint8_t {
  MARK = '(',
  STOP = '.',
  POP = '0',
  POP_MARK = '1',
  DUP = '2',
  BINFLOAT = 'G',
  BININT = 'J',
  BININT1 = 'K',
  BININT2 = 'M',
  NONE = 'N',
  BINPERSID = 'Q',
  REDUCE = 'R',
  BINSTRING = 'T',
  SHORT_BINSTRING = 'U',
  BINUNICODE = 'X',
  APPEND = 'a',
  BUILD = 'b',
  GLOBAL = 'c',
  APPENDS = 'e',
  BINGET = 'h',
  INST = 'i',
  LONG_BINGET = 'j',
  LIST = 'l',
  BINPUT = 'q',
  LONG_BINPUT = 'r',
  SETITEM = 's',
  TUPLE = 't',
  SETITEMS = 'u',
  DICT = 'd',
  EMPTY_DICT = '}',
  EMPTY_LIST = ']',
  EMPTY_TUPLE = ')',
  PROTO = 0x80,
  NEWOBJ = 0x81,
  TUPLE1 = 0x85,
  TUPLE2 = 0x86,
  TUPLE3 = 0x87,
  NEWTRUE = 0x88,
  NEWFALSE = 0x89,
  LONG1 = 0x8a,
  LONG4 = 0x8b,
  SHORT_BINUNICODE = 0x8c,
  BINUNICODE8 = 0x8d,
  STACK_GLOBAL = 0x93,
  MEMOIZE = 0x94,
  FRAME = 0x95
};

}  // namespace

void Machine::fail(const std::string& what) const {
  throw Error(
      ErrorCode::bad_format, fmt::format("{}: byte {}: {}", where_, opcode_at_, what),
      "the file is damaged or was not made by torch.save; get the model as model.safetensors");
}

void Machine::refuse_opcode(std::uint8_t opcode) {
  if (opcode == INST) {
    const std::string_view module = take_line();
    push_global(module, take_line());
  }
  fail(fmt::format("opcode 0x{:02x} does not belong into a file of weights", opcode));
}

std::span<const std::byte> Machine::take(std::uint64_t count) {
  if (count > bytes_.size() - at_) fail("the pickle ends in the middle");
  const auto part = bytes_.subspan(at_, count);
  at_ += count;
  return part;
}

template <typename T>
T Machine::take_number() {
  T number;
  std::memcpy(&number, take(sizeof number).data(), sizeof number);
  return number;
}

std::string_view Machine::take_text(std::uint64_t length) {
  const auto part = take(length);
  const std::string_view text(reinterpret_cast<const char*>(part.data()), part.size());
  if (find_invalid_utf8(text) != std::string_view::npos) fail("a text is not UTF-8");
  return text;
}

std::string_view Machine::take_line() {
  const auto rest = bytes_.subspan(at_);
  const auto end = std::find(rest.begin(), rest.end(), std::byte{'\n'});
  if (end == rest.end()) fail("the pickle ends in the middle of a name");
  const std::string_view line = take_text(static_cast<std::uint64_t>(end - rest.begin()));
  ++at_;
  return line;
}

Handle Machine::add(Value value) {
  if (values_.size() >= max_values) fail(fmt::format("more than {} values", max_values));
  values_.push_back(std::move(value));
  return static_cast<Handle>(values_.size() - 1);
}

Handle Machine::pop() {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) fail("takes a value where there is none");
  const Handle handle = stack_.back();
  stack_.pop_back();
  return handle;
}

Value& Machine::top(Kind kind, const char* what) {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor || values_[stack_.back()].kind != kind)
    fail(fmt::format("expected {}", what));
  return values_[stack_.back()];
}

std::vector<Handle> Machine::pop_to_mark() {
  if (marks_.empty()) fail("takes values up to a mark that is not there");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<Handle> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

std::string_view Machine::text_of(Handle handle, const char* what) const {
  if (values_[handle].kind != Kind::text) fail(fmt::format("{} is not a text", what));
  return values_[handle].text;
}

std::int64_t Machine::integer_of(Handle handle, const char* what) const {
  if (values_[handle].kind != Kind::integer) fail(fmt::format("{} is not a whole number", what));
  return values_[handle].number;
}

const std::vector<Handle>& Machine::tuple_of(Handle handle, const char* what) const {
  if (values_[handle].kind != Kind::tuple) fail(fmt::format("{} is not a tuple", what));
  return values_[handle].items;
}

Handle Machine::run_one() {
  while (step()) {
  }
  if (stack_.size() != 1 || !marks_.empty()) fail("ends with more or less than one value");
  return stack_.front();
}

Handle Machine::run() {
  const Handle result = run_one();
  if (at_ != bytes_.size()) fail(fmt::format("{} bytes follow its end", bytes_.size() - at_));
  return result;
}

// One opcode; false at STOP.
bool Machine::step() {
  opcode_at_ = at_;
  const auto opcode = take_number<std::uint8_t>();
  switch (opcode) {
    case STOP: return false;
    case PROTO:
      if (const auto version = take_number<std::uint8_t>(); version < 2 || version > 5)
        fail(fmt::format("pickle protocol {} is not supported", version));
      return true;
    // A frame only groups bytes for faster reading.
    case FRAME: take_number<std::uint64_t>(); return true;
    case GLOBAL: {
      const std::string_view module = take_line();
      push_global(module, take_line());
      return true;
    }
    case STACK_GLOBAL: {
      const std::string_view name = text_of(pop(), "the name of a global");
      push_global(text_of(pop(), "the module of a global"), name);
      return true;
    }
    case BINPERSID: load_storage(); return true;
    case REDUCE:
    case NEWOBJ: reduce(); return true;
    case BUILD: build(); return true;
    default: break;
  }
  if (!step_number(opcode) && !step_memo(opcode) && !step_container(opcode)) refuse_opcode(opcode);
  return true;
}

// Constants: numbers, texts, None, True, False.
bool Machine::step_number(std::uint8_t opcode) {
  const auto integer = [&](std::int64_t number) {
    push({.kind = Kind::integer, .number = number, .text = {}, .items = {}});
  };
  const auto text = [&](std::uint64_t length) {
    push({.kind = Kind::text, .text = take_text(length), .items = {}});
  };
  switch (opcode) {
    case NONE: push({}); return true;
    case NEWTRUE: push({.kind = Kind::boolean, .number = 1, .text = {}, .items = {}}); return true;
    case NEWFALSE: push({.kind = Kind::boolean, .text = {}, .items = {}}); return true;
    case BININT: integer(take_number<std::int32_t>()); return true;
    case BININT1: integer(take_number<std::uint8_t>()); return true;
    case BININT2: integer(take_number<std::uint16_t>()); return true;
    case LONG1: push_long(take_number<std::uint8_t>()); return true;
    case LONG4: push_long(take_number<std::uint32_t>()); return true;
    // No value of a real number matters to a tensor.
    case BINFLOAT:
      take(8);
      push({.kind = Kind::real, .text = {}, .items = {}});
      return true;
    // Texts of Python 2.
    case SHORT_BINSTRING: text(take_number<std::uint8_t>()); return true;
    case BINSTRING: text(take_number<std::uint32_t>()); return true;
    case SHORT_BINUNICODE: text(take_number<std::uint8_t>()); return true;
    case BINUNICODE: text(take_number<std::uint32_t>()); return true;
    case BINUNICODE8: text(take_number<std::uint64_t>()); return true;
    default: return false;
  }
}

bool Machine::step_memo(std::uint8_t opcode) {
  switch (opcode) {
    case BINPUT: remember(take_number<std::uint8_t>()); return true;
    case LONG_BINPUT: remember(take_number<std::uint32_t>()); return true;
    case MEMOIZE: remember(memo_.size()); return true;
    case BINGET: recall(take_number<std::uint8_t>()); return true;
    case LONG_BINGET: recall(take_number<std::uint32_t>()); return true;
    case MARK: marks_.push_back(stack_.size()); return true;
    case POP: pop(); return true;
    case POP_MARK: pop_to_mark(); return true;
    case DUP: {
      const Handle handle = pop();
      stack_.insert(stack_.end(), 2, handle);
      return true;
    }
    default: return false;
  }
}

bool Machine::step_container(std::uint8_t opcode) {
  const auto tuple_of_last = [&](std::size_t count) {
    std::vector<Handle> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    push_tuple(std::move(items));
  };
  switch (opcode) {
    case EMPTY_TUPLE: push_tuple({}); return true;
    case TUPLE1: tuple_of_last(1); return true;
    case TUPLE2: tuple_of_last(2); return true;
    case TUPLE3: tuple_of_last(3); return true;
    case TUPLE: push_tuple(pop_to_mark()); return true;
    case EMPTY_LIST: push({.kind = Kind::list, .text = {}, .items = {}}); return true;
    case LIST: push({.kind = Kind::list, .text = {}, .items = pop_to_mark()}); return true;
    case APPEND: append_items({pop()}); return true;
    case APPENDS: append_items(pop_to_mark()); return true;
    case EMPTY_DICT: push({.kind = Kind::dict, .text = {}, .items = {}}); return true;
    case DICT: {
      const std::vector<Handle> items = pop_to_mark();
      push({.kind = Kind::dict, .text = {}, .items = {}});
      set_items(items);
      return true;
    }
    case SETITEM: {
      const Handle item = pop();
      set_items({pop(), item});
      return true;
    }
    case SETITEMS: set_items(pop_to_mark()); return true;
    default: return false;
  }
}

void Machine::remember(std::uint64_t index) {
  const Handle handle = pop();
  stack_.push_back(handle);
  memo_[index] = handle;
}

void Machine::recall(std::uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) fail(fmt::format("recalls value {}, which was never stored", index));
  stack_.push_back(found->second);
}

// A little-endian two's complement number of `length` bytes.
void Machine::push_long(std::uint64_t length) {
  const auto part = take(length);
  if (length > 8) fail("a whole number is longer than 64 bits");
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < length; ++i)
    number |= std::to_integer<std::uint64_t>(part[i]) << (8 * i);
  if (length > 0 && length < 8 && std::to_integer<unsigned>(part[length - 1]) >= 0x80)
    number |= ~std::uint64_t{0} << (8 * length);
  push({.kind = Kind::integer,
        .number = static_cast<std::int64_t>(number),
        .text = {},
        .items = {}});
}

void Machine::push_tuple(std::vector<Handle> items) {
  push({.kind = Kind::tuple, .text = {}, .items = std::move(items)});
}

void Machine::set_items(const std::vector<Handle>& items) {
  Value& dict = top(Kind::dict, "a dictionary to put items into");
  if (items.size() % 2 != 0) fail("a dictionary gets a key without a value");
  dict.items.insert(dict.items.end(), items.begin(), items.end());
}

void Machine::append_items(const std::vector<Handle>& items) {
  Value& list = top(Kind::list, "a list to append to");
  list.items.insert(list.items.end(), items.begin(), items.end());
}

void Machine::push_global(std::string_view module, std::string_view name) {
  const AllowedGlobal* found = find_global(module, name);
  if (found == nullptr)
    throw Error(
        ErrorCode::bad_format,
        fmt::format("{}: byte {}: refuses to execute {}.{}", where_, opcode_at_, printable(module),
                    printable(name)),
        "only plain tensors are read from a pickle and nothing is ever run; if you trust where "
        "the file comes from, save it again as model.safetensors");
  push({.kind = Kind::global,
        .global = found->global,
        .dtype = found->dtype,
        .text = {},
        .items = {}});
}

// (key, offset, size) of a storage that is a part of another one, or None.
std::vector<Handle> Machine::part_of_storage(Handle view, std::int64_t elements) const {
  if (values_[view].kind == Kind::none) return {};
  const std::vector<Handle>& part = tuple_of(view, "the part of a storage");
  if (part.size() != 3) fail("the part of a storage is not its key, offset and size");
  const std::int64_t offset = integer_of(part[1], "the offset of a storage");
  const std::int64_t size = integer_of(part[2], "the size of a storage");
  if (offset < 0 || size < 0 || offset > elements || size > elements - offset)
    fail(fmt::format("a part of {} elements from {} of a storage of {}", size, offset, elements));
  return {part[1], part[2]};
}

// ("storage", storage type, key, location, elements): where a tensor's values lie in the file.
// Before version 1.6 a sixth item says which part of the storage is meant.
void Machine::load_storage() {
  const std::vector<Handle>& id = tuple_of(pop(), "a persistent id");
  if (id.size() < 5 || id.size() > 6 || text_of(id[0], "a persistent id's kind") != "storage")
    fail("a persistent id is not a storage");
  const Value& type = values_[id[1]];
  if (type.kind != Kind::global || type.global != Global::storage_type)
    fail("a storage without a storage type");
  const std::int64_t elements = integer_of(id[4], "the size of a storage");
  if (elements < 0) fail("a storage has a negative size");
  push({.kind = Kind::storage,
        .dtype = type.dtype,
        .number = elements,
        .text = text_of(id[2], "the key of a storage"),
        .items = id.size() == 6 ? part_of_storage(id[5], elements) : std::vector<Handle>{}});
}

// Stands for calling an allowed global with a tuple of arguments.
void Machine::reduce() {
  // References into values_ hold until the result is pushed. Copies would let a small hostile file
  // copy one long tuple over and over.
  const std::vector<Handle>& arguments = tuple_of(pop(), "the arguments of a call");
  const Value& callee = values_[pop()];
  if (callee.kind != Kind::global) fail("calls something that is not a name");
  switch (callee.global) {
    case Global::ordered_dict:
      // OrderedDict() or, from Python 2, OrderedDict([]): items follow by SETITEMS.
      if (arguments.size() > 1 || (arguments.size() == 1 && !values_[arguments[0]].items.empty()))
        fail("an OrderedDict with arguments");
      push({.kind = Kind::dict, .text = {}, .items = {}});
      return;
    case Global::size:
      if (arguments.size() != 1) fail("torch.Size takes one argument");
      tuple_of(arguments[0], "the argument of torch.Size");
      stack_.push_back(arguments[0]);
      return;
    case Global::rebuild_tensor: push(rebuild_tensor(arguments)); return;
    case Global::rebuild_parameter:
      if (arguments.empty() || values_[arguments[0]].kind != Kind::tensor)
        fail("a parameter without its tensor");
      stack_.push_back(arguments[0]);
      return;
    case Global::storage_type: fail("calls a storage type");
  }
}

// (storage, offset, sizes, strides[, requires gradient, hooks[, metadata]])
Value Machine::rebuild_tensor(const std::vector<Handle>& arguments) {
  if (arguments.size() != 4 && arguments.size() != 6 && arguments.size() != 7)
    fail(fmt::format("a tensor described by {} values instead of 6", arguments.size()));
  const Value& storage = values_[arguments[0]];
  if (storage.kind != Kind::storage) fail("a tensor without a storage");
  const std::int64_t offset = integer_of(arguments[1], "the offset of a tensor");
  const std::vector<Handle>& sizes = tuple_of(arguments[2], "the sizes of a tensor");
  const std::vector<Handle>& strides = tuple_of(arguments[3], "the strides of a tensor");
  if (sizes.size() != strides.size()) fail("a tensor with more sizes than strides, or fewer");
  if (sizes.size() > max_dimensions) fail(fmt::format("a tensor of {} dimensions", sizes.size()));
  std::int64_t count = 1;
  std::int64_t last = offset;
  bool fits = offset >= 0;
  for (std::size_t i = 0; fits && i < sizes.size(); ++i) {
    const std::int64_t size = integer_of(sizes[i], "a size of a tensor");
    const std::int64_t stride = integer_of(strides[i], "a stride of a tensor");
    std::int64_t reach = 0;
    fits = size >= 0 && stride >= 0 && !__builtin_mul_overflow(count, size, &count) &&
           (size == 0 || (!__builtin_mul_overflow(size - 1, stride, &reach) &&
                          !__builtin_add_overflow(last, reach, &last)));
  }
  if (!fits) fail("a tensor has an impossible offset, size or stride");
  const std::int64_t elements =
      storage.items.empty() ? storage.number : values_[storage.items[1]].number;
  if (count > 0 && last >= elements)
    fail(fmt::format("a tensor reaches element {} of a storage of {}", last, elements));
  return {.kind = Kind::tensor,
          .text = {},
          .items = {arguments[0], arguments[1], arguments[2], arguments[3]}};
}

// Attributes of an object: state dicts carry version numbers ("_metadata") that nothing here needs.
void Machine::build() {
  pop();
  top(Kind::dict, "a dictionary to give attributes to");
}

}  // namespace hone::pickle
