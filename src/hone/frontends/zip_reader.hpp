// The files inside a zip archive that lies in memory, one after the other (libarchive underneath).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct archive;
struct archive_entry;

namespace hone {

class ZipReader {
public:
  // `bytes` must outlive the reader. Throws Error(bad_format) when there is no central directory.
  ZipReader(std::span<const std::byte> bytes, std::string where);

  // Goes to the next regular file; false at the end.
  bool next();
  const std::string& name() const { return name_; }
  std::uint64_t size() const { return size_; }
  // The content of the current file, whose checksum has been verified: a part of `bytes` when it is
  // stored as it is, else unpacked into `buffer`. Unpacking more than `limit` bytes is an error.
  std::span<const std::byte> read(std::vector<std::byte>& buffer, std::uint64_t limit);

private:
  struct Free {
    void operator()(archive* handle) const;
  };
  [[noreturn]] void fail(const std::string& what) const;

  std::span<const std::byte> bytes_;
  std::string where_;
  std::unique_ptr<archive, Free> archive_;
  std::string name_;
  std::uint64_t size_ = 0;
};

}  // namespace hone
