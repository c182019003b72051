// cifar10:PATH, CIFAR-10 (Krizhevsky, 2009) in its binary version: the folder cifar-10-batches-bin,
// or the archive cifar-10-binary.tar.gz. A record is the label and the planes red, green, blue of
// 32 x 32.
#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/threads.hpp"
#include "hone/data/picture_source.hpp"
#include "hone/data/source.hpp"

namespace hone {
namespace {
namespace cifar10_data {

namespace fs = std::filesystem;

constexpr std::int64_t side = 32, places = side * side, record = 1 + 3 * places;
constexpr const char* hint =
    "give the folder cifar-10-batches-bin or the archive cifar-10-binary.tar.gz (the binary "
    "version)";

std::vector<std::string> files_of(const std::string& split) {
  if (split == "test") return {"test_batch.bin"};
  std::vector<std::string> names;
  for (int i = 1; i <= 5; ++i) names.push_back(fmt::format("data_batch_{}.bin", i));
  return names;
}

std::vector<std::string> class_names() {
  return {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
}

fs::path folder_of(const fs::path& path, const std::string& split) {
  const std::string first = files_of(split).front();
  for (const fs::path& folder : {path, path / "cifar-10-batches-bin"})
    if (fs::is_regular_file(folder / first)) return folder;
  throw Error(ErrorCode::not_found, fmt::format("{}: has no {}", path.string(), first), hint);
}

// The records of all files of the split, end to end.
std::string read_records(const fs::path& path, const std::string& split) {
  const std::vector<std::string> names = files_of(split);
  std::map<std::string, std::string> found;
  const auto take = [&](const std::string& name, std::string bytes) {
    if (bytes.empty() || bytes.size() % record != 0)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: {}: has {} bytes, expected records of {}", path.string(), name,
                              bytes.size(), record),
                  hint);
    found[name] = std::move(bytes);
  };
  if (fs::is_directory(path)) {
    const fs::path folder = folder_of(path, split);
    for (const std::string& name : names) take(name, read_unpacked(folder / name));
  } else {
    for_each_member(read_unpacked(path), path,
                    [&](const std::string& name, std::string_view bytes) {
                      const std::string own = fs::path(name).filename().string();
                      if (std::find(names.begin(), names.end(), own) != names.end())
                        take(own, std::string(bytes));
                    });
  }
  std::string all;
  for (const std::string& name : names) {
    if (found[name].empty())
      throw Error(ErrorCode::not_found, fmt::format("{}: has no {}", path.string(), name), hint);
    all += found[name];
  }
  return all;
}

TokenizedData load_pictures(const std::string& location, const std::string& split, const Options&,
                            const ImageInput& input, const Progress&) {
  require_location(location, "cifar10");
  check_split_name(split);
  const std::string all = read_records(location, split);
  const auto count = static_cast<std::int64_t>(all.size()) / record;
  TokenizedData data = make_pictures(count, class_names(), input, location);
  parallel_items(count, [&](std::int64_t i, int) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(all.data()) + i * record;
    if (bytes[0] > 9)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: {}: record {} has the label {}, expected 0 to 9", location,
                              split, i, bytes[0]),
                  hint);
    Picture picture{side, side, 3, std::vector<std::uint8_t>(3 * places)};
    for (std::int64_t p = 0; p < places; ++p)
      for (std::int64_t c = 0; c < 3; ++c)
        picture.pixels[static_cast<std::size_t>(3 * p + c)] = bytes[1 + c * places + p];
    set_picture(data, i, bytes[0], picture);
  });
  return data;
}

std::string fingerprint(const std::string& location, const std::string& split, const Options&) {
  require_location(location, "cifar10");
  if (!fs::is_directory(location)) return sha256(split + file_fingerprint(location));
  const fs::path folder = folder_of(location, split);
  std::string all = split;
  for (const std::string& name : files_of(split)) all += "\n" + file_fingerprint(folder / name);
  return sha256(all);
}

}  // namespace cifar10_data
}  // namespace

DatasetKind dataset_cifar10() {
  using namespace cifar10_data;
  DatasetKind kind{
      {"cifar10", "CIFAR-10, binary version: cifar10:FOLDER or cifar10:ARCHIVE.tar.gz"},
      nullptr,
      fingerprint,
      nullptr,
      class_names()};
  kind.load_pictures = load_pictures;
  return kind;
}

}  // namespace hone
