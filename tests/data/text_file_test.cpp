#include "hone/data/text_file.hpp"

#include <array>
#include <functional>

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "hone/data/unpack.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone {
namespace {

using AddFilter = int (*)(archive*);

// What a compressor writes for `text`.
std::string packed(const std::string& path, const std::string& text, AddFilter filter) {
  archive* out = archive_write_new();
  filter(out);
  archive_write_set_format_raw(out);
  EXPECT_EQ(archive_write_open_filename(out, path.c_str()), ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, "data");
  archive_entry_set_filetype(entry, AE_IFREG);
  EXPECT_EQ(archive_write_header(out, entry), ARCHIVE_OK);
  archive_write_data(out, text.data(), text.size());
  archive_entry_free(entry);
  archive_write_close(out);
  archive_write_free(out);
  return read_file(path);
}

struct Filter {
  const char* name;
  AddFilter add;
};
const std::array filters{
    Filter{"gzip", archive_write_add_filter_gzip}, Filter{"zstd", archive_write_add_filter_zstd},
    Filter{"bzip2", archive_write_add_filter_bzip2}, Filter{"xz", archive_write_add_filter_xz},
    Filter{"lz4", archive_write_add_filter_lz4}};

class TextFiles : public testing::Test {
protected:
  std::string read(std::string_view bytes, const std::string& encoding = "auto") {
    const std::string path = scratch_.write("file", bytes);
    return std::string(read_text_file(path, encoding).text);
  }
  std::string packed_with(AddFilter filter, const std::string& text) {
    return packed((scratch_.path() / "packed").string(), text, filter);
  }
  hone_test::ScratchDirectory scratch_;
};

// Hardly compressible, several megabytes.
std::string noise() {
  std::string text;
  for (std::uint32_t i = 0, x = 1; i < 3'000'000; ++i)
    text += static_cast<char>('a' + (x = x * 1664525 + 1013904223) / 7 % 26);
  return text;
}

TEST_F(TextFiles, CompressionIsFoundByContent) {
  for (const Filter& filter : filters) {
    const std::string text = "text,label\ncaf\xC3\xA9,1\n";
    const std::string bytes = packed_with(filter.add, text);
    EXPECT_EQ(compression_of(bytes), filter.name);
    EXPECT_EQ(read(bytes), text) << filter.name;
    // libarchive's writer of lz4 takes no empty text.
    if (filter.name != std::string_view("lz4"))
      EXPECT_EQ(read(packed_with(filter.add, "")), "") << filter.name;
  }
  EXPECT_EQ(compression_of("BZh is a word"), "");
  EXPECT_EQ(compression_of(""), "");
}

TEST_F(TextFiles, CompressedFilesCutShortOrDamagedAreRefused) {
  const std::string text = noise();
  for (const Filter& filter : filters) {
    const std::string bytes = packed_with(filter.add, text);
    ASSERT_EQ(read(bytes), text) << filter.name;
    for (const double share : {0.00002, 0.001, 0.3, 0.9, 0.99999})
      EXPECT_ERROR(read(bytes.substr(
                       0, static_cast<std::size_t>(share * static_cast<double>(bytes.size())))),
                   ErrorCode::bad_format, filter.name, "not copied to its end");
    // What libarchive writes as zstd carries no checksum.
    if (filter.name == std::string_view("zstd")) continue;
    std::string flipped = bytes;
    flipped[bytes.size() / 2] = static_cast<char>(flipped[bytes.size() / 2] ^ 0x10);
    EXPECT_ERROR(read(flipped), ErrorCode::bad_format, filter.name);
  }
}

TEST_F(TextFiles, GzipMembersFollowEachOther) {
  const std::string one = packed_with(archive_write_add_filter_gzip, "one\n");
  const std::string two = packed_with(archive_write_add_filter_gzip, "two\n");
  EXPECT_EQ(read(one + two), "one\ntwo\n");
  EXPECT_EQ(read(one + std::string(512, '\0')), "one\n");
  EXPECT_ERROR(read(one + "two"), ErrorCode::bad_format, "followed by something else");
}

// One text in the encodings that write it; its UTF-8 form is the measure.
const std::string sample = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\n";  // a é € 😀

TEST_F(TextFiles, Utf16IsReadInEitherOrder) {
  const std::string little("a\0\xE9\0\xAC\x20\x3D\xD8\x00\xDE\n\0", 12);
  std::string big;
  for (std::size_t i = 0; i < little.size(); i += 2) big += {little[i + 1], little[i]};
  EXPECT_EQ(read("\xFF\xFE" + little), sample);
  EXPECT_EQ(read("\xFE\xFF" + big), sample);
  EXPECT_EQ(read("\xFF\xFE" + little, "utf-16"), sample);
  EXPECT_EQ(read(little, "utf-16"), sample);
  EXPECT_EQ(read(big, "utf-16"), sample);
  EXPECT_EQ(read(packed_with(archive_write_add_filter_zstd, "\xFF\xFE" + little)), sample);
  const std::string plain("t\0e\0x\0t\0", 8);
  EXPECT_ERROR(read(plain), ErrorCode::bad_format, "looks like UTF-16", "encoding=utf-16");
  EXPECT_ERROR(read("\xFF\xFE" + little + "x"), ErrorCode::bad_format, "odd number of bytes");
  EXPECT_ERROR(read(std::string("\xFF\xFE\n\0\x3D\xD8", 6)), ErrorCode::bad_format,
               "line 2, column 1: half of a UTF-16 character (0xD83D)");
  EXPECT_ERROR(read(std::string("\xFF\xFE\x00\xDE\n\0", 6)), ErrorCode::bad_format, "0xDE00");
  EXPECT_ERROR(read("\xFF\xFE" + little, "latin-1"), ErrorCode::invalid_argument, "is UTF-16");
  EXPECT_ERROR(read("text", "utf-16"), ErrorCode::invalid_argument, "is UTF-8, not utf-16");
  EXPECT_ERROR(read(std::string("\xFF\xFE\0\0a\0\0\0", 8)), ErrorCode::unsupported, "UTF-32");
}

TEST_F(TextFiles, Utf8MayCarryAMark) {
  EXPECT_EQ(read("\xEF\xBB\xBF" + sample), sample);
  EXPECT_EQ(read(sample), sample);
  EXPECT_EQ(read(sample, "utf-8"), sample);
  EXPECT_EQ(read(""), "");
  EXPECT_EQ(read("\xEF\xBB\xBF"), "");
  EXPECT_ERROR(read("\xEF\xBB\xBF" + sample, "utf-16"), ErrorCode::invalid_argument, "is UTF-8");
  // A zero byte is a character; only what holds many is taken for something else.
  EXPECT_EQ(read(std::string("a\0b\n", 4)), std::string("a\0b\n", 4));
}

TEST_F(TextFiles, Latin1IsReadWhenAskedFor) {
  EXPECT_EQ(read("caf\xE9 \x80 \x93x\x94", "latin-1"),
            "caf\xC3\xA9 \xE2\x82\xAC \xE2\x80\x9Cx\xE2\x80\x9D");
  EXPECT_EQ(read("\xFF\xA0\x81", "latin-1"), "\xC3\xBF\xC2\xA0\xC2\x81");
  EXPECT_EQ(read("plain", "latin-1"), "plain");
  EXPECT_ERROR(read("one\ncaf\xE9\n"), ErrorCode::bad_format,
               "line 2, column 4: the byte 0xE9 is not UTF-8", "encoding=latin-1");
  EXPECT_ERROR(read("one\ncaf\xC3\xA9\n", "latin-1"), ErrorCode::invalid_argument,
               "is UTF-8 (line 2, column 4), not latin-1");
}

TEST_F(TextFiles, MixedEncodingsAreNamed) {
  EXPECT_ERROR(
      read("caf\xC3\xA9\ncaf\xE9\n"), ErrorCode::bad_format,
      "line 2, column 4: the byte 0xE9 is not UTF-8, but line 1, column 4 holds UTF-8: the "
      "file mixes encodings");
  EXPECT_ERROR(read("caf\xE9\ncaf\xC3\xA9\n"), ErrorCode::bad_format,
               "line 1, column 4: the byte 0xE9 is not UTF-8, but line 2, column 4 holds UTF-8");
}

TEST_F(TextFiles, WhatIsNoTextIsNamed) {
  const std::string zeros(64, '\0');
  const auto expect = [&](const std::string& bytes, const char* what, const char* hint) {
    EXPECT_ERROR(read(bytes + zeros), ErrorCode::unsupported, what, hint);
  };
  expect("PAR1", "is a parquet file, expected text", "csv");
  expect("PK\x03\x04 xl/workbook.xml", "an Excel workbook", "csv");
  expect("PK\x03\x04 a.csv", "a zip archive", "unpack it");
  expect("SQLite format 3", "an SQLite database", "csv");
  expect("ARROW1", "an Arrow file", "csv");
  expect("\x93NUMPY", "a NumPy array", "csv");
  expect("\x80\x04\x95", "a pickle", "csv");
  std::string tar = "data.csv" + std::string(249, '\0') + "ustar";
  expect(tar, "a tar archive", "unpack it");
  EXPECT_ERROR(read(packed_with(archive_write_add_filter_gzip, tar + zeros)),
               ErrorCode::unsupported, "a tar archive");
  EXPECT_ERROR(read("\x01\x02\x03\xFF" + zeros), ErrorCode::bad_format, "is binary, expected text");
  // Words are no marks.
  EXPECT_EQ(read("PAR1,label\n"), "PAR1,label\n");
}

}  // namespace
}  // namespace hone
