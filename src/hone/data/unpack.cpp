#include "hone/data/unpack.hpp"

#include <array>
#include <limits>
#include <memory>

#include <fmt/format.h>
#include <zlib.h>

#include "hone/core/error.hpp"
#include "hone/core/libarchive.hpp"

namespace hone {
namespace {

using namespace libarchive;
using namespace std::string_view_literals;

// A small file can be made to unpack to more than any machine has.
constexpr std::size_t largest = std::size_t{16} << 30;

struct Magic {
  std::string_view bytes;
  std::string_view name;
};

constexpr std::array compressions{
    Magic{"\x1F\x8B"sv, "gzip"},
    Magic{"\x28\xB5\x2F\xFD"sv, "zstd"},
    Magic{"\xFD"
          "7zXZ\0"sv,
          "xz"},
    Magic{"\x04\x22\x4D\x18"sv, "lz4"},
};

constexpr std::array foreign{
    Magic{"PAR1"sv, "a parquet file"},
    Magic{"ARROW1"sv, "an Arrow file"},
    Magic{"FEA1"sv, "a Feather file"},
    Magic{"Obj\x01"sv, "an Avro file"},
    Magic{"ORC\x0A"sv, "an ORC file"},
    Magic{"\x89HDF\r\n\x1A\n"sv, "an HDF5 file"},
    Magic{"\x93NUMPY"sv, "a NumPy array"},
    Magic{"SQLite format 3\0"sv, "an SQLite database"},
    Magic{"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv, "an old Office document (xls, doc)"},
    Magic{"7z\xBC\xAF\x27\x1C"sv, "a 7z archive"},
    Magic{"Rar!\x1A\x07"sv, "a rar archive"},
    Magic{"%PDF-"sv, "a PDF"},
    Magic{"\x80\x02"sv, "a pickle"},
    Magic{"\x80\x03"sv, "a pickle"},
    Magic{"\x80\x04"sv, "a pickle"},
    Magic{"\x80\x05"sv, "a pickle"},
    Magic{"\x89PNG\r\n\x1A\n"sv, "a PNG image"},
    Magic{"\xFF\xD8\xFF"sv, "a JPEG image"},
    Magic{"\x7F"
          "ELF"sv,
          "a program"},
};

[[noreturn]] void fail_packed(const std::filesystem::path& path, std::string_view what) {
  throw Error(ErrorCode::bad_format, fmt::format("{}: {}", path.string(), what),
              "it is damaged or was not copied to its end: fetch or compress it again");
}

void check_size(std::size_t size, const std::filesystem::path& path) {
  if (size > largest)
    throw Error(ErrorCode::unsupported, path.string() + ": unpacks to more than 16 GB",
                "unpack it and split it");
}

// By zlib: libarchive does not compare the checksums of gzip.
std::string unpack_gzip(std::string_view bytes, const std::filesystem::path& path) {
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
    throw Error(ErrorCode::internal, "zlib cannot be started");
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> closer(&stream, &inflateEnd);
  std::string text;
  text.resize(std::max<std::size_t>(bytes.size() * 4, 1u << 16));
  std::size_t used = 0;
  while (true) {
    constexpr std::size_t most = std::numeric_limits<uInt>::max();
    const std::size_t given = std::min(bytes.size(), most);
    const std::size_t room = std::min(text.size() - used, most);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(given);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + used);
    stream.avail_out = static_cast<uInt>(room);
    const int state = inflate(&stream, Z_NO_FLUSH);
    bytes.remove_prefix(given - stream.avail_in);
    used += room - stream.avail_out;
    check_size(used, path);
    if (state == Z_STREAM_END) {
      // Several may stand one after the other; zeros fill up blocks of tapes.
      if (bytes.find_first_not_of('\0') == std::string_view::npos) break;
      if (compression_of(bytes) != "gzip")
        fail_packed(path, "the gzip data is followed by something else");
      inflateReset(&stream);
    } else if (state != Z_OK && state != Z_BUF_ERROR) {
      fail_packed(path, fmt::format("the gzip data is damaged: {}",
                                    stream.msg != nullptr ? stream.msg : "it cannot be unpacked"));
    } else if (bytes.empty() && stream.avail_out > 0) {
      fail_packed(path, "the gzip data is cut short");
    }
    if (used == text.size()) text.resize(text.size() * 2);
  }
  text.resize(used);
  return text;
}

[[noreturn]] void fail_archive(archive* handle, const std::filesystem::path& path,
                               std::string_view kind) {
  const char* reason = archive_error_string(handle);
  fail_packed(path, fmt::format("the {} data is damaged or cut short{}{}", kind,
                                reason != nullptr ? ": " : "", reason != nullptr ? reason : ""));
}

std::string unpack_by_archive(std::string_view bytes, const std::filesystem::path& path,
                              std::string_view kind) {
  const Archive handle(archive_read_new());
  archive_read_support_filter_bzip2(handle.get());
  archive_read_support_filter_lz4(handle.get());
  archive_read_support_filter_xz(handle.get());
  archive_read_support_filter_zstd(handle.get());
  archive_read_support_format_empty(handle.get());
  archive_read_support_format_raw(handle.get());
  archive_entry* entry = nullptr;
  const void* memory = bytes.data();
  if (archive_read_open_memory(handle.get(), memory, bytes.size()) != ARCHIVE_OK)
    fail_archive(handle.get(), path, kind);
  const int found = archive_read_next_header(handle.get(), &entry);
  if (found == ARCHIVE_EOF) return "";  // nothing is inside
  if (found != ARCHIVE_OK) fail_archive(handle.get(), path, kind);
  std::string text;
  std::size_t used = 0;
  while (true) {
    text.resize(std::max<std::size_t>(text.size() * 2, 1u << 20));
    while (used < text.size()) {
      const la_ssize_t count =
          archive_read_data(handle.get(), text.data() + used, text.size() - used);
      if (count < 0) fail_archive(handle.get(), path, kind);
      used += static_cast<std::size_t>(count);
      check_size(used, path);
      if (count > 0) continue;
      if (archive_read_close(handle.get()) != ARCHIVE_OK) fail_archive(handle.get(), path, kind);
      text.resize(used);
      return text;
    }
  }
}

std::string_view find_magic(std::span<const Magic> known, std::string_view bytes) {
  for (const Magic& magic : known)
    if (bytes.starts_with(magic.bytes)) return magic.name;
  return "";
}

}  // namespace

std::string_view compression_of(std::string_view bytes) {
  // "BZh", the size of its blocks, and the first block or, of nothing, the end.
  if (bytes.size() >= 10 && bytes.starts_with("BZh") && bytes[3] >= '1' && bytes[3] <= '9' &&
      (bytes.substr(4, 6) == "1AY&SY" || bytes.substr(4, 6) == "\x17\x72\x45\x38\x50\x90"))
    return "bzip2";
  return find_magic(compressions, bytes);
}

std::string unpack(std::string_view bytes, const std::filesystem::path& path) {
  const std::string_view kind = compression_of(bytes);
  return kind == "gzip" ? unpack_gzip(bytes, path) : unpack_by_archive(bytes, path, kind);
}

std::string_view foreign_format(std::string_view bytes) {
  if (bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06")) {
    // What is inside is named in the first entries.
    const std::string_view names = bytes.substr(0, 1 << 14);
    if (names.find("xl/") != std::string_view::npos) return "an Excel workbook (xlsx)";
    if (names.find("word/") != std::string_view::npos) return "a Word document (docx)";
    if (names.find("spreadsheet") != std::string_view::npos) return "a spreadsheet (ods)";
    return "a zip archive";
  }
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar") return "a tar archive";
  return find_magic(foreign, bytes);
}

}  // namespace hone
