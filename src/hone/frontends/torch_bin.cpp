#include "hone/frontends/torch_bin.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/mapped_tensor.hpp"
#include "hone/frontends/torch_pickle.hpp"
#include "hone/frontends/zip_reader.hpp"

namespace hone {
namespace {

constexpr const char* resave = "load it with PyTorch and save it again as model.safetensors";

// The values of one storage: a part of the mapped file, or unpacked memory.
struct Storage {
  MappedFile home;
  std::span<const std::byte> bytes;
  bool taken = false;  // a tensor uses this memory; any other one copies
};

struct Archive {
  std::string prefix;  // "NAME/"
  std::vector<std::byte> buffer;
  std::span<const std::byte> pickle;
};

bool starts_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

void check_kind(std::span<const std::byte> bytes, const std::string& where) {
  if (starts_with(bytes, "PK\x03\x04")) return;
  // Before 1.6 torch.save wrote a row of pickles that begins with a magic number of ten bytes;
  // before 0.4 a tar archive.
  const bool tar = bytes.size() > 262 && starts_with(bytes.subspan(257), "ustar");
  if (starts_with(bytes, "\x80\x02\x8a\x0a") || tar)
    throw Error(ErrorCode::unsupported,
                where + ": is in the format of torch before version 1.6, which is not read",
                resave);
  throw Error(ErrorCode::bad_format, where + ": is not a file of torch.save (no zip archive)",
              "the file may be truncated, or a Git LFS pointer: download it again");
}

// How much unpacked memory a file may ask for. Weights hardly compress and a state dict repeats a
// storage two or three times at most.
std::uint64_t memory_limit(std::size_t file_size) {
  return 16 * std::uint64_t{file_size} + (64u << 20);
}

Archive read_description(std::span<const std::byte> bytes, const std::string& where) {
  Archive archive;
  std::optional<std::string> byte_order;
  bool script = false;
  std::vector<std::byte> buffer;
  for (ZipReader zip(bytes, where); zip.next();) {
    const std::size_t slash = zip.name().find('/');
    if (slash == std::string::npos) continue;
    const std::string_view inner = std::string_view(zip.name()).substr(slash + 1);
    if (inner == "data.pkl") {
      if (!archive.prefix.empty())
        throw Error(ErrorCode::bad_format, where + ": holds more than one data.pkl", resave);
      archive.prefix = zip.name().substr(0, slash + 1);
      archive.pickle = zip.read(archive.buffer, memory_limit(bytes.size()));
    } else if (inner == "byteorder") {
      const auto content = zip.read(buffer, 64);
      byte_order = std::string(reinterpret_cast<const char*>(content.data()), content.size());
    } else if (inner == "constants.pkl") {
      script = true;
    }
  }
  if (script)
    throw Error(ErrorCode::unsupported, where + ": is a TorchScript program, not a state dict",
                resave);
  if (archive.prefix.empty())
    throw Error(ErrorCode::bad_format, where + ": is a zip archive without data.pkl", resave);
  if (byte_order && *byte_order != "little")
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: byte order '{}' is not read", where, printable(*byte_order)),
                resave);
  return archive;
}

// Bytes of a storage as its first tensor states them.
std::uint64_t stated_bytes(const PickledTensor& tensor, const std::string& where) {
  std::uint64_t count = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(tensor.storage_elements),
                             size_of(tensor.dtype), &count))
    throw Error(ErrorCode::bad_format, fmt::format("{}: tensor '{}' has an impossible storage",
                                                   where, printable(tensor.name)));
  return count;
}

