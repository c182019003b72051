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
  const auto results = json_of(scratch, "t.json");
  EXPECT_EQ(results.at("texts"), 700);
  EXPECT_GT(results.at("seconds").get<double>(), 0);
  ASSERT_EQ(
      run_hone(scratch, {"tokenize", "reviews", "--input", "in.jsonl", "--output", "out.jsonl"})
          .code,
      0);
  EXPECT_EQ(complete_lines(scratch.path() / "out.jsonl"), 700u);
}

TEST(Tokenize, PaddingOfAFileIsLeftOutAndSaidAndThatOfTheFlagIsMasked) {
  const ScratchDirectory scratch;
  const hone::Tokenizer tokenizer = hone::Tokenizer::from_words(hone::review_words());
  std::filesystem::create_directories(scratch.path() / "t");
  tokenizer.save(scratch.path() / "t");
  auto json = json_of(scratch, "t/tokenizer.json");
  json["padding"] = {{"strategy", {{"Fixed", 8}}},
                     {"direction", "Right"},
                     {"pad_to_multiple_of", nullptr},
                     {"pad_id", 0},
                     {"pad_type_id", 0},
                     {"pad_token", "[PAD]"}};
  json["truncation"] = {
      {"direction", "Right"}, {"max_length", 4}, {"strategy", "LongestFirst"}, {"stride", 0}};
  scratch.write("t/tokenizer.json", json.dump());
  std::string err;
  const auto line = [&](std::vector<std::string> more) {
    std::vector<std::string> words{"tokenize", "t", "I loved the plot"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    err = outcome.err;
    return hone::parse_json(outcome.out);
  };
  using Ids = std::vector<std::int32_t>;
  const Ids whole = tokenizer.encode("I loved the plot");
  EXPECT_EQ(line({}).at("ids").get<Ids>(), whole);
  EXPECT_FALSE(line({}).contains("attention_mask"));
  EXPECT_THAT(err, AllOf(HasSubstr("to 8 tokens) is left out"), HasSubstr("--max-length 4")));
  EXPECT_EQ(line({"--max-length", "4"}).at("ids").get<Ids>(),
            tokenizer.encode("I loved the plot", 4));
  Ids padded = whole;
  padded.resize(9, tokenizer.pad_id());
  Ids mask(whole.size(), 1);
  mask.resize(9, 0);
  EXPECT_EQ(line({"--pad", "9"}).at("ids").get<Ids>(), padded);
  EXPECT_EQ(line({"--pad", "9"}).at("attention_mask").get<Ids>(), mask);
  // As transformers pads where the files say so.
  auto config = json_of(scratch, "t/tokenizer_config.json");
  config["padding_side"] = "left";
  scratch.write("t/tokenizer_config.json", config.dump());
  Ids before(9 - whole.size(), tokenizer.pad_id()), left(9 - whole.size(), 0);
  before.insert(before.end(), whole.begin(), whole.end());
  left.resize(9, 1);
  EXPECT_EQ(line({"--pad", "9"}).at("ids").get<Ids>(), before);
  EXPECT_EQ(line({"--pad", "9"}).at("attention_mask").get<Ids>(), left);
  EXPECT_EQ(line({}).at("ids").get<Ids>(), whole);
  config["padding_side"] = "middle";
  scratch.write("t/tokenizer_config.json", config.dump());
  EXPECT_THAT(run_hone(scratch, {"tokenize", "t", "I"}).err,
              HasSubstr("'padding_side' is 'middle'"));
  config["padding_side"] = "right";
  scratch.write("t/tokenizer_config.json", config.dump());
  Ids pair;
  std::vector<std::uint8_t> types;
  tokenizer.encode_pair("I loved the plot", "good", 0, pair, types);
  mask.assign(pair.size(), 1);
  for (auto* list : {&pair, &mask}) list->resize(14, 0);
  types.resize(14, 0);
  const auto padded_pair = line({"--pad", "14", "--pair", "good"});
  EXPECT_EQ(padded_pair.at("ids").get<Ids>(), pair);
  EXPECT_EQ(padded_pair.at("attention_mask").get<Ids>(), mask);
  EXPECT_EQ(padded_pair.at("token_type_ids").get<Ids>(), Ids(types.begin(), types.end()));
  EXPECT_EQ(line({"--pad", "2"}).at("ids").get<Ids>(), whole) << "a longer text stays whole";
}

TEST(Tokenize, TextsAreCutWhereTheModelOrItsTokenizerEnds) {
  const ScratchDirectory scratch;
  std::filesystem::create_directories(scratch.path() / "t");
  hone::Tokenizer::from_words(hone::review_words()).save(scratch.path() / "t");
  const auto length = [&] {
    const Outcome outcome = run_hone(scratch, {"tokenize", "t", "the the the the the the the the"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return hone::parse_json(outcome.out).at("ids").elements().size();
  };
  EXPECT_EQ(length(), 10u);
  scratch.write("t/config.json", R"({"model_type": "bert", "max_position_embeddings": 7})");
  EXPECT_EQ(length(), 7u);
  const auto set_limit = [&](int limit) {
    auto config = json_of(scratch, "t/tokenizer_config.json");
    config["model_max_length"] = limit;
    scratch.write("t/tokenizer_config.json", config.dump());
  };
  set_limit(5);
  EXPECT_EQ(length(), 5u);
  set_limit(9);
  EXPECT_EQ(length(), 7u);
  std::filesystem::remove(scratch.path() / "t/config.json");
  EXPECT_EQ(length(), 9u);
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
              AllOf(HasSubstr("in.jsonl: line 2: no key 'text'"), HasSubstr("'txt'")));
  EXPECT_THAT(error_of("{\"text\": 3}\n"), HasSubstr("'text' is an integer, expected text"));
  EXPECT_THAT(error_of("\n{\"text\": \"a\xff\"}\n"),
              HasSubstr("in.jsonl: line 2, column 12: the byte 0xFF is not UTF-8"));
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
