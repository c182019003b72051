#include "hone/frontends/zip_reader.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/libarchive.hpp"
#include "hone/core/text.hpp"

namespace hone {

using namespace libarchive;

void ZipReader::Free::operator()(archive* handle) const { archive_read_free(handle); }

ZipReader::ZipReader(std::span<const std::byte> bytes, std::string where)
    : bytes_(bytes), where_(std::move(where)), archive_(archive_read_new()) {
  if (!archive_) throw Error(ErrorCode::internal, "libarchive could not be set up");
  // The seekable reader takes the list of files from the directory at the archive's end.
  archive_read_support_format_zip_seekable(archive_.get());
  if (archive_read_open_memory(archive_.get(), bytes_.data(), bytes_.size()) != ARCHIVE_OK)
    fail("is not a complete zip archive");
}

void ZipReader::fail(const std::string& what) const {
  const char* reason = archive_error_string(archive_.get());
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: {}{}", where_, what,
                          reason == nullptr ? "" : fmt::format(" ({})", printable(reason))),
              "the file is truncated or damaged: copy or download it again");
}

bool ZipReader::next() {
  while (true) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(archive_.get(), &entry);
    if (status == ARCHIVE_EOF) return false;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) fail("is not a complete zip archive");
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr) name = archive_entry_pathname_utf8(entry);
    if (name == nullptr || archive_entry_filetype(entry) != AE_IFREG) continue;
    name_ = name;
    size_ = archive_entry_size_is_set(entry) != 0
                ? static_cast<std::uint64_t>(archive_entry_size(entry))
                : 0;
    if (archive_entry_is_encrypted(entry) != 0)
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: '{}' is encrypted", where_, printable(name_)));
    return true;
  }
}

std::span<const std::byte> ZipReader::read(std::vector<std::byte>& buffer, std::uint64_t limit) {
  buffer.clear();
  std::span<const std::byte> whole;  // while one block, inside the archive, is all there was
  while (true) {
    const void* data = nullptr;
    std::size_t count = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(archive_.get(), &data, &count, &offset);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK) fail(fmt::format("'{}' is damaged", printable(name_)));
    if (count == 0) continue;
    const auto* block = static_cast<const std::byte*>(data);
    const bool inside = block >= bytes_.data() && block + count <= bytes_.data() + bytes_.size();
    if (whole.empty() && buffer.empty() && inside) {
      whole = {block, count};
      continue;
    }
    buffer.insert(buffer.end(), whole.begin(), whole.end());
    whole = {};
    if (buffer.size() + count > limit)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: '{}' unpacks to more than the {} bytes that are plausible",
                              where_, printable(name_), limit),
                  "the archive is hostile, or compressed far beyond what weights allow");
    buffer.insert(buffer.end(), block, block + count);
  }
  return whole.empty() ? std::span<const std::byte>(buffer) : whole;
}

}  // namespace hone
