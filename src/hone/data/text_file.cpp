#include "hone/data/text_file.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/data/unicode.hpp"
#include "hone/data/unpack.hpp"

namespace hone {
namespace {

constexpr std::string_view utf8_mark = "\xEF\xBB\xBF";
constexpr std::string_view little_mark = "\xFF\xFE";
constexpr std::string_view big_mark = "\xFE\xFF";

// What Windows-1252 has in the place of the control characters 0x80 to 0x9F of Latin-1 (Unicode's
// CP1252.TXT); the five it leaves undefined stay control characters.
constexpr std::array<std::uint16_t, 32> windows_1252{
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

void append_utf8(std::string& out, std::uint32_t c) {
  char bytes[4];
  out.append(bytes, static_cast<std::size_t>(unicode::encode(c, bytes)));
}

// "line 3, column 7" of a byte, both counted from 1, the column in bytes.
std::string place_of(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  return fmt::format("line {}, column {}", line, at - (before.rfind('\n') + 1) + 1);
}

// Where the next character beyond ASCII begins, or npos.
std::size_t find_beyond_ascii(std::string_view text) {
  const auto found = std::find_if(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
  return found == text.end() ? std::string_view::npos
                             : static_cast<std::size_t>(found - text.begin());
}

// The first character beyond ASCII that is whole in UTF-8, or npos.
std::size_t find_utf8_beyond_ascii(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t next = find_beyond_ascii(text.substr(at));
    if (next == std::string_view::npos) return next;
    at += next;
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (find_invalid_utf8(text.substr(at, length)) == std::string_view::npos) return at;
    ++at;
  }
  return std::string_view::npos;
}

bool has_zero_byte(std::string_view bytes) {
  return bytes.substr(0, 1 << 12).find('\0') != std::string_view::npos;
}

// Of a text that is mostly ASCII every other byte is zero.
bool looks_like_utf16(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 1 << 12);
  std::array<std::size_t, 2> zeros{};
  for (std::size_t i = 0; i < head.size(); ++i)
    if (head[i] == '\0') ++zeros[i % 2];
  const auto [less, more] = std::minmax(zeros[0], zeros[1]);
  return bytes.size() >= 4 && more > head.size() / 4 && less < more / 8 + 1;
}

// Names what no text begins with.
void refuse_foreign(std::string_view bytes, const std::filesystem::path& path) {
  const std::string_view what = foreign_format(bytes);
  if (what.empty()) return;
  throw Error(ErrorCode::unsupported, fmt::format("{}: is {}, expected text", path.string(), what),
              what.find("archive") != std::string_view::npos
                  ? "unpack it and name the file inside"
                  : "write its rows as csv, tsv or jsonl");
}

[[noreturn]] void fail_utf8(std::string_view bytes, std::size_t bad,
                            const std::filesystem::path& path) {
  const auto byte = static_cast<unsigned char>(bytes[bad]);
  if (has_zero_byte(bytes))
    throw Error(ErrorCode::bad_format, path.string() + ": is binary, expected text",
                "write its rows as csv, tsv or jsonl");
  std::size_t other = find_utf8_beyond_ascii(bytes.substr(0, bad));
  if (other == std::string_view::npos) {
    other = find_utf8_beyond_ascii(bytes.substr(bad));
    if (other != std::string_view::npos) other += bad;
  }
  if (other != std::string_view::npos)
    throw Error(
        ErrorCode::bad_format,
        fmt::format("{}: {}: the byte 0x{:02X} is not UTF-8, but {} holds UTF-8: the file "
                    "mixes encodings",
                    path.string(), place_of(bytes, bad), byte, place_of(bytes, other)),
        "convert the lines that are not UTF-8; data.encoding=latin-1 would garble those that "
        "are");
  throw Error(
      ErrorCode::bad_format,
      fmt::format("{}: {}: the byte 0x{:02X} is not UTF-8", path.string(), place_of(bytes, bad),
                  byte),
      "if the file is Latin-1 or Windows-1252, read it with the option data.encoding=latin-1; "
      "else convert it to UTF-8, for example with iconv");
}

// UTF-16 without its mark.
std::string from_utf16(std::string_view bytes, bool big, const std::filesystem::path& path) {
  if (bytes.size() % 2 != 0)
    throw Error(
        ErrorCode::bad_format,
        fmt::format("{}: UTF-16 with an odd number of bytes: it is cut short", path.string()),
        "copy the file again");
  const auto unit = [&](std::size_t i) {
    const auto first = static_cast<unsigned char>(bytes[2 * i]);
    const auto second = static_cast<unsigned char>(bytes[2 * i + 1]);
    return static_cast<std::uint32_t>(big ? first << 8 | second : second << 8 | first);
  };
  std::string text;
  text.reserve(bytes.size() / 2 + bytes.size() / 8);
  const std::size_t units = bytes.size() / 2;
  for (std::size_t i = 0; i < units; ++i) {
    std::uint32_t c = unit(i);
    if (c >= 0xD800 && c < 0xE000) {
      const std::uint32_t low = c < 0xDC00 && i + 1 < units ? unit(i + 1) : 0;
      if (low < 0xDC00 || low >= 0xE000)
        throw Error(ErrorCode::bad_format,
                    fmt::format("{}: {}: half of a UTF-16 character (0x{:04X})", path.string(),
                                place_of(text, text.size()), c),
                    "the file is damaged or cut short: convert it to UTF-8 again");
      c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
      ++i;
    }
    append_utf8(text, c);
  }
  return text;
}

std::string from_windows_1252(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() + bytes.size() / 8);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    append_utf8(text, byte >= 0x80 && byte < 0xA0 ? windows_1252[byte - 0x80u] : byte);
  }
  return text;
}

