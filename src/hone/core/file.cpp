#include "hone/core/file.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

[[noreturn]] void fail_io(const std::filesystem::path& path, std::string_view what) {
  const int reason = errno;
  const ErrorCode code = reason == ENOENT ? ErrorCode::not_found : ErrorCode::io;
  const char* hint = reason == ENOSPC   ? "free some space or choose another place"
                     : reason == EACCES ? "check the permissions"
                     : reason == ENOENT ? "check the path"
                                        : "";
  throw Error(code, fmt::format("{}: {}: {}", path.string(), what, std::strerror(reason)), hint);
}

class Descriptor {
public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

private:
  int value_;
};

// Opens anything but a folder; `size` is nothing for what has none (pipes, devices).
Descriptor open_to_read(const std::filesystem::path& path, std::optional<std::size_t>& size) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail_io(path, "cannot open");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail_io(path, "cannot stat");
  if (S_ISDIR(status.st_mode))
    throw Error(ErrorCode::invalid_argument, path.string() + ": is a directory, expected a file");
  if (S_ISREG(status.st_mode)) size = static_cast<std::size_t>(status.st_size);
  return Descriptor(file.release());
}

void write_all(int file, std::span<const std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_io(path, "cannot write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void sync_directory(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
  Descriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

// Until the end: special files report no size.
std::string read_to_end(int file, std::size_t expected, const std::filesystem::path& path) {
  std::string content;
  content.reserve(expected);
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(file, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_io(path, "cannot read");
    if (count == 0) return content;
    content.append(buffer, static_cast<std::size_t>(count));
  }
}

// Devices and pipes: renaming a file over them would take them away.
void write_in_place(const std::filesystem::path& path,
                    const std::function<void(const ByteSink&)>& produce) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) fail_io(path, "cannot open for writing");
  produce([&](std::span<const std::byte> bytes) { write_all(file.get(), bytes, path); });
  if (::close(file.release()) != 0) fail_io(path, "cannot close");
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  std::optional<std::size_t> size;
  const Descriptor file = open_to_read(path, size);
  return read_to_end(file.get(), size.value_or(0), path);
}

MappedFile map_file(const std::filesystem::path& path) {
  std::optional<std::size_t> found;
  const Descriptor file = open_to_read(path, found);
  if (!found) {
    // What comes through a pipe cannot be mapped.
    auto content = std::make_shared<std::string>(read_to_end(file.get(), 0, path));
    const auto bytes = std::as_bytes(std::span(content->data(), content->size()));
    return {std::move(content), bytes};
  }
  const std::size_t size = *found;
  if (size == 0) return {};
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.get(), 0);
  if (memory == MAP_FAILED) fail_io(path, "cannot map");
  std::shared_ptr<const void> owner(
      memory, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  return {std::move(owner), {static_cast<const std::byte*>(memory), size}};
}

void write_file_atomically(const std::filesystem::path& given,
                           const std::function<void(const ByteSink&)>& produce) {
  std::error_code failed;
  const auto status = std::filesystem::status(given, failed);
  if (!failed && std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    write_in_place(given, produce);
    return;
  }
  // A link stays one: what it points to is replaced.
  std::filesystem::path path = given;
  if (std::filesystem::is_symlink(given, failed)) {
    path = std::filesystem::canonical(given, failed);
    if (failed) path = given;
  }
  const std::filesystem::path partial = path.string() + ".partial";
  Descriptor file(::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0) fail_io(path, "cannot create");
  try {
    produce([&](std::span<const std::byte> bytes) { write_all(file.get(), bytes, path); });
    if (::fsync(file.get()) != 0) fail_io(path, "cannot flush");
    if (::close(file.release()) != 0) fail_io(path, "cannot close");
    if (::rename(partial.c_str(), path.c_str()) != 0) fail_io(path, "cannot rename into place");
  } catch (...) {
    ::unlink(partial.c_str());
    throw;
  }
  sync_directory(path);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  write_file_atomically(path, [&](const ByteSink& sink) {
    sink(std::as_bytes(std::span(content.data(), content.size())));
  });
}

FolderLock::FolderLock(const std::filesystem::path& folder)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0) fail_io(folder, "cannot open");
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  throw Error(ErrorCode::io, folder.string() + ": another hone is writing into it",
              "wait until it ends, stop it, or choose another folder");
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string sha256(std::span<const std::byte> bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr) != 1)
    throw Error(ErrorCode::internal, "SHA-256 is not available");
  std::string text;
  for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256(std::string_view text) {
  return sha256(std::as_bytes(std::span(text.data(), text.size())));
}

std::filesystem::path cache_directory() {
  std::filesystem::path path;
  if (const char* own = std::getenv("HONE_CACHE"); own != nullptr && *own != '\0')
    path = own;
  else if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && *xdg != '\0')
    path = std::filesystem::path(xdg) / "hone";
  else if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    path = std::filesystem::path(home) / ".cache" / "hone";
  else
    path = std::filesystem::temp_directory_path() / "hone-cache";
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    throw Error(ErrorCode::io, fmt::format("{}: cannot create: {}", path.string(), error.message()),
                "set HONE_CACHE to a writable folder");
  return path;
}

}  // namespace hone
