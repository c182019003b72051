// images:FOLDER, a folder of pictures for each class, as torchvision's ImageFolder has them; or
// train/ and test/ (or val/) with such folders in them. Classes are numbered by the order of their
// names, samples by class and path.
#include <algorithm>
#include <mutex>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/threads.hpp"
#include "hone/data/picture_source.hpp"
#include "hone/data/source.hpp"

namespace hone {
namespace {
namespace images_data {

namespace fs = std::filesystem;

const std::vector<std::string> test_folders{"test", "val", "valid", "validation"};

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// train/ with a folder for each class; a class may be called train as well.
bool has_splits(const fs::path& path) {
  if (!is_folder(path / "train")) return false;
  const std::vector<fs::path> inside = list_entries(path / "train");
  return std::any_of(inside.begin(), inside.end(), is_folder);
}

fs::path root_of(const std::string& location, const std::string& split) {
  const fs::path path = location;
  if (!is_folder(path))
    throw Error(ErrorCode::not_found, location + ": is no folder",
                "give a folder with a folder of pictures for each class");
  if (!has_splits(path)) {
    if (split == "train") return path;
    throw Error(ErrorCode::invalid_argument, location + ": has no test split",
                "put train/ and test/ into it, or leave the split out for the whole folder");
  }
  if (split == "train") return path / "train";
  for (const std::string& name : test_folders)
    if (is_folder(path / name)) return path / name;
  throw Error(
      ErrorCode::not_found,
      fmt::format("{}: has train/, but none of {}/", location, fmt::join(test_folders, "/, ")),
      "name the folder of the test pictures test");
}

struct Files {
  std::vector<std::string> classes;
  std::vector<std::pair<fs::path, std::int32_t>> pictures;
};

Files list_files(const std::string& location, const std::string& split) {
  require_location(location, "images");
  check_split_name(split);
  const fs::path root = root_of(location, split);
  Files files;
  for (const fs::path& path : list_entries(root)) {
    if (!is_folder(path)) continue;
    const auto label = static_cast<std::int32_t>(files.classes.size());
    files.classes.push_back(path.filename().string());
    const std::vector<fs::path> pictures = list_pictures(path);
    for (const fs::path& picture : pictures) files.pictures.emplace_back(picture, label);
    if (pictures.empty())
      throw Error(ErrorCode::bad_format, path.string() + ": a class without pictures",
                  "pictures end in .jpg, .jpeg or .png; take the folder away if it is no class");
  }
  if (files.classes.size() < 2)
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: has {}, expected at least two classes", root.string(),
                            files.classes.empty() ? "no folder" : "one folder"),
                "put the pictures of each class into a folder of its name");
  return files;
}

TokenizedData load_pictures(const std::string& location, const std::string& split, const Options&,
                            const ImageInput& input, const Progress& progress) {
  const Files files = list_files(location, split);
  const auto count = std::ssize(files.pictures);
  TokenizedData data = make_pictures(count, files.classes, input, location);
  std::int64_t done = 0;
  std::mutex mutex;
  parallel_items(count, [&](std::int64_t i, int) {
    const auto& [path, label] = files.pictures[static_cast<std::size_t>(i)];
    set_picture(data, i, label, read_picture(path));
    const std::lock_guard lock(mutex);
    ++done;
    if (progress && (done % 64 == 0 || done == count)) progress(done, count);
  });
  return data;
}

std::string fingerprint(const std::string& location, const std::string& split, const Options&) {
  std::string all = split;
  for (const auto& [path, label] : list_files(location, split).pictures)
    all += fmt::format("\n{} {}", path.string(), file_stamp(path));
  return sha256(all);
}

}  // namespace images_data
}  // namespace

DatasetKind dataset_images() {
  using namespace images_data;
  DatasetKind kind{
      {"images",
       "pictures (JPEG, PNG), a folder for each class: images:FOLDER, with train/ and test/ (or "
       "val/) or without"},
      nullptr,
      fingerprint};
  kind.load_pictures = load_pictures;
  kind.is_single = [](const std::string& location) { return !has_splits(location); };
  return kind;
}

}  // namespace hone
