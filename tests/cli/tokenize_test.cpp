// hone tokenize: where texts come from, what is written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"
#include "hone/data/review_generator.hpp"
#include "hone/data/tokenizer.hpp"

namespace hone_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Tokenize, WritesTheIdsOfEveryText) {
  const ScratchDirectory scratch;
  const hone::Tokenizer tokenizer = hone::Tokenizer::from_words(hone::review_words());
  const hone::TextData reviews = hone::generate_reviews(700, 5, hone::ReviewSplit::test);
  std::string input;
  for (const std::string& text : reviews.texts) input += hone::Json{{"text", text}}.dump() + "\n";
  scratch.write("in.jsonl", input);
  for (const char* threads : {"1", "3"}) {
    const Outcome outcome =
        run_hone(scratch, {"tokenize", "reviews", "--input", "in.jsonl", "--max-length", "9",
                           "--threads", threads, "--json", "t.json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    std::size_t begin = 0;
    for (const std::string& text : reviews.texts) {
      const std::size_t end = outcome.out.find('\n', begin);
      ASSERT_NE(end, std::string::npos);
      EXPECT_EQ(hone::parse_json(outcome.out.substr(begin, end - begin))
                    .at("ids")
                    .get<std::vector<std::int32_t>>(),
                tokenizer.encode(text, 9));
      begin = end + 1;
    }
    EXPECT_EQ(begin, outcome.out.size());
  }
  const auto results = hone::parse_json(hone::read_file(scratch.path() / "t.json"));
  EXPECT_EQ(results.at("texts"), 700);
  EXPECT_GT(results.at("seconds").get<double>(), 0);
  ASSERT_EQ(
      run_hone(scratch, {"tokenize", "reviews", "--input", "in.jsonl", "--output", "out.jsonl"})
          .code,
      0);
  EXPECT_EQ(complete_lines(scratch.path() / "out.jsonl"), 700u);
}

TEST(Tokenize, PaddingFollowsTokenizerJsonUnlessDropped) {
  const ScratchDirectory scratch;
  const hone::Tokenizer tokenizer = hone::Tokenizer::from_words(hone::review_words());
  std::filesystem::create_directories(scratch.path() / "t");
  tokenizer.save(scratch.path() / "t");
  auto json = hone::parse_json(hone::read_file(scratch.path() / "t/tokenizer.json"));
  json["padding"] = {{"strategy", {{"Fixed", 8}}},
                     {"direction", "Right"},
                     {"pad_to_multiple_of", nullptr},
                     {"pad_id", 0},
                     {"pad_type_id", 0},
                     {"pad_token", "[PAD]"}};
  json["truncation"] = {
      {"direction", "Right"}, {"max_length", 4}, {"strategy", "LongestFirst"}, {"stride", 0}};
  scratch.write("t/tokenizer.json", json.dump());
  const auto ids = [&](std::vector<std::string> more) {
    std::vector<std::string> words{"tokenize", "t", "I loved the plot"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return hone::parse_json(outcome.out).at("ids").get<std::vector<std::int32_t>>();
  };
  const auto plain = [&](std::int64_t length, std::size_t padded) {
    std::vector<std::int32_t> expected = tokenizer.encode("I loved the plot", length);
    expected.resize(std::max(padded, expected.size()), 0);
    return expected;
  };
  EXPECT_EQ(ids({}), plain(4, 8));
  EXPECT_EQ(ids({"--padding", "none"}), plain(4, 0));
  EXPECT_EQ(ids({"--max-length", "6"}), plain(6, 8));
  EXPECT_EQ(ids({"--max-length", "5", "--padding", "none"}), plain(5, 0));
}

TEST(Tokenize, BadInputNamesTheLine) {
  const ScratchDirectory scratch;
  const auto error_of = [&](const std::string& content) {
    scratch.write("in.jsonl", content);
    const Outcome outcome = run_hone(scratch, {"tokenize", "reviews", "--input", "in.jsonl"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  };
  EXPECT_THAT(error_of("{\"text\": \"a\"}\n{\"text\": \"b\"\n"), HasSubstr("in.jsonl: line 2"));
  EXPECT_THAT(error_of("\n{\"txt\": \"a\"}\n"),
              AllOf(HasSubstr("in.jsonl: line 2"), HasSubstr("\"text\"")));
  EXPECT_THAT(error_of("{\"text\": 3}\n"), HasSubstr("is not text"));
  EXPECT_THAT(error_of("\n{\"text\": \"a\xff\"}\n"),
              HasSubstr("in.jsonl: line 2: the text is not UTF-8 at byte 1"));
  EXPECT_THAT(error_of("{\"id\": 1, \"text\": \"a\xff\"}\n"),
              HasSubstr("in.jsonl: line 1: not UTF-8 at byte 20 of the line"));
  EXPECT_THAT(error_of(""), HasSubstr("holds no texts"));
}

TEST(Tokenize, ADashBeginsNoFlagAfterTwoDashes) {
  const ScratchDirectory scratch;
  const Outcome outcome = run_hone(scratch, {"tokenize", "reviews", "--", "-not bad", "--really"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 2);
}

}  // namespace
}  // namespace hone_test
