// Files: whole reads, mapped reads, and writes that are either complete or not there.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace hone {

// The whole file; throws Error(not_found | io) naming it.
std::string read_file(const std::filesystem::path& path);

// A private memory map that lives as long as its last owner; of a pipe, what came through it. Its
// pages may be written to (a tensor over a mapped checkpoint is trained in place): what is written
// stays in memory, never in the file.
struct MappedFile {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
};
MappedFile map_file(const std::filesystem::path& path);

// Writes aside (path + ".partial"), flushes to disk, renames. On any failure (disk full included)
// the partial file is removed, the old file stays, and Error(io) names the path and the reason. A
// symbolic link stays one; devices and pipes are written to as they are.
// `produce` is called with a sink; it may call the sink many times.
using ByteSink = std::function<void(std::span<const std::byte>)>;
void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(const ByteSink&)>& produce);
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

// Held by the one process that writes into a folder; the operating system lets go of it when the
// process ends, however it ends.
class FolderLock {
public:
  // Throws Error(io) when another process holds it. A file system without locks is let pass.
  explicit FolderLock(const std::filesystem::path& folder);
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  FolderLock(const FolderLock&) = delete;
  ~FolderLock();

private:
  int descriptor_;
};

// Lower-case hexadecimal SHA-256.
std::string sha256(std::span<const std::byte> bytes);
std::string sha256(std::string_view text);

// $XDG_CACHE_HOME/hone or ~/.cache/hone; HONE_CACHE overrides. Created on first use.
std::filesystem::path cache_directory();

}  // namespace hone
