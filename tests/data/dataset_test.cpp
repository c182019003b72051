#include "hone/data/dataset.hpp"

#include <fstream>
#include <numeric>

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/data/load.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone {
namespace {

using Labels = std::vector<std::int32_t>;
using Texts = std::vector<std::string>;

class Datasets : public testing::Test {
protected:
  TextData load(const std::string& kind, const std::string& location, const Options& options = {},
                const std::string& split = "train") {
    DataRequest request;
    request.kind = kind;
    request.location = location;
    request.split = split;
    request.options = options;
    return load_texts(request);
  }
  hone_test::ScratchDirectory scratch_;
};

TEST_F(Datasets, EveryKindSaysWhatItIs) {
  Texts names;
  for (const DatasetKind& kind : dataset_table()) {
    names.push_back(kind.name);
    EXPECT_FALSE(kind.summary.empty());
    EXPECT_NE(kind.load == nullptr, kind.load_pictures == nullptr) << "texts or pictures";
    EXPECT_NE(kind.fingerprint, nullptr);
    for (const OptionSpec& option : kind.options) {
      EXPECT_FALSE(option.help.empty()) << option.name;
      ASSERT_TRUE(option.default_value.has_value()) << option.name;
      check_option(option, *option.default_value, option.name);
    }
  }
  EXPECT_EQ(names, (Texts{"cifar10", "csv", "images", "imdb", "json", "jsonl", "mnist", "reviews",
                          "shapes", "tsv"}));
}

TEST_F(Datasets, KindsNeedAPathButReviews) {
  for (const char* kind : {"csv", "tsv", "json", "jsonl", "imdb"})
    EXPECT_ERROR(load(kind, ""), ErrorCode::invalid_argument, kind);
  EXPECT_ERROR(load("reviews", "there"), ErrorCode::invalid_argument, "takes no path");
  for (const char* kind : {"csv", "tsv", "json", "jsonl", "imdb"})
    EXPECT_ERROR(load(kind, "/nowhere/at/all"), ErrorCode::not_found, "/nowhere/at/all");
}

// --- csv and tsv

TEST_F(Datasets, CsvFollowsRfc4180) {
  const std::string path =
      scratch_.write("a.csv",
                     "\xEF\xBB\xBFid,label,text\r\n1,b,\"one, \"\"two\"\"\r\nthree\"\r\n\r\n2, a "
                     ",5\" disk\n3,b,\"x\"");
  const TextData data = load("csv", path);
  EXPECT_EQ(data.texts, (Texts{"one, \"two\"\r\nthree", "5\" disk", "x"}));
  EXPECT_EQ(data.labels, (Labels{1, 0, 1}));
  EXPECT_EQ(data.label_names, (Texts{"a", "b"}));
  EXPECT_EQ(data.source, path);
}

TEST_F(Datasets, TsvCanDoWithoutQuotes) {
  const std::string path = scratch_.write("a.tsv", "sentence\tclass\n\"so\t0\nit goes\t1\n");
  const Options columns{{"text", std::string("sentence")}, {"label", std::string("class")}};
  EXPECT_ERROR(load("tsv", path, columns), ErrorCode::bad_format,
               "line 2, column 1: the quote is never closed", "quotes=false");
  Options plain = columns;
  plain.set("quotes", false);
  const TextData data = load("tsv", path, plain);
  EXPECT_EQ(data.texts, (Texts{"\"so", "it goes"}));
  EXPECT_EQ(data.labels, (Labels{0, 1}));
}

TEST_F(Datasets, CsvErrorsNameThePlace) {
  const auto expect = [&](const std::string& content, const std::string& message,
                          const std::string& hint = "") {
    const std::string path = scratch_.write("bad.csv", content);
    const bool missing = message.find("no column") != std::string::npos;
    EXPECT_ERROR(load("csv", path), missing ? ErrorCode::not_found : ErrorCode::bad_format,
                 path + ": " + message, hint);
  };
  expect("txet,label\na,0\n", "line 1: no column 'text'", "did you mean 'txet'?");
  expect("review,sentiment\na,0\n", "line 1: no column 'text'",
         "name it with the option data.text=COLUMN; known: review, sentiment");
  expect("text,text,label\na,b,0\n", "line 1: two columns are named 'text'");
  expect("text,label\na,0\nb\n", "line 3: 1 field, but the header names 2",
         "fill in the fields that are missing");
  expect("text,label\na,0\nb,c,1\n", "line 3: 3 fields, but the header names 2",
         "quote fields that hold the separator");
  expect("text,label\na,0\n  \nb,1\n", "line 3: nothing but white space, but the header names 2",
         "remove the line");
  expect("text,label\n\"a\nb\"c,0\n", "line 3, column 3: a character follows the closing quote");
  expect("text,label\na,0\n\"b,1\n", "line 3, column 1: the quote is never closed");
  expect("text,label\na,0\nb\xFF,1\n", "line 3, column 2: the byte 0xFF is not UTF-8",
         "encoding=latin-1");
  expect("text,label\na,0\n \t,1\n", "line 3: column 'text': the text is empty", "skip_empty=true");
  expect("text,label\na,0\nb,\n", "line 3: column 'label': the label is empty");
  expect("text,label\na,1\nb,0.5\n", "line 3: column 'label': the label 0.5 is not a whole number");
  expect("text,label\na,1\nb,nan\n", "line 3: column 'label': the label nan is not a whole number");
  expect("text,label\n", "holds no samples");
  expect("", "is empty");
}

TEST_F(Datasets, ATestFileHasLabelsOfItsOwn) {
  const std::string train = scratch_.write("train.csv", "text,label\na,good\nb,bad\nc,fair\n");
  const std::string test = scratch_.write("test.csv", "text,label\nd,good\ne,odd\n");
  const TextData data = load("csv", train, {{"test", test}}, "test");
  EXPECT_EQ(data.labels, (Labels{0, 1}));
  EXPECT_EQ(data.label_names, (Texts{"good", "odd"}));
  EXPECT_EQ(data.source, test);
  EXPECT_ERROR(load("csv", train, {}, "test"), ErrorCode::invalid_argument, "has no test split",
               "test=FILE");
  EXPECT_EQ(load("csv", train, {}, "all").texts, load("csv", train).texts);
  EXPECT_ERROR(load("csv", train, {{"test", test}}, "all"), ErrorCode::invalid_argument,
               "is that of a single file", "train, test");
  EXPECT_ERROR(load("reviews", "", {}, "all"), ErrorCode::invalid_argument, "single file");
}

// --- jsonl

TEST_F(Datasets, JsonLinesTakeNumbersAndNames) {
  const std::string path = scratch_.write(
      "a.jsonl", "{\"text\": \"caf\\u00e9\", \"label\": 1}\n\n{\"label\": \"0\", \"text\": \"b\"}");
  const TextData data = load("jsonl", path);
  EXPECT_EQ(data.texts, (Texts{"caf\xC3\xA9", "b"}));
  EXPECT_EQ(data.labels, (Labels{1, 0}));
}

TEST_F(Datasets, JsonLineErrorsNameThePlace) {
  const auto expect = [&](const std::string& content, ErrorCode code, const std::string& message,
                          const std::string& hint = "") {
    const std::string path = scratch_.write("bad.jsonl", content);
    EXPECT_ERROR(load("jsonl", path), code, path + ": " + message, hint);
  };
  const std::string good = "{\"text\":\"a\",\"label\":0}\n";
  expect(good + "{\"text\":", ErrorCode::bad_format, "line 2, column 9: not valid JSON");
  expect(good + "[1]\n", ErrorCode::bad_format, "line 2: an array, expected a JSON object");
  expect(good + "{\"txt\":\"a\",\"label\":0}", ErrorCode::not_found, "line 2: no key 'text'",
         "did you mean 'txt'?");
  expect(good + "{\"text\":\"b\",\"label\":[1]}", ErrorCode::bad_format,
         "line 2: 'label' is an array, expected a number, a boolean or text");
  expect(good + "{\"text\":\"b\",\"label\":null}", ErrorCode::bad_format,
         "line 2: column 'label': the label is empty");
  expect(good + "{\"text\":null,\"label\":1}", ErrorCode::bad_format,
         "line 2: column 'text': the text is empty");
  expect(good + "{\"text\":5,\"label\":0}", ErrorCode::bad_format,
         "line 2: 'text' is an integer, expected text");
  expect(good + "{\"text\":\"b\",\"label\":0.5}", ErrorCode::bad_format,
         "line 2: column 'label': the label 0.5 is not a whole number");
  expect(good + "{\"text\":\"b\xFF\",\"label\":1}", ErrorCode::bad_format, "line 2, column");
  expect(good + "{\"text\":\"\",\"label\":1}", ErrorCode::bad_format,
         "line 2: column 'text': the text is empty");
}

// --- imdb

struct Entry {
  std::string name;
  std::string content;
  int type = AE_IFREG;
  std::string link = "";
  bool hard = false;
};

const std::vector<Entry> sound_entries{
    {"aclImdb/", "", AE_IFDIR},          {"aclImdb/README", "read me"},
    {"aclImdb/train/pos/1_9.txt", "p1"}, {"aclImdb/train/neg/10_2.txt", "n10"},
    {"aclImdb/train/neg/1_2.txt", "n1"}, {"aclImdb/train/neg/2_1.txt", "n2"},
    {"aclImdb/test/neg/0_1.txt", "tn"},  {"aclImdb/test/pos/0_7.txt", "tp"},
    {"aclImdb/train/unsup/0_0.txt", "u"}};

void write_archive(const std::string& path, const std::vector<Entry>& entries,
                   bool compressed = true) {
  archive* out = archive_write_new();
  if (compressed) archive_write_add_filter_gzip(out);
  archive_write_set_format_ustar(out);
  ASSERT_EQ(archive_write_open_filename(out, path.c_str()), ARCHIVE_OK);
  for (const Entry& item : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, item.name.c_str());
    archive_entry_set_filetype(entry, static_cast<unsigned>(item.type));
    archive_entry_set_perm(entry, 0644);
    if (item.hard)
      archive_entry_set_hardlink(entry, item.link.c_str());
    else if (!item.link.empty())
      archive_entry_set_symlink(entry, item.link.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(item.content.size()));
    EXPECT_EQ(archive_write_header(out, entry), ARCHIVE_OK);
    if (!item.content.empty()) archive_write_data(out, item.content.data(), item.content.size());
    archive_entry_free(entry);
  }
  archive_write_close(out);
  archive_write_free(out);
}

TEST_F(Datasets, ImdbReadsArchiveAndFolderAlike) {
  const std::string path = (scratch_.path() / "imdb.tar.gz").string();
  write_archive(path, sound_entries);
  for (const Entry& entry : sound_entries)
    if (entry.type == AE_IFREG) scratch_.write(entry.name, entry.content);
  for (const std::string& location :
       {path, scratch_.path().string(), (scratch_.path() / "aclImdb").string()}) {
    const TextData train = load("imdb", location);
    EXPECT_EQ(train.texts, (Texts{"n10", "n1", "n2", "p1"}))
        << "sorted as strings: 10_2 before 1_2";
    EXPECT_EQ(train.labels, (Labels{0, 0, 0, 1}));
    EXPECT_EQ(train.label_names, (Texts{"neg", "pos"}));
    EXPECT_EQ(load("imdb", location, {}, "test").texts, (Texts{"tn", "tp"}));
  }
}

TEST_F(Datasets, HostileArchivesAreRefused) {
  const std::string path = (scratch_.path() / "bad.tar.gz").string();
  const auto expect = [&](const Entry& bad, const std::string& message) {
    std::vector<Entry> entries = sound_entries;
    entries.push_back(bad);
    write_archive(path, entries);
    EXPECT_ERROR(load("imdb", path), ErrorCode::bad_format, message);
    EXPECT_ERROR(load("imdb", path), ErrorCode::bad_format, path);
  };
  expect({"aclImdb/train/neg/../../../../etc/x.txt", "x"}, "has '..' in its path");
  expect({"/etc/passwd", "x"}, "has an absolute path");
  expect({"aclImdb/train/neg/9_1.txt", "", AE_IFLNK, "/etc/passwd"}, "is a link");
  expect({"aclImdb/train/neg/9_1.txt", "", AE_IFREG, "/etc/passwd", true}, "is a link");
  expect({"aclImdb/train/neg/9_1.txt", "", AE_IFIFO}, "is neither a file nor a folder");
  expect({"aclImdb/train/neg/1_2.txt", "again"}, "is there twice");
  expect({"aclImdb/train/neg/9_1.txt", std::string((4 << 20) + 1, 'x')}, "is larger than a review");
  expect({"aclImdb/train/neg/9_1.txt", "b\xC3("},
         "train/neg/9_1.txt: the text is not UTF-8 at byte 1");
  expect({"aclImdb/train/neg/9_1.txt", ""}, "train/neg/9_1.txt: the text is empty");
}

TEST_F(Datasets, TruncatedArchivesAreRefused) {
  const std::string path = (scratch_.path() / "cut.tar.gz").string();
  std::vector<Entry> entries = sound_entries;
  std::string noise;  // hardly compressible, so that a cut falls into the data
  for (std::uint32_t i = 0, x = 1; i < 60000; ++i)
    noise += static_cast<char>('a' + (x = x * 1664525 + 1013904223) % 26);
  entries.push_back({"aclImdb/train/neg/99_1.txt", noise});
  write_archive(path, entries);
  const std::string whole = read_file(path);
  for (const double share : {0.02, 0.3, 0.7, 0.95}) {
    const auto size = static_cast<std::size_t>(share * static_cast<double>(whole.size()));
    scratch_.write("cut.tar.gz", whole.substr(0, size));
    EXPECT_ERROR(load("imdb", path), ErrorCode::bad_format, path, "hone data fetch imdb");
  }
  scratch_.write("cut.tar.gz", "this is no archive");
  EXPECT_ERROR(load("imdb", path), ErrorCode::bad_format, "cannot be read as an archive");
}

TEST_F(Datasets, ImdbNeedsBothFolders) {
  scratch_.write("one/train/neg/1_1.txt", "a");
  EXPECT_ERROR(load("imdb", (scratch_.path() / "one").string()), ErrorCode::not_found,
               "has no train/neg");
  std::filesystem::create_directories(scratch_.path() / "one/train/pos");
  EXPECT_EQ(load("imdb", (scratch_.path() / "one").string()).texts, Texts{"a"});
  std::filesystem::remove(scratch_.path() / "one/train/neg/1_1.txt");
  EXPECT_ERROR(load("imdb", (scratch_.path() / "one").string()), ErrorCode::bad_format,
               "holds no samples");
}

// --- fingerprints

TEST_F(Datasets, FingerprintsFollowTheContent) {
  const auto print = [&](const std::string& kind, const std::string& location,
                         const Options& options = {}, const std::string& split = "train") {
    return find_dataset(kind).fingerprint(location, split, options);
  };
  const std::string path = scratch_.write("a.csv", "text,label\na,0\nb,1\n");
  const std::string copy = scratch_.write("copy.csv", "text,label\na,0\nb,1\n");
  const std::string before = print("csv", path);
  EXPECT_EQ(before, print("csv", copy));
  EXPECT_NE(before, print("csv", path, {{"text", std::string("b")}}));
  scratch_.write("a.csv", "text,label\na,0\nc,1\n");
  EXPECT_NE(before, print("csv", path));
  EXPECT_NE(print("reviews", "", {{"seed", std::int64_t{1}}}),
            print("reviews", "", {{"seed", std::int64_t{2}}}));
  EXPECT_NE(print("reviews", ""), print("reviews", "", {}, "test"));
}

}  // namespace
}  // namespace hone
