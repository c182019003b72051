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
#include "hone/frontends/torch_legacy.hpp"
#include "hone/frontends/torch_pickle.hpp"
#include "hone/frontends/torch_storage.hpp"
#include "hone/frontends/zip_reader.hpp"

namespace hone {
namespace {

constexpr const char* resave = "load it with PyTorch and save it again as model.safetensors";

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
  // Before 0.4 torch.save wrote a tar archive.
  if (bytes.size() > 262 && starts_with(bytes.subspan(257), "ustar"))
    throw Error(ErrorCode::unsupported,
                where + ": is in the format of torch before version 0.4, which is not read",
                resave);
  throw Error(ErrorCode::bad_format,
              where +
                  ": is not a file of torch.save (neither its zip archive nor "
                  "the older row of pickles)",
              "the file may be truncated, or a Git LFS pointer: download it again");
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
      archive.pickle = zip.read(archive.buffer, plausible_memory(bytes.size()));
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

TorchStorages read_storages(const MappedFile& map, const Archive& archive,
                            const std::vector<PickledTensor>& tensors, const std::string& where) {
  TorchStorages storages;
  for (const PickledTensor& tensor : tensors) storages.emplace(tensor.storage, TorchStorage{});
  std::uint64_t budget = plausible_memory(map.bytes.size());
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
    TorchStorage& storage = wanted->second;
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
  }
  return storages;
}

TensorStore read_torch(const MappedFile& map, const std::string& where) {
  if (is_legacy_torch(map.bytes)) return read_legacy_torch(map, where);
  check_kind(map.bytes, where);
  const Archive archive = read_description(map.bytes, where);
  const auto tensors = read_torch_pickle(archive.pickle, where + ": data.pkl");
  TorchStorages storages = read_storages(map, archive, tensors, where);
  return make_tensors(tensors, storages, map.bytes.size(), where);
}

}  // namespace

TensorStore read_torch_bin(const std::filesystem::path& file) {
  return read_torch(map_file(file), file.string());
}

TensorStore read_torch_bin(std::span<const std::byte> bytes, const std::string& where) {
  return read_torch({nullptr, bytes}, where);
}

}  // namespace hone
