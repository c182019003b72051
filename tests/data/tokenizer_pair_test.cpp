// Two texts in one sample: ids, token types and what is cut, as transformers' BertTokenizer gives
// them, and what the data structures behind it keep.
#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/data/load.hpp"
#include "hone/data/token_cache.hpp"
#include "hone/data/tokenizer.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;
using Types = std::vector<std::uint8_t>;

// [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, then the letters a to h from 5.
TokenizerDefinition letters() {
  std::vector<std::string> words{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (char c = 'a'; c <= 'h'; ++c) words.emplace_back(1, c);
  return Tokenizer::from_words(words).definition();
}

Tokenizer letter_tokenizer(bool truncate_left = false) {
  TokenizerDefinition d = letters();
  d.truncate_left = truncate_left;
  return Tokenizer::from_definition(std::move(d));
}

struct PairCase {
  const char* first;
  const char* second;
  std::int64_t max_length;
  Ids right;  // what tokenizer(first, second, truncation=True, max_length=...) gives
  Ids left;   // and with truncation_side="left"
  Types types;
};

const std::vector<PairCase> pair_cases{
    {"a b c",
     "d e",
     0,
     {2, 5, 6, 7, 3, 8, 9, 3},
     {2, 5, 6, 7, 3, 8, 9, 3},
     {0, 0, 0, 0, 0, 1, 1, 1}},
    {"a b c", "d e", 7, {2, 5, 6, 3, 8, 9, 3}, {2, 6, 7, 3, 8, 9, 3}, {0, 0, 0, 0, 1, 1, 1}},
    {"a b c", "d e", 6, {2, 5, 6, 3, 8, 3}, {2, 6, 7, 3, 9, 3}, {0, 0, 0, 0, 1, 1}},
    {"a b c", "d e f", 6, {2, 5, 3, 8, 9, 3}, {2, 7, 3, 9, 10, 3}, {0, 0, 0, 1, 1, 1}},
    {"a b c", "d e f", 7, {2, 5, 6, 3, 8, 9, 3}, {2, 6, 7, 3, 9, 10, 3}, {0, 0, 0, 0, 1, 1, 1}},
    {"a", "b c d e f", 6, {2, 5, 3, 6, 7, 3}, {2, 5, 3, 9, 10, 3}, {0, 0, 0, 1, 1, 1}},
    {"a b c d e", "f", 6, {2, 5, 6, 3, 10, 3}, {2, 8, 9, 3, 10, 3}, {0, 0, 0, 0, 1, 1}},
    {"a b c d e",
     "f g",
     8,
     {2, 5, 6, 7, 3, 10, 11, 3},
     {2, 7, 8, 9, 3, 10, 11, 3},
     {0, 0, 0, 0, 0, 1, 1, 1}},
    {"a b", "c d e f g h", 6, {2, 5, 3, 7, 8, 3}, {2, 6, 3, 11, 12, 3}, {0, 0, 0, 1, 1, 1}},
    {"a b c d", "e f g h", 3, {2, 3, 3}, {2, 3, 3}, {0, 0, 1}},
    {"", "a b", 0, {2, 3, 5, 6, 3}, {2, 3, 5, 6, 3}, {0, 0, 1, 1, 1}},
    {"a b", "", 0, {2, 5, 6, 3, 3}, {2, 5, 6, 3, 3}, {0, 0, 0, 0, 1}},
    // The odd id goes to the longer text.
    {"a b c d e f g h", "a b c d", 6, {2, 5, 6, 3, 5, 3}, {2, 11, 12, 3, 8, 3}, {0, 0, 0, 0, 1, 1}},
    {"a b c d", "a b c d e f g h", 6, {2, 5, 3, 5, 6, 3}, {2, 8, 3, 11, 12, 3}, {0, 0, 0, 1, 1, 1}},
};

TEST(TokenizerPair, IdsTypesAndCutsAreTheReferences) {
  const Tokenizer right = letter_tokenizer();
  const Tokenizer left = letter_tokenizer(true);
  for (const PairCase& c : pair_cases) {
    Ids ids{99};
    Types types{9};
    right.encode_pair(c.first, c.second, c.max_length, ids, types);
    EXPECT_EQ(Ids(ids.begin() + 1, ids.end()), c.right) << c.first << " | " << c.second;
    EXPECT_EQ(Types(types.begin() + 1, types.end()), c.types) << c.first << " | " << c.second;
    EXPECT_EQ(ids[0], 99) << "appended to what is there";
    ids.clear();
    types.clear();
    left.encode_pair(c.first, c.second, c.max_length, ids, types);
    EXPECT_EQ(ids, c.left) << c.first << " | " << c.second;
    EXPECT_EQ(types, c.types);
  }
}

TEST(TokenizerPair, AnyTwoLengthsShareTheRoomLongestFirst) {
  const Tokenizer t = letter_tokenizer();
  Tokenizer::Encoder encoder(t);
  const auto text = [](int words, char letter) {
    std::string result;
    for (int i = 0; i < words; ++i) result += std::string(1, letter) + " ";
    return result;
  };
  for (int a = 0; a < 9; ++a)
    for (int b = 0; b < 9; ++b)
      for (int most = 3; most < 20; ++most) {
        Ids ids;
        Types types;
        encoder.encode_pair(text(a, 'a'), text(b, 'b'), most, ids, types);
        const auto of_a = std::count(ids.begin(), ids.end(), 5);
        const auto of_b = std::count(ids.begin(), ids.end(), 6);
        EXPECT_EQ(of_a + of_b, std::min(a + b, most - 3));
        EXPECT_EQ(types.size(), ids.size());
        EXPECT_EQ(std::count(types.begin(), types.end(), 1), of_b + 1);
        // Who gave something away is at most one shorter than the other, or still the longer.
        if (of_a < a) EXPECT_GE(of_a + 1, of_b);
        if (of_b < b) EXPECT_GE(of_b + 1, of_a);
      }
}

TEST(TokenizerPair, LeftTruncationOfASingleTextKeepsItsEnd) {
  const Tokenizer left = letter_tokenizer(true);
  EXPECT_EQ(left.encode("a b c d", 4), (Ids{2, 7, 8, 3}));
  EXPECT_EQ(left.encode("a b", 4), (Ids{2, 5, 6, 3}));
  EXPECT_EQ(left.encode("a b c d", 2), (Ids{2, 3}));
  EXPECT_EQ(left.encode("a b c d"), (Ids{2, 5, 6, 7, 8, 3}));
}

TEST(TokenizerPair, ErrorsNameTheTextAndTheRoom) {
  const Tokenizer t = letter_tokenizer();
  Ids ids;
  Types types;
  EXPECT_ERROR(t.encode_pair("a", "b", 2, ids, types), ErrorCode::invalid_argument,
               "max length 2 leaves no room for the 3 special tokens", "at least 3");
  EXPECT_ERROR(t.encode_pair("a", "b\xFF", 0, ids, types), ErrorCode::bad_format,
               "the second text is not UTF-8 at byte 1");
  EXPECT_ERROR(t.encode_pair("\xFF", "b", 0, ids, types), ErrorCode::bad_format,
               "the text is not UTF-8 at byte 0");
  TokenizerDefinition d = letters();
  d.pair.clear();
  EXPECT_ERROR(Tokenizer::from_definition(d).encode_pair("a", "b", 0, ids, types),
               ErrorCode::unsupported, "pairs of texts", "post_processor.pair");
}

TEST(TokenizerPair, TheTemplateOfTheFileIsFollowedAndSavedAgain) {
  const hone_test::ScratchDirectory scratch;
  letter_tokenizer().save(scratch.path());
  Json json = parse_json(read_file(scratch.path() / "tokenizer.json"));
  // A BertTokenizer has the one template; this takes that of the file.
  scratch.write("tokenizer_config.json",
                R"({"tokenizer_class": "PreTrainedTokenizerFast",
                    "model_input_names": ["input_ids", "token_type_ids"]})");
  // [SEP] B [CLS] A, with types 1 0 0 1.
  const auto token = [](const char* name, int type) {
    return Json{{"SpecialToken", {{"id", name}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* name, int type) {
    return Json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  json["post_processor"]["pair"] = {token("[SEP]", 1), sequence("B", 0), token("[CLS]", 0),
                                    sequence("A", 1)};
  scratch.write("tokenizer.json", json.dump());
  const Tokenizer t = Tokenizer::load(scratch.path() / "tokenizer.json");
  Ids ids;
  Types types;
  t.encode_pair("a b", "c", 0, ids, types);
  EXPECT_EQ(ids, (Ids{3, 7, 2, 5, 6}));
  EXPECT_EQ(types, (Types{1, 0, 0, 1, 1}));
  t.save(scratch.path());
  EXPECT_EQ(parse_json(read_file(scratch.path() / "tokenizer.json"))["post_processor"]["pair"],
            json["post_processor"]["pair"]);
  EXPECT_EQ(Tokenizer::load(scratch.path()).fingerprint(), t.fingerprint());

  const auto refuse = [&](const Json& pair, ErrorCode code, const char* message) {
    json["post_processor"]["pair"] = pair;
    scratch.write("tokenizer.json", json.dump());
    EXPECT_ERROR(Tokenizer::load(scratch.path() / "tokenizer.json"), code, message);
  };
  refuse(Json::array({sequence("A", 0)}), ErrorCode::bad_format,
         "post_processor.pair leaves out a text");
  refuse({sequence("A", 0), sequence("B", 300)}, ErrorCode::bad_format, "type_id is 300");
  refuse({sequence("A", 0), sequence("A", 0), sequence("B", 0)}, ErrorCode::unsupported,
         "post_processor.pair repeats a text");
  refuse({sequence("A", 0), sequence("C", 0)}, ErrorCode::bad_format, "unknown Sequence 'C'");
}

class PairData : public testing::Test {
protected:
  PairData() {
    for (int i = 0; i < 200; ++i) {
      texts_.texts.push_back(std::string(static_cast<std::size_t>(i % 7), 'a') + " b c");
      texts_.pairs.push_back(i % 5 == 0 ? ""
                                        : "d e " + std::string(1, static_cast<char>('a' + i % 8)));
      texts_.labels.push_back(i % 2);
    }
    texts_.label_names = {"x", "y"};
    texts_.source = "pairs.csv";
  }
  hone_test::ScratchDirectory scratch_;
  Tokenizer tokenizer_ = letter_tokenizer();
  TextData texts_;
};

TEST_F(PairData, TokenizingASplitEncodesPairs) {
  const TokenizedData data = tokenize(texts_, tokenizer_, 6);
  ASSERT_EQ(data.size(), 200);
  ASSERT_EQ(data.type_ids.size(), data.ids.size());
  for (std::int64_t i = 0; i < data.size(); ++i) {
    Ids ids;
    Types types;
    const auto at = static_cast<std::size_t>(i);
    tokenizer_.encode_pair(texts_.texts[at], texts_.pairs[at], 6, ids, types);
    EXPECT_EQ(Ids(data.ids.begin() + data.offsets[at], data.ids.begin() + data.offsets[at + 1]),
              ids);
    EXPECT_EQ(Types(data.type_ids.begin() + data.offsets[at],
                    data.type_ids.begin() + data.offsets[at + 1]),
              types);
  }
  texts_.pairs.pop_back();
  EXPECT_ERROR(tokenize(texts_, tokenizer_, 6), ErrorCode::invalid_argument,
               "pairs.csv: 200 texts, but 199 second texts");
  texts_.pairs.push_back("\xFF");
  EXPECT_ERROR(tokenize(texts_, tokenizer_, 6), ErrorCode::bad_format,
               "pairs.csv: sample 199: the second text is not UTF-8");
}

TEST_F(PairData, TheCacheSubsetsAndBatchesKeepTokenTypes) {
  const TokenizedData data = tokenize(texts_, tokenizer_, 0);
  write_token_cache("key", tokenizer_.vocab_size(), data);
  TokenizedData read;
  ASSERT_TRUE(read_token_cache("key", tokenizer_.vocab_size(), read));
  EXPECT_EQ(read.ids, data.ids);
  EXPECT_EQ(read.type_ids, data.type_ids);
  const std::string good = read_file(token_cache_path("key"));
  write_file_atomically(token_cache_path("key"),
                        std::string_view(good).substr(0, good.size() - 70));
  EXPECT_FALSE(read_token_cache("key", tokenizer_.vocab_size(), read));

  const std::vector<std::int64_t> numbers{7, 3, 10};
  const TokenizedData part = subset(data, numbers);
  Ids expected;
  for (const std::int64_t i : numbers)
    expected.insert(expected.end(),
                    data.type_ids.begin() + data.offsets[static_cast<std::size_t>(i)],
                    data.type_ids.begin() + data.offsets[static_cast<std::size_t>(i) + 1]);
  EXPECT_EQ(Ids(part.type_ids.begin(), part.type_ids.end()), expected);
  EXPECT_EQ(std::count(expected.begin(), expected.end(), 1), 4 + 4 + 1);
}

}  // namespace
}  // namespace hone
