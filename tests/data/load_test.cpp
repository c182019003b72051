#include "hone/data/load.hpp"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/data/review_generator.hpp"
#include "hone/data/token_cache.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/shared_data.hpp"

namespace hone {
namespace {

using Numbers = std::vector<std::int64_t>;

TEST(ParseData, NamesKindAndLocation) {
  EXPECT_EQ(parse_data("reviews").kind, "reviews");
  EXPECT_EQ(parse_data("reviews").location, "");
  const DataRequest request = parse_data("csv:C:/x:y.csv");
  EXPECT_EQ(request.kind, "csv");
  EXPECT_EQ(request.location, "C:/x:y.csv");
  EXPECT_ERROR(parse_data("imbd:/x"), ErrorCode::invalid_argument, "unknown data 'imbd'",
               "did you mean 'imdb'?");
  EXPECT_ERROR(parse_data(""), ErrorCode::invalid_argument, "unknown data ''", "imdb");
}

TEST(CutValidation, TakesTheSameShareOfEachClass) {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 1000; ++i) labels.push_back(i % 10 == 0 ? 1 : 0);
  const ValidationCut cut = cut_validation(labels, 0.2, 5);
  EXPECT_EQ(cut.validation.size(), 200u);
  EXPECT_EQ(std::count_if(cut.validation.begin(), cut.validation.end(),
                          [](std::int64_t i) { return i % 10 == 0; }),
            20);
  std::set<std::int64_t> all(cut.train.begin(), cut.train.end());
  all.insert(cut.validation.begin(), cut.validation.end());
  EXPECT_EQ(all.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(cut.train.begin(), cut.train.end()));
  EXPECT_EQ(cut.validation, cut_validation(labels, 0.2, 5).validation);
  EXPECT_NE(cut.validation, cut_validation(labels, 0.2, 6).validation);
}

TEST(CutValidation, SmallClassesKeepASampleOnEachSide) {
  const std::vector<std::int32_t> labels{0, 0, 1, 1, 2};
  const ValidationCut small = cut_validation(labels, 0.01, 1);
  EXPECT_EQ(small.validation.size(), 2u) << "one of each class that has two";
  const ValidationCut large = cut_validation(labels, 0.99, 1);
  EXPECT_EQ(large.train.size(), 2u);
  EXPECT_TRUE(cut_validation(labels, 0, 1).validation.empty());
  EXPECT_TRUE(cut_validation({}, 0.5, 1).train.empty());
}

class Load : public testing::Test {
protected:
  Load() : tokenizer_(Tokenizer::from_words(review_words())) {
    request_.kind = "reviews";
    request_.options.set("samples", std::int64_t{200});
    request_.options.set("test_samples", std::int64_t{60});
  }
  TokenizedData load(const Progress& progress = {}) {
    return load_tokenized(request_, tokenizer_, progress);
  }
  std::vector<std::filesystem::path> cache_files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry :
         std::filesystem::directory_iterator(scratch_.path() / "cache" / "tokens"))
      files.push_back(entry.path());
    return files;
  }
  static void expect_equal(const TokenizedData& a, const TokenizedData& b) {
    EXPECT_EQ(a.ids, b.ids);
    EXPECT_EQ(a.offsets, b.offsets);
    EXPECT_EQ(a.labels, b.labels);
    EXPECT_EQ(a.label_names, b.label_names);
  }

  hone_test::ScratchDirectory scratch_;
  Tokenizer tokenizer_;
  DataRequest request_;
};

TEST_F(Load, TheSecondTimeComesFromTheCache) {
  int calls = 0;
  const auto count = [&](std::int64_t, std::int64_t) { ++calls; };
  const TokenizedData first = load(count);
  EXPECT_GT(calls, 0);
  EXPECT_EQ(first.size(), 200);
  EXPECT_EQ(cache_files().size(), 1u);
  calls = 0;
  expect_equal(load(count), first);
  EXPECT_EQ(calls, 0);
  request_.max_length = 12;
  EXPECT_LE(load(count).length(0), 12);
  EXPECT_GT(calls, 0) << "another length is another entry";
  EXPECT_EQ(cache_files().size(), 2u);
}

TEST_F(Load, AnotherTokenizerIsAnotherEntry) {
  load();
  std::vector<std::string> words = review_words();
  words.push_back("unheard");
  tokenizer_ = Tokenizer::from_words(words);
  load();
  EXPECT_EQ(cache_files().size(), 2u);
}

