#include "hone/frontends/torch_pickle.hpp"

#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/pickle_machine.hpp"

namespace hone {
namespace {

using pickle::Handle;
using pickle::Kind;
using pickle::Machine;

[[noreturn]] void not_a_tensor(const std::string& where, std::string_view name,
                               const pickle::Value& value) {
  const std::string hint =
      value.kind == Kind::dict
          ? "this looks like a training checkpoint: save its state dict alone, as model.safetensors"
          : "save the model's state dict alone, as model.safetensors";
  throw Error(ErrorCode::unsupported,
              fmt::format("{}: entry '{}' is not a tensor", where, printable(name)), hint);
}

std::vector<std::int64_t> integers(const Machine& machine, Handle tuple) {
  std::vector<std::int64_t> numbers;
  for (const Handle item : machine.value(tuple).items)
    numbers.push_back(machine.value(item).number);
  return numbers;
}

PickledTensor describe(const Machine& machine, const pickle::Value& tensor, std::string_view name) {
  const pickle::Value& storage = machine.value(tensor.items[0]);
  PickledTensor result;
  result.name = name;
  result.dtype = storage.dtype;
  result.storage = storage.text;
  result.storage_elements = storage.number;
  result.offset = machine.value(tensor.items[1]).number;
  if (!storage.items.empty()) result.offset += machine.value(storage.items[0]).number;
  result.shape = integers(machine, tensor.items[2]);
  result.strides = integers(machine, tensor.items[3]);
  return result;
}

std::vector<PickledTensor> tensors_of(const Machine& machine, Handle state,
                                      const std::string& where) {
  const pickle::Value& root = machine.value(state);
  if (root.kind != Kind::dict)
    throw Error(ErrorCode::unsupported, where + ": holds no dictionary of tensors",
                "save the model's state dict, as model.safetensors");
  std::vector<PickledTensor> tensors;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const pickle::Value& key = machine.value(root.items[i]);
    const pickle::Value& value = machine.value(root.items[i + 1]);
    if (key.kind != Kind::text)
      throw Error(ErrorCode::unsupported, where + ": a key of the dictionary is not a text",
                  "save the model's state dict alone, as model.safetensors");
    if (value.kind != Kind::tensor) not_a_tensor(where, key.text, value);
    if (!names.insert(key.text).second)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: tensor '{}' is given twice", where, printable(key.text)));
    tensors.push_back(describe(machine, value, key.text));
  }
  return tensors;
}

}  // namespace

std::vector<PickledTensor> read_torch_pickle(std::span<const std::byte> bytes,
                                             const std::string& where) {
  Machine machine(bytes, where);
  const Handle state = machine.run();
  return tensors_of(machine, state, where);
}

std::vector<PickledTensor> read_torch_pickle(std::span<const std::byte> bytes,
                                             const std::string& where, std::size_t& position) {
  Machine machine(bytes, where, position);
  const Handle state = machine.run_one();
  position = machine.position();
  return tensors_of(machine, state, where);
}

}  // namespace hone
