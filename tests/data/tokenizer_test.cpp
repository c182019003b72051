#include "hone/data/tokenizer.hpp"
#include "hone/core/json.hpp"

#include <fstream>
#include <numeric>

#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/philox.hpp"
#include "hone/core/threads.hpp"
#include "hone/data/review_generator.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/shared_data.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

// [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, then the words from 5.
Tokenizer small_tokenizer(std::vector<std::string> words) {
  std::vector<std::string> all{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  all.insert(all.end(), words.begin(), words.end());
  return Tokenizer::from_words(all);
}

// The tokens of a text, without [CLS] and [SEP].
std::vector<std::string> tokens_of(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::string> tokens;
  const Ids ids = tokenizer.encode(text);
  for (std::size_t i = 1; i + 1 < ids.size(); ++i) tokens.push_back(tokenizer.token(ids[i]));
  return tokens;
}

using Tokens = std::vector<std::string>;

TEST(Tokenizer, TakesTheLongestPieces) {
  const Tokenizer t = small_tokenizer({"un", "##aff", "##able", "##a", "unaff", "play", "##ing"});
  EXPECT_EQ(tokens_of(t, "unaffable playing"), (Tokens{"unaff", "##able", "play", "##ing"}));
}

TEST(Tokenizer, AWordWithAnUnknownRestIsUnknownAsAWhole) {
  const Tokenizer t = small_tokenizer({"play", "##ing", "!"});
  EXPECT_EQ(tokens_of(t, "playful play!"), (Tokens{"[UNK]", "play", "!"}));
}

TEST(Tokenizer, EmptyTextIsOnlySpecialTokens) {
  const Tokenizer t = small_tokenizer({"a"});
  EXPECT_EQ(t.encode(""), (Ids{2, 3}));
  EXPECT_EQ(t.encode(" \t\r\n\xE3\x80\x80 "), (Ids{2, 3}));
}

TEST(Tokenizer, ControlsVanishInsideWordsAndTabsSeparate) {
  const Tokenizer t = small_tokenizer({"ab", "a", "b"});
  const std::string nul("a\0b", 3);
  EXPECT_EQ(tokens_of(t, nul), (Tokens{"ab"}));
  EXPECT_EQ(tokens_of(t,
                      "a\x01\x7F"
                      "b"),
            (Tokens{"ab"}));
  EXPECT_EQ(tokens_of(t,
                      "a\xE2\x80\x8B"  // zero-width space: a format character
                      "b"),
            (Tokens{"ab"}));
  EXPECT_EQ(tokens_of(t,
                      "a\xEF\xBF\xBD"  // the replacement character
                      "b"),
            (Tokens{"ab"}));
  EXPECT_EQ(tokens_of(t,
                      "a\tb\xC2\xA0"
                      "a"),
            (Tokens{"a", "b", "a"}));
}

TEST(Tokenizer, AccentsGoAndCaseFolds) {
  const Tokenizer t = small_tokenizer({"cafe", "ist", "ss", "\xC3\x9F", "\xCF\x83"});
  EXPECT_EQ(tokens_of(t, "Caf\xC3\xA9 CAFE\xCC\x81 \xC4\xB0st"), (Tokens{"cafe", "cafe", "ist"}));
  // Sharp s has no decomposition; the capital sigma has one small form whatever its place.
  EXPECT_EQ(tokens_of(t, "\xE1\xBA\x9E \xCE\xA3"), (Tokens{"\xC3\x9F", "\xCF\x83"}));
}

TEST(Tokenizer, IdeographsAreWordsAndEmojiAreNot) {
  const Tokenizer t =
      small_tokenizer({"\xE4\xB8\xAD", "\xE6\x96\x87", "a", "\xF0\x9F\x98\x80", "##b"});
  EXPECT_EQ(tokens_of(t,
                      "a\xE4\xB8\xAD\xE6\x96\x87"
                      "a"),
            (Tokens{"a", "\xE4\xB8\xAD", "\xE6\x96\x87", "a"}));
  EXPECT_EQ(tokens_of(t,
                      "\xF0\x9F\x98\x80"
                      "b"),
            (Tokens{"\xF0\x9F\x98\x80", "##b"}));
}

TEST(Tokenizer, PunctuationIsAWordOfItsOwn) {
  const Tokenizer t = small_tokenizer({"a", ",", "\xE2\x80\x94", "$", "_"});
  EXPECT_EQ(tokens_of(t,
                      "a,a\xE2\x80\x94"
                      "a$_a"),
            (Tokens{"a", ",", "a", "\xE2\x80\x94", "a", "$", "_", "a"}));
}

TEST(Tokenizer, MarksAreOrderedBeforeTheyAreDropped) {
  // Two spacing marks that stay, of combining classes 216 and 226, given in the wrong order.
  const std::string low = "\xF0\x9D\x85\xA5";   // U+1D165, 216
  const std::string high = "\xF0\x9D\x85\xAD";  // U+1D16D, 226
  const Tokenizer t = small_tokenizer({"a" + low + high});
  EXPECT_EQ(tokens_of(t, "a" + high + low), (Tokens{"a" + low + high}));
  EXPECT_EQ(tokens_of(t, "a" + high + "\x01" + low), (Tokens{"a" + low + high}));
}

TEST(Tokenizer, WordsOverAHundredCharactersAreUnknown) {
  const Tokenizer t = small_tokenizer({"a", "##a", "\xC3\xB8", "##\xC3\xB8"});
  EXPECT_EQ(tokens_of(t, std::string(100, 'a')).size(), 100u);
  EXPECT_EQ(tokens_of(t, std::string(101, 'a')), (Tokens{"[UNK]"}));
  EXPECT_EQ(tokens_of(t, std::string(100000, 'a') + " a"), (Tokens{"[UNK]", "a"}));
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "\xC3\xB8";  // o with stroke: two bytes, no decomposition
  EXPECT_EQ(tokens_of(t, wide).size(), 100u);
  EXPECT_EQ(tokens_of(t, wide + "a"), (Tokens{"[UNK]"}));
}

TEST(Tokenizer, SpecialTokensInTheTextAreTaken) {
  const Tokenizer t = small_tokenizer({"a", "[", "]", "mask"});
  EXPECT_EQ(tokens_of(t, "a[MASK]a [SEP]"), (Tokens{"a", "[MASK]", "a", "[SEP]"}));
  EXPECT_EQ(tokens_of(t, "[mask] [[MASK]]"), (Tokens{"[", "mask", "]", "[", "[MASK]", "]"}));
}

TEST(Tokenizer, AddedTokensMayStripSpaceAndNeedWholeWords) {
  TokenizerDefinition d = small_tokenizer({"x", "foo", "y"}).definition();
  Vocabulary words;
  for (std::int64_t i = 0; i < d.vocabulary.size(); ++i) words.add(d.vocabulary.token(i), i);
  d.vocabulary = words;
  d.clean_text = false;
  d.added.push_back({"foo", 6, true});
  d.added.push_back({"<m>", 5, false, true, true});
  d.added.push_back({"<m>y", 7});
  d.vocabulary.build(d.prefix);
  const Tokenizer t = Tokenizer::from_definition(d);
  EXPECT_EQ(t.encode("foo foox xfoo"), (Ids{2, 6, 1, 1, 3}));
  EXPECT_EQ(t.encode("y \xC2\xA0<m> \t foo"), (Ids{2, 7, 5, 6, 3}));
  EXPECT_EQ(t.encode("<m>y<m>"), (Ids{2, 7, 5, 3})) << "the longest token wins";
}

TEST(Tokenizer, CutsTheEndAndKeepsTheSpecialTokens) {
  const Tokenizer t = small_tokenizer({"a", "##b", "c"});
  EXPECT_EQ(t.encode("ab c", 4), (Ids{2, 5, 6, 3}));
  EXPECT_EQ(t.encode("ab c", 3), (Ids{2, 5, 3}));
  EXPECT_EQ(t.encode("ab c", 2), (Ids{2, 3}));
  EXPECT_ERROR(t.encode("a", 1), ErrorCode::invalid_argument, "max length 1");
  EXPECT_ERROR(t.encode("a", -5), ErrorCode::invalid_argument, "max length -5");
}

TEST(Tokenizer, NamesTheByteThatIsNotUtf8) {
  const Tokenizer t = small_tokenizer({"a"});
  EXPECT_ERROR(t.encode("abc\xC3("), ErrorCode::bad_format, "not UTF-8 at byte 3");
  EXPECT_ERROR(t.encode("a \xED\xA0\x80"), ErrorCode::bad_format, "at byte 2");
  EXPECT_ERROR(t.encode(std::string(40, 'a') + "\xE2\x82"), ErrorCode::bad_format, "at byte 40");
}

TEST(Tokenizer, KeptWordsChangeNothing) {
  const Tokenizer t = Tokenizer::from_words(review_words());
  Tokenizer::Encoder encoder(t);
  const TextData data = generate_reviews(300, 3, ReviewSplit::train);
  for (int round = 0; round < 2; ++round) {
    for (const std::string& text : data.texts) {
      // With unknown, long and accented words, and lengths around the sixteen bytes a key holds.
      const std::string full =
          text + " \xC3\xA9t\xC3\xA9 abcdefghijklmno abcdefghijklmnop q abcdefgh zzz ~";
      Ids kept;
      encoder.encode(full, 0, kept);
      ASSERT_EQ(kept, t.encode(full));
    }
  }
}

// Words of every length, and near copies of them, in an order of their own each round: the ids of a
// word must be those it has alone, whatever one encoder met before.
TEST(Tokenizer, TheIdsOfAWordDoNotDependOnWhatStoodBefore) {
  std::vector<std::string> list;
  for (char c = 'a'; c <= 'e'; ++c) {
    list.emplace_back(1, c);
    list.push_back("##" + std::string(1, c));
  }
  list.insert(list.end(), {"abc", "##bcd", "##deabc", "ab", "##e\xC3\xA9", "\xC3\xA9"});
  for (const bool clean_text : {true, false}) {
    TokenizerDefinition d = small_tokenizer(list).definition();
    d.clean_text = clean_text;
    d.lowercase = d.strip_accents = clean_text;
    const Tokenizer t = Tokenizer::from_definition(d);
    RandomStream random(7, 1);
    std::vector<std::string> all;
    for (std::uint32_t i = 0; i < 400; ++i) {
      std::string word;
      for (std::uint32_t k = random.below(20) + 1; k > 0; --k)
        word += static_cast<char>('a' + random.below(5));
      all.push_back(word);
      // A control (a zero most of all), an accent, a capital: other words of the same letters.
      all.push_back(word + std::string(random.below(3) + 1, '\0'));
      all.push_back(word.substr(0, word.size() / 2) + '\0' + word.substr(word.size() / 2));
      all.push_back(word + "\x01");
      all.push_back(word + "\xC3\xA9");
      all.push_back(static_cast<char>(word[0] - 32) + word.substr(1));
    }
    std::map<std::string, Ids> alone;
    for (const std::string& word : all) alone[word] = t.encode(word);
    Tokenizer::Encoder encoder(t);
    for (int round = 0; round < 20; ++round) {
      for (std::size_t i = all.size(); i > 1; --i)
        std::swap(all[i - 1], all[random.below(static_cast<std::uint32_t>(i))]);
      std::string text;
      Ids expected{2};
      for (const std::string& word : all) {
        text += word + " ";
        const Ids& ids = alone[word];
        expected.insert(expected.end(), ids.begin() + 1, ids.end() - 1);
      }
      expected.push_back(3);
      Ids ids;
      encoder.encode(text, 0, ids);
      ASSERT_EQ(ids, expected);
      // Cut anywhere, also in the middle of a word.
      const std::int64_t length = 2 + random.below(100);
      ids.clear();
      encoder.encode(text, length, ids);
      ASSERT_TRUE(std::equal(ids.begin(), ids.end() - 1, expected.begin()));
    }
  }
}

TEST(Tokenizer, ResultsDoNotDependOnTheThreadCount) {
  const Tokenizer t = Tokenizer::from_words(review_words());
  const TextData data = generate_reviews(1000, 1, ReviewSplit::train);
  set_thread_count(1);
  const TokenizedData one = tokenize(data, t, 16);
  set_thread_count(3);
  std::int64_t reported = 0;
  const TokenizedData three = tokenize(data, t, 16, [&](std::int64_t done, std::int64_t total) {
    EXPECT_GT(done, reported);
    EXPECT_EQ(total, 1000);
    reported = done;
  });
  set_thread_count(0);
  EXPECT_EQ(reported, 1000);
  EXPECT_EQ(one.ids, three.ids);
  EXPECT_EQ(one.offsets, three.offsets);
  EXPECT_EQ(one.labels, data.labels);
  for (std::int64_t i = 0; i < one.size(); ++i) ASSERT_LE(one.length(i), 16);
}

TEST(Tokenizer, ParallelErrorsNameTheSampleAndProgressCanStop) {
  const Tokenizer t = small_tokenizer({"a"});
  TextData data{
      std::vector<std::string>(500, "a"), std::vector<std::int32_t>(500), {"x"}, "file.csv"};
  struct Stop {};
  EXPECT_THROW(tokenize(data, t, 0, [](std::int64_t, std::int64_t) { throw Stop(); }), Stop);
  data.texts[321] = "a\xFF";
  EXPECT_ERROR(tokenize(data, t, 0), ErrorCode::bad_format,
               "file.csv: sample 321: the text is not UTF-8 at byte 1");
}

TEST(Tokenizer, SavesWhatItLoads) {
  const hone_test::ScratchDirectory scratch;
  const Tokenizer t = Tokenizer::from_words(review_words());
  t.save(scratch.path());
  EXPECT_EQ(tokenizer_files(scratch.path()).size(), 3u);
  const Tokenizer json = Tokenizer::load(scratch.path());
  EXPECT_EQ(json.fingerprint(), t.fingerprint());
  EXPECT_EQ(Tokenizer::load(scratch.path() / "tokenizer.json").fingerprint(), t.fingerprint());
  EXPECT_EQ(Tokenizer::load(scratch.path() / "vocab.txt").fingerprint(), t.fingerprint());
  std::filesystem::remove(scratch.path() / "tokenizer.json");
  const Tokenizer text = Tokenizer::load(scratch.path());
  EXPECT_EQ(text.fingerprint(), t.fingerprint());
  EXPECT_EQ(text.encode("I love the plot [MASK]"), t.encode("I love the plot [MASK]"));
  EXPECT_NE(
      Tokenizer::from_words(std::vector<std::string>{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
          .fingerprint(),
      t.fingerprint());
}

TEST(Tokenizer, ADamagedCompiledFormIsMadeAnew) {
  const hone_test::ScratchDirectory scratch;
  const Tokenizer t = Tokenizer::from_words(review_words());
  t.save(scratch.path());
  EXPECT_EQ(Tokenizer::load(scratch.path()).fingerprint(), t.fingerprint());
  int seen = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(scratch.path() / "cache" / "tokenizers")) {
    ++seen;
    const std::string good = read_file(entry.path());
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{63}, good.size() / 2, good.size() - 1}) {
      write_file_atomically(entry.path(), std::string_view(good).substr(0, size));
      EXPECT_EQ(Tokenizer::load(scratch.path()).fingerprint(), t.fingerprint());
      EXPECT_EQ(read_file(entry.path()), good);
    }
  }
  EXPECT_EQ(seen, 1);
}

