#include "hone/data/picture_source.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/letters.hpp"
#include "hone/core/round_up.hpp"
#include "hone/data/unpack.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

bool has_picture_name(const fs::path& path) {
  const std::string end = lower_case(path.extension().string());
  return end == ".jpg" || end == ".jpeg" || end == ".png";
}

// `seen`: the folders that were looked into, by their paths without links, which may lead back.
void add_pictures(const fs::path& folder, std::set<fs::path>& seen,
                  std::vector<fs::path>& pictures) {
  std::error_code error;
  if (!seen.insert(fs::canonical(folder, error)).second) return;
  for (const fs::path& path : list_entries(folder)) {
    if (fs::is_directory(path, error))
      add_pictures(path, seen, pictures);
    else if (has_picture_name(path) && fs::is_regular_file(path, error))
      pictures.push_back(path);
  }
}

}  // namespace

std::vector<fs::path> list_entries(const fs::path& folder) {
  std::vector<fs::path> list;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder))
      if (!entry.path().filename().string().starts_with('.')) list.push_back(entry.path());
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::io,
                fmt::format("{}: cannot list: {}", folder.string(), error.code().message()),
                "check the permissions");
  }
  std::sort(list.begin(), list.end());
  return list;
}

std::vector<fs::path> list_pictures(const fs::path& folder) {
  std::vector<fs::path> pictures;
  std::set<fs::path> seen;
  add_pictures(folder, seen, pictures);
  return pictures;
}

TokenizedData make_pictures(std::int64_t count, std::vector<std::string> label_names,
                            const ImageInput& input, const std::string& where) {
  if (count < 1)
    throw Error(ErrorCode::bad_format, where + ": holds no pictures", "check the path");
  const double bytes = static_cast<double>(count) * static_cast<double>(input.size());
  const double memory =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  if (bytes > 0.8 * memory)
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: {} pictures take {:.1f} GB of memory, this machine has {:.1f} GB",
                            where, count, bytes / 1e9, memory / 1e9),
                "use fewer pictures, or a model that takes smaller ones (image_size)");
  TokenizedData data;
  data.image = input;
  data.label_names = std::move(label_names);
  data.labels.resize(static_cast<std::size_t>(count));
  data.pixels.resize(static_cast<std::size_t>(count * input.size()));
  return data;
}

void set_picture(TokenizedData& data, std::int64_t i, std::int32_t label, const Picture& picture) {
  data.labels[static_cast<std::size_t>(i)] = label;
  fit_picture(picture, data.image, data.pixels.data() + i * data.image.size());
}

std::string read_unpacked(const std::filesystem::path& path) {
  std::string bytes = read_file(path);
  return compression_of(bytes).empty() ? bytes : unpack(bytes, path);
}

void for_each_member(std::string_view archive, const std::filesystem::path& path,
                     const std::function<void(const std::string&, std::string_view)>& take) {
  constexpr std::size_t block = 512, size_at = 124, size_digits = 11, type_at = 156;
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::bad_format, fmt::format("{}: {}", path.string(), what),
                "fetch the archive again");
  };
  for (std::size_t at = 0; at + block <= archive.size();) {
    const std::string_view header = archive.substr(at, block);
    if (header.front() == '\0') return;  // the end
    if (header.substr(257, 5) != "ustar") fail("is no tar archive");
    const std::string name(header.substr(0, std::min<std::size_t>(100, header.find('\0'))));
    std::size_t size = 0;
    for (const char digit : header.substr(size_at, size_digits)) {
      if (digit < '0' || digit > '7') fail(fmt::format("entry at byte {} has no size", at));
      size = size * 8 + static_cast<std::size_t>(digit - '0');
    }
    at += block;
    if (size > archive.size() - at) fail(fmt::format("'{}' is cut short", name));
    const char type = header[type_at];
    if (type == '0' || type == '\0') take(name, archive.substr(at, size));
    at += round_up(size, block);
  }
  fail("ends without the mark of an end");
}

}  // namespace hone
