#include "hone/frontends/torch_legacy.hpp"

#include <cstring>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/pickle_machine.hpp"
#include "hone/frontends/torch_pickle.hpp"
#include "hone/frontends/torch_storage.hpp"

namespace hone {
namespace {

using pickle::Handle;
using pickle::Kind;
using pickle::Machine;

constexpr std::int64_t known_protocol = 1001;

// The pickled number 0x1950a86a20f9469cfc6c: LONG1, ten bytes, STOP.
constexpr std::string_view magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

// Bytes of the first pickle; 0: it is not the magic number. Protocol 4 and later put it into a
// frame.
std::size_t magic_size(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.size() < 2 || text[0] != '\x80' || text[1] < 2 || text[1] > 5) return 0;
  std::size_t at = 2;
  if (text[1] >= 4 && text.size() > at && text[at] == '\x95') at += 9;
  if (text.size() < at + magic.size() || text.substr(at, magic.size()) != magic) return 0;
  return at + magic.size();
}

[[noreturn]] void fail_reading(const std::string& where, const std::string& what) {
  throw Error(ErrorCode::bad_format, where + ": " + what,
              "the file is truncated or damaged: copy or download it again");
}

// One pickle of the row after the other, then the storages.
class LegacyFile {
public:
  LegacyFile(const MappedFile& map, std::string where)
      : map_(map), where_(std::move(where)), at_(magic_size(map.bytes)) {}

  TensorStore read() {
    check_protocol();
    const std::vector<PickledTensor> tensors = read_torch_pickle(map_.bytes, where_, at_);
    TorchStorages storages = read_storages(tensors, read_keys());
    for (const PickledTensor& tensor : tensors)
      if (storages.count(tensor.storage) == 0)
        fail_reading(where_, fmt::format("tensor '{}': its storage {} is not listed",
                                         printable(tensor.name), printable(tensor.storage)));
    return make_tensors(tensors, storages, map_.bytes.size(), where_);
  }

private:
  void check_protocol() {
    Machine version(map_.bytes, where_, at_);
    const pickle::Value& number = version.value(version.run_one());
    if (number.kind != Kind::integer || number.number != known_protocol)
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: the protocol of its pickles is not {}", where_, known_protocol),
                  "load it with PyTorch and save it again as model.safetensors");
    // Sizes of C types and the byte order of the machine; values are little-endian in any case.
    Machine system(map_.bytes, where_, version.position());
    if (system.value(system.run_one()).kind != Kind::dict)
      fail_reading(where_, "the description of the machine is no dictionary");
    at_ = system.position();
  }

  std::vector<std::string> read_keys() {
    Machine machine(map_.bytes, where_, at_);
    const pickle::Value& list = machine.value(machine.run_one());
    if (list.kind != Kind::list) fail_reading(where_, "the keys of its storages are no list");
    std::vector<std::string> keys;
    for (const Handle item : list.items) {
      if (machine.value(item).kind != Kind::text)
        fail_reading(where_, "the key of a storage is no text");
      keys.emplace_back(machine.value(item).text);
    }
    at_ = machine.position();
    return keys;
  }

  TorchStorages read_storages(const std::vector<PickledTensor>& tensors,
                              const std::vector<std::string>& keys) {
    std::map<std::string, const PickledTensor*> owners;
    for (const PickledTensor& tensor : tensors) owners.emplace(tensor.storage, &tensor);
    TorchStorages storages;
    for (const std::string& key : keys) {
      const auto owner = owners.find(key);
      // How long it is is known from a tensor alone.
      if (owner == owners.end())
        fail_reading(where_, fmt::format("the storage {} belongs to no tensor", printable(key)));
      if (!storages.emplace(key, read_storage(*owner->second)).second)
        fail_reading(where_, fmt::format("the storage {} is listed twice", printable(key)));
    }
    if (at_ != map_.bytes.size())
      fail_reading(where_,
                   fmt::format("{} bytes follow its last storage", map_.bytes.size() - at_));
    return storages;
  }

  TorchStorage read_storage(const PickledTensor& tensor) {
    const std::string what = fmt::format("byte {}: the storage {} of tensor '{}'", at_,
                                         printable(tensor.storage), printable(tensor.name));
    std::int64_t elements = 0;
    if (map_.bytes.size() - at_ < sizeof elements) fail_reading(where_, what + " is missing");
    std::memcpy(&elements, map_.bytes.data() + at_, sizeof elements);
    at_ += sizeof elements;
    if (elements != tensor.storage_elements)
      fail_reading(where_, fmt::format("{} has {} elements instead of {}", what, elements,
                                       tensor.storage_elements));
    const std::uint64_t size = stated_bytes(tensor, where_);
    if (size > map_.bytes.size() - at_)
      fail_reading(where_,
                   fmt::format("{} has {} of its {} bytes", what, map_.bytes.size() - at_, size));
    const auto bytes = map_.bytes.subspan(at_, size);
    at_ += size;
    return {map_, bytes};
  }

  const MappedFile& map_;
  std::string where_;
  std::size_t at_;  // next byte
};

}  // namespace

bool is_legacy_torch(std::span<const std::byte> bytes) { return magic_size(bytes) != 0; }

TensorStore read_legacy_torch(const MappedFile& map, const std::string& where) {
  return LegacyFile(map, where).read();
}

}  // namespace hone