TEST(Tokenizer, ConfigOfAVocabularyIsHeeded) {
  const hone_test::ScratchDirectory scratch;
  scratch.write("vocab.txt", "[PAD]\r\n<unk>\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nA\r\na\r\n\xC3\xA9");
  scratch.write("tokenizer_config.json",
                R"({"do_lower_case": false, "unk_token": {"content": "<unk>"}})");
  const Tokenizer t = Tokenizer::load(scratch.path());
  EXPECT_EQ(t.vocab_size(), 8);
  EXPECT_EQ(t.encode("A a \xC3\xA9 zz"), (Ids{2, 5, 6, 7, 1, 3}));
  scratch.write("tokenizer_config.json", R"({"do_lower_case": "no"})");
  EXPECT_ERROR(Tokenizer::load(scratch.path()), ErrorCode::bad_format, "'do_lower_case'");
  scratch.write("tokenizer_config.json", "{}");
  EXPECT_ERROR(Tokenizer::load(scratch.path()), ErrorCode::bad_format, "lacks the token '[UNK]'",
               "unk_token");
}

class BrokenTokenizer : public testing::Test {
protected:
  void SetUp() override {
    Tokenizer::from_words(
        std::vector<std::string>{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"})
        .save(scratch_.path());
    // Every part of tokenizer.json counts.
    scratch_.write("tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast"})");
    json_ = parse_json(read_file(scratch_.path() / "tokenizer.json"));
  }
  void expect(ErrorCode code, const std::string& message) {
    const std::string path = scratch_.write("tokenizer.json", json_.dump());
    EXPECT_ERROR(Tokenizer::load(path), code, message);
    EXPECT_ERROR(Tokenizer::load(path), code, path);
  }
  hone_test::ScratchDirectory scratch_;
  Json json_;
};

TEST_F(BrokenTokenizer, OtherKindsAreUnsupported) {
  json_["model"]["type"] = "BPE";
  expect(ErrorCode::unsupported, "model is a 'BPE'");
  json_["model"]["type"] = "WordPiece";
  json_["normalizer"]["type"] = "NFKC";
  expect(ErrorCode::unsupported, "normalizer is a 'NFKC'");
  json_["normalizer"] = nullptr;
  json_["pre_tokenizer"]["type"] = "ByteLevel";
  expect(ErrorCode::unsupported, "pre_tokenizer is a 'ByteLevel'");
}

TEST_F(BrokenTokenizer, WrongValuesAreNamed) {
  const Json good = json_;
  json_["model"].erase("unk_token");
  expect(ErrorCode::bad_format, "model: 'unk_token' is missing");
  json_ = good;
  json_["model"]["unk_token"] = "[what]";
  expect(ErrorCode::bad_format, "'[what]' is not in the vocabulary");
  json_ = good;
  json_["model"]["vocab"]["a"] = -1;
  expect(ErrorCode::bad_format, "model.vocab: the id of 'a' is not a whole number");
  json_["model"]["vocab"]["a"] = 4000000000000;
  expect(ErrorCode::bad_format, "model.vocab: token 'a' has id");
  json_["model"]["vocab"]["a"] = 3;
  expect(ErrorCode::bad_format, "id 3 is given to both");
  json_["model"]["vocab"]["a"] = Json::object();
  expect(ErrorCode::bad_format, "model.vocab: 'a' is not a number");
  json_ = good;
  json_["post_processor"]["special_tokens"].erase("[CLS]");
  expect(ErrorCode::bad_format, "post_processor.special_tokens lacks '[CLS]'");
  json_ = good;
  json_["model"]["max_input_chars_per_word"] = 0;
  expect(ErrorCode::bad_format, "max_input_chars_per_word is 0");
  json_ = good;
  json_["added_tokens"][1]["id"] = 77777777;
  expect(ErrorCode::bad_format, "added_tokens[1]");
}

TEST_F(BrokenTokenizer, TornAndHostileJsonIsRefused) {
  const std::string text = json_.dump();
  const std::string path = scratch_.write("tokenizer.json", text.substr(0, text.size() / 2));
  EXPECT_ERROR(Tokenizer::load(path), ErrorCode::bad_format, "is not valid JSON at byte");
  scratch_.write("tokenizer.json", std::string(100000, '['));
  EXPECT_ERROR(Tokenizer::load(path), ErrorCode::bad_format, "nested too deeply");
  scratch_.write("tokenizer.json", "[1]");
  EXPECT_ERROR(Tokenizer::load(path), ErrorCode::bad_format, "is not a JSON object");
  scratch_.write("tokenizer.json", "");
  EXPECT_ERROR(Tokenizer::load(path), ErrorCode::bad_format, "is not valid JSON");
  EXPECT_ERROR(Tokenizer::load(scratch_.path() / "none"), ErrorCode::not_found, "none");
}

TEST(TokenizerParity, AwkwardStringsGetTheReferenceIds) {
  HONE_REQUIRE_SHARED("parity/tokenizer.jsonl");
  const Tokenizer t = Tokenizer::load(hone_test::shared_directory() / "data" / "bert-base-uncased");
  std::ifstream lines(shared_path);
  std::string line;
  int count = 0;
  for (; std::getline(lines, line); ++count) {
    const auto json = parse_json(line);
    Ids ids;
    t.encode(json.at("text").get<std::string>(), 0, ids);
    ASSERT_EQ(ids, json.at("ids").get<Ids>()) << line.substr(0, 200);
  }
  EXPECT_GT(count, 200);
}

TEST(TokenizerParity, VocabularyAndJsonAgree) {
  HONE_REQUIRE_SHARED("data/bert-base-uncased");
  const Tokenizer json = Tokenizer::load(shared_path / "tokenizer.json");
  const Tokenizer text = Tokenizer::load(shared_path / "vocab.txt");
  EXPECT_EQ(json.vocab_size(), 30522);
  const std::string sample =
      "It's na\xC3\xAFve [MASK], isn't it? \xE4\xB8\xAD\xE6\x96\x87 unaffable";
  EXPECT_EQ(json.encode(sample), text.encode(sample));
}

}  // namespace
}  // namespace hone