TEST_F(Load, ADamagedCacheIsMadeAnew) {
  const TokenizedData first = load();
  const std::filesystem::path path = cache_files().at(0);
  const std::string good = read_file(path);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{10}, std::size_t{64}, good.size() / 2, good.size() - 1}) {
    write_file_atomically(path, std::string_view(good).substr(0, size));
    expect_equal(load(), first);
    EXPECT_EQ(read_file(path), good);
  }
  for (std::size_t at = 0; at < good.size(); at += good.size() / 37) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    write_file_atomically(path, bad);
    expect_equal(load(), first);
  }
}

TEST_F(Load, AnIdBeyondTheVocabularyIsNotBelieved) {
  const TokenizedData data{{1, 2, 9}, {0, 2, 3}, {0, 1}, {"a", "b"}};
  TokenizedData read;
  write_token_cache("key", 10, data);
  EXPECT_TRUE(read_token_cache("key", 10, read));
  expect_equal(read, data);
  EXPECT_FALSE(read_token_cache("key", 9, read));
  EXPECT_FALSE(read_token_cache("other", 10, read));
  write_token_cache("key", 100000, data);
  EXPECT_TRUE(read_token_cache("key", 100000, read)) << "ids of four bytes";
  expect_equal(read, data);
}

TEST_F(Load, WorksWithoutACacheDirectory) {
  const std::string file = scratch_.write("file", "");
  ::setenv("HONE_CACHE", (file + "/below").c_str(), 1);
  EXPECT_EQ(load().size(), 200);
  EXPECT_EQ(load().size(), 200);
}

TEST_F(Load, SplitsAreDisjointAndShareTheCache) {
  request_.validation = 0.25;
  const TokenizedData train = load();
  request_.split = "validation";
  const TokenizedData validation = load();
  EXPECT_EQ(train.size(), 150);
  EXPECT_EQ(validation.size(), 50);
  EXPECT_EQ(std::count(validation.labels.begin(), validation.labels.end(), 1), 25);
  EXPECT_EQ(cache_files().size(), 1u);
  const TextData texts = load_texts(request_);
  ASSERT_EQ(texts.texts.size(), 50u);
  EXPECT_EQ(tokenize(texts, tokenizer_, request_.max_length).ids, validation.ids);
  request_.split = "test";
  EXPECT_EQ(load().size(), 60);
}

TEST_F(Load, WrongRequestsAreNamed) {
  request_.split = "validation";
  EXPECT_ERROR(load(), ErrorCode::invalid_argument, "'validation' is empty", "validation share");
  request_.validation = 1.0;
  EXPECT_ERROR(load(), ErrorCode::invalid_argument, "validation share is 1");
  request_.validation = 0.1;
  request_.split = "tset";
  EXPECT_ERROR(load(), ErrorCode::invalid_argument, "unknown split 'tset'", "did you mean 'test'?");
  request_.split = "train";
  request_.options.set("sample", std::int64_t{3});
  EXPECT_ERROR(load(), ErrorCode::invalid_argument, "unknown key 'sample'",
               "did you mean 'samples'?");
}

TEST(Subset, TakesTheGivenSamplesInOrder) {
  const TokenizedData data{{1, 2, 3, 4, 5, 6}, {0, 1, 3, 6}, {0, 1, 0}, {"a", "b"}};
  const TokenizedData part = subset(data, Numbers{2, 0});
  EXPECT_EQ(part.ids, (std::vector<std::int32_t>{4, 5, 6, 1}));
  EXPECT_EQ(part.offsets, (Numbers{0, 3, 4}));
  EXPECT_ERROR(subset(data, Numbers{3}), ErrorCode::invalid_argument, "sample 3 does not exist");
}

TEST(LoadParity, TheWholeTrainSplitHasTheReferenceChecksum) {
  HONE_REQUIRE_SHARED("parity/tokens_imdb_train.json");
  const hone_test::ScratchDirectory scratch;
  const auto shared = hone_test::shared_directory();
  const Tokenizer tokenizer = Tokenizer::load(shared / "data" / "bert-base-uncased");
  DataRequest request =
      parse_data("imdb:" + (shared / "data/imdb/aclImdb_v1_labeled.tar.gz").string());
  const TokenizedData data = load_tokenized(request, tokenizer);
  const TokenizedData again = load_tokenized(request, tokenizer);
  ASSERT_EQ(data.size(), 25000);
  EXPECT_EQ(data.ids, again.ids);
  EXPECT_EQ(std::count(data.labels.begin(), data.labels.begin() + 12500, 0), 12500);
  const auto want = parse_json(read_file(shared_path)).at("train");
  EXPECT_EQ(data.ids.size(), want.at("tokens").get<std::size_t>());
  EXPECT_EQ(sha256(std::as_bytes(std::span(data.ids))), want.at("sha256").get<std::string>());
}

}  // namespace
}  // namespace hone