TextFile hold(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  const std::string_view view = *owner;
  return {std::move(owner), view};
}

[[noreturn]] void contradict(const std::filesystem::path& path, std::string_view found,
                             const std::string& encoding) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: is {}, not {}", path.string(), found, encoding),
              "leave the option data.encoding out");
}

}  // namespace

OptionSpec encoding_option() {
  OptionSpec spec{.name = "encoding",
                  .default_value = "auto",
                  .help =
                      "auto: UTF-8, or as the byte order mark says; or utf-8, utf-16, latin-1 "
                      "(Windows-1252)"};
  spec.choices = {"auto", "utf-8", "utf-16", "latin-1"};
  return spec;
}

TextFile decode_text(TextFile file, const std::filesystem::path& path,
                     const std::string& encoding) {
  const std::string_view bytes = file.text;
  if (bytes.starts_with(std::string_view("\xFF\xFE\0\0", 4)) ||
      bytes.starts_with(std::string_view("\0\0\xFE\xFF", 4)))
    throw Error(ErrorCode::unsupported, path.string() + ": is UTF-32",
                "convert it to UTF-8, for example with iconv");
  const bool little = bytes.starts_with(little_mark);
  if (little || bytes.starts_with(big_mark)) {
    if (encoding != "auto" && encoding != "utf-16") contradict(path, "UTF-16", encoding);
    return hold(from_utf16(bytes.substr(2), !little, path));
  }
  const bool marked = bytes.starts_with(utf8_mark);
  if (marked && encoding != "auto" && encoding != "utf-8") contradict(path, "UTF-8", encoding);
  const std::size_t bad = find_invalid_utf8(bytes);
  if (has_zero_byte(bytes) || bad != std::string_view::npos) refuse_foreign(bytes, path);
  if (encoding == "utf-16") {
    // Without a mark the zeros of ASCII characters tell the order.
    std::array<std::size_t, 2> zeros{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
      if (bytes[i] == '\0') ++zeros[i % 2];
    if (zeros[0] + zeros[1] == 0 && bad == std::string_view::npos && !bytes.empty())
      contradict(path, "UTF-8", encoding);
    return hold(from_utf16(bytes, zeros[0] > zeros[1], path));
  }
  if (encoding == "latin-1") {
    if (bad == std::string_view::npos && find_beyond_ascii(bytes) != std::string_view::npos)
      contradict(path, fmt::format("UTF-8 ({})", place_of(bytes, find_beyond_ascii(bytes))),
                 encoding);
    return hold(from_windows_1252(bytes));
  }
  if (looks_like_utf16(bytes))
    throw Error(ErrorCode::bad_format,
                path.string() + ": looks like UTF-16, but has no byte order mark",
                "read it with the option data.encoding=utf-16");
  if (bad != std::string_view::npos) fail_utf8(bytes, bad, path);
  if (marked) file.text.remove_prefix(utf8_mark.size());
  return file;
}

TextFile read_text_file(const std::filesystem::path& path, const std::string& encoding) {
  MappedFile file = map_file(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size());
  if (compression_of(bytes).empty())
    return decode_text({std::move(file.owner), bytes}, path, encoding);
  return decode_text(hold(unpack(bytes, path)), path, encoding);
}

}  // namespace hone
