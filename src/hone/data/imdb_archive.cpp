#include "hone/data/imdb_archive.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/libarchive.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

using namespace libarchive;

constexpr std::int64_t largest_text = 4 << 20;
constexpr std::size_t largest_split = std::size_t{4} << 30;

[[noreturn]] void fail_archive(const std::filesystem::path& path, archive* handle) {
  const char* reason = archive_error_string(handle);
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: cannot be read as an archive: {}", path.string(),
                          reason != nullptr ? reason : "it is cut short"),
              "fetch it again with: hone data fetch imdb");
}

[[noreturn]] void fail_entry(const std::filesystem::path& path, std::string_view entry,
                             std::string_view what) {
  throw Error(ErrorCode::bad_format, fmt::format("{}: entry '{}' {}", path.string(), entry, what),
              "the archive is not the one its authors published");
}

void check_entry(archive_entry* entry, const std::string& name, const std::filesystem::path& path) {
  if (name.starts_with('/')) fail_entry(path, name, "has an absolute path");
  for (const std::string& part : split(name, '/'))
    if (part == "..") fail_entry(path, name, "has '..' in its path");
  const auto type = archive_entry_filetype(entry);
  if (archive_entry_hardlink(entry) != nullptr || archive_entry_symlink(entry) != nullptr)
    fail_entry(path, name, "is a link");
  if (type != AE_IFREG && type != AE_IFDIR)
    fail_entry(path, name, "is neither a file nor a folder");
}

// The folder ("neg" or "pos") and file name of an entry that belongs to the split, or "".
std::string folder_of(std::string_view name, const std::string& split_name, std::string& file) {
  std::vector<std::string> parts;
  for (std::string& part : split(name, '/'))
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
  if (!parts.empty() && parts.front() == "aclImdb") parts.erase(parts.begin());
  if (parts.size() != 3 || parts[0] != split_name || !parts[2].ends_with(".txt")) return "";
  if (parts[1] != "neg" && parts[1] != "pos") return "";
  file = parts[2];
  return parts[1];
}

std::string read_text(archive* handle, const std::string& name, const std::filesystem::path& path) {
  std::string text;
  char buffer[1 << 14];
  while (true) {
    const la_ssize_t count = archive_read_data(handle, buffer, sizeof buffer);
    if (count < 0) fail_archive(path, handle);
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > static_cast<std::size_t>(largest_text))
      fail_entry(path, name, "is larger than a review can be");
  }
}

void sort_by_name(std::vector<NamedText>& texts, const std::filesystem::path& path) {
  std::sort(texts.begin(), texts.end(),
            [](const NamedText& a, const NamedText& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(texts.begin(), texts.end(),
                         [](const NamedText& a, const NamedText& b) { return a.name == b.name; });
  if (twice != texts.end()) fail_entry(path, twice->name, "is there twice");
}

Archive open_archive(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path))
    throw Error(ErrorCode::not_found, path.string() + ": no such file or directory",
                "fetch it with: hone data fetch imdb");
  Archive handle(archive_read_new());
  archive_read_support_filter_all(handle.get());
  archive_read_support_format_tar(handle.get());
  if (archive_read_open_filename(handle.get(), path.c_str(), 1 << 18) != ARCHIVE_OK)
    fail_archive(path, handle.get());
  return handle;
}

}  // namespace

ReviewFolders read_imdb_archive(const std::filesystem::path& path, const std::string& split_name) {
  const Archive handle = open_archive(path);
  ReviewFolders folders;
  std::size_t total = 0;
  while (true) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(handle.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK) fail_archive(path, handle.get());
    const char* raw_name = archive_entry_pathname(entry);
    if (raw_name == nullptr) fail_entry(path, "?", "has no name");
    const std::string name = raw_name;
    check_entry(entry, name, path);
    std::string file;
    const std::string folder = folder_of(name, split_name, file);
    if (folder.empty() || archive_entry_filetype(entry) != AE_IFREG) continue;
    std::string text = read_text(handle.get(), name, path);
    total += text.size();
    if (total > largest_split) fail_entry(path, name, "makes the split larger than 4 GB");
    (folder == "neg" ? folders.negative : folders.positive)
        .push_back({std::move(file), std::move(text)});
  }
  // A compressed stream that ends early is noticed by its filter; a bare tar by having no files.
  if (archive_read_close(handle.get()) != ARCHIVE_OK) fail_archive(path, handle.get());
  sort_by_name(folders.negative, path);
  sort_by_name(folders.positive, path);
  return folders;
}

}  // namespace hone