std::map<std::string, Storage> read_storages(const MappedFile& map, const Archive& archive,
                                             const std::vector<PickledTensor>& tensors,
                                             const std::string& where) {
  std::map<std::string, Storage> storages;
  for (const PickledTensor& tensor : tensors) storages.emplace(tensor.storage, Storage{});
  std::uint64_t budget = memory_limit(map.bytes.size());
  std::map<std::string, bool> found;
  const std::string folder = archive.prefix + "data/";
  for (ZipReader zip(map.bytes, where); zip.next();) {
    if (zip.name().rfind(folder, 0) != 0) continue;
    const auto wanted = storages.find(zip.name().substr(folder.size()));
    if (wanted == storages.end()) continue;
    if (!found.emplace(wanted->first, true).second)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: '{}' is there twice", where, printable(zip.name())));
    std::vector<std::byte> buffer;
    Storage& storage = wanted->second;
    storage.bytes = zip.read(buffer, budget);
    storage.home = map;
    if (buffer.empty()) continue;
    budget -= buffer.size();
    auto tensor =
        std::make_shared<Tensor>(DType::u8, Shape{static_cast<std::int64_t>(buffer.size())});
    std::memcpy(tensor->data(), buffer.data(), buffer.size());
    storage.bytes = {static_cast<const std::byte*>(tensor->data()), buffer.size()};
    storage.home = {tensor, storage.bytes};
  }
  for (const PickledTensor& tensor : tensors) {
    const std::string what = fmt::format("{}: tensor '{}': its storage data/{}", where,
                                         printable(tensor.name), printable(tensor.storage));
    if (found.count(tensor.storage) == 0)
      throw Error(ErrorCode::bad_format, what + " is missing in the archive", "get the file again");
    if (const std::uint64_t stated = stated_bytes(tensor, where);
        stated != storages.at(tensor.storage).bytes.size())
      throw Error(ErrorCode::bad_format,
                  fmt::format("{} has {} bytes instead of {}", what,
                              storages.at(tensor.storage).bytes.size(), stated),
                  "get the file again");
  }
  return storages;
}

bool is_contiguous(const PickledTensor& tensor) {
  if (element_count(tensor.shape) == 0) return true;
  std::int64_t expected = 1;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

// Copies a strided view, row after row of its last dimension.
void gather(const PickledTensor& view, const std::byte* storage, Tensor& out) {
  const std::size_t width = size_of(view.dtype);
  const std::size_t rank = view.shape.size();
  std::vector<std::int64_t> index(rank, 0);
  auto* to = static_cast<std::byte*>(out.data());
  std::int64_t from = view.offset;
  for (std::int64_t done = 0; done < out.size();) {
    for (std::int64_t i = 0; i < view.shape[rank - 1]; ++i, ++done, to += width)
      std::memcpy(to, storage + static_cast<std::size_t>(from + i * view.strides[rank - 1]) * width,
                  width);
    for (std::size_t d = rank - 1; d-- > 0;) {
      from += view.strides[d];
      if (++index[d] < view.shape[d]) break;
      from -= view.strides[d] * view.shape[d];
      index[d] = 0;
    }
  }
}

Tensor materialise(const PickledTensor& view, Storage& storage, std::uint64_t& budget,
                   const std::string& where) {
  const std::size_t width = size_of(view.dtype);
  const auto count = static_cast<std::uint64_t>(element_count(view.shape));
  const bool plain = is_contiguous(view);
  if (plain && count > 0 && !storage.taken &&
      count == static_cast<std::uint64_t>(view.storage_elements) &&
      can_share(storage.home, storage.bytes, width)) {
    storage.taken = true;
    return tensor_from_map(storage.home, storage.bytes, view.dtype, view.shape);
  }
  if (count > budget / width)
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: tensor '{}' {} takes more memory than is plausible for the file",
                            where, printable(view.name), to_string(view.shape)),
                resave);
  budget -= count * width;
  Tensor tensor(view.dtype, view.shape);
  if (count == 0) return tensor;
  if (plain)
    std::memcpy(tensor.data(), storage.bytes.data() + static_cast<std::size_t>(view.offset) * width,
                tensor.bytes());
  else
    gather(view, storage.bytes.data(), tensor);
  return tensor;
}

ParameterStore read_mapped(const MappedFile& map, const std::string& where) {
  check_kind(map.bytes, where);
  const Archive archive = read_description(map.bytes, where);
  const auto tensors = read_torch_pickle(archive.pickle, where + ": data.pkl");
  std::map<std::string, Storage> storages = read_storages(map, archive, tensors, where);
  std::uint64_t budget = memory_limit(map.bytes.size());
  ParameterStore store;
  for (const PickledTensor& tensor : tensors)
    store.set(tensor.name, materialise(tensor, storages.at(tensor.storage), budget, where));
  return store;
}

}  // namespace

ParameterStore read_torch_bin(const std::filesystem::path& file) {
  return read_mapped(map_file(file), file.string());
}

ParameterStore read_torch_bin(std::span<const std::byte> bytes, const std::string& where) {
  return read_mapped({nullptr, bytes}, where);
}

}  // namespace hone
