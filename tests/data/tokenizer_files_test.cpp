// The files of a tokenizer and which of them counts. What is expected was given by the
// AutoTokenizer of transformers 5.24 for the same files; bench/peers/check_tokenizer.py compares a
// whole grid.
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/data/tokenizer.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

// Specials 0 to 4, a 5, b 6, c 7, d 8, ##b 9, ##c 10, - 11, e with acute 12, A 13.
const std::vector<std::string> words{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a",        "b",
                                     "c",     "d",     "##b",   "##c",   "-",      "\xC3\xA9", "A"};

Json token(const std::string& content, const std::vector<std::string>& flags = {}) {
  Json json{{"content", content}};
  for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized", "special"})
    json[flag] = std::find(flags.begin(), flags.end(), flag) != flags.end();
  return json;
}

Json specials() {
  Json decoder = Json::object();
  for (std::size_t i = 0; i < 5; ++i) decoder[std::to_string(i)] = token(words[i], {"special"});
  return decoder;
}

class TokenizerFolder : public testing::Test {
protected:
  TokenizerFolder() { write_vocabulary(words); }

  void write_vocabulary(const std::vector<std::string>& list) {
    std::string text;
    for (const std::string& word : list) text += word + "\n";
    scratch_.write("vocab.txt", text);
  }
  void write(const char* name, const Json& json) { scratch_.write(name, json.dump()); }
  void configure(const Json& json) { write("tokenizer_config.json", json); }
  Tokenizer load() { return Tokenizer::load(scratch_.path()); }
  Ids ids(std::string_view text) { return load().encode(text); }

  // tokenizer.json of the same words instead of, or beside, vocab.txt.
  Json tokenizer_json() {
    const hone_test::ScratchDirectory other;
    Tokenizer::from_words(words).save(other.path());
    return parse_json(read_file(other.path() / "tokenizer.json"));
  }

  // What is saved must be the same tokenizer, from every one of its files.
  void expect_saved_alike(const std::string& text) {
    const Tokenizer original = load();
    const hone_test::ScratchDirectory saved;
    original.save(saved.path());
    for (const char* name : {"", "tokenizer.json", "vocab.txt"}) {
      if (!std::filesystem::exists(saved.path() / name)) continue;
      const Tokenizer again = Tokenizer::load(saved.path() / name);
      EXPECT_EQ(again.fingerprint(), original.fingerprint()) << name;
      EXPECT_EQ(again.encode(text), original.encode(text)) << name;
      EXPECT_TRUE(again.unheeded(0).empty()) << name;
    }
  }

  hone_test::ScratchDirectory scratch_;
};

TEST_F(TokenizerFolder, LowerCaseAndAccents) {
  const std::string text = "A a \xC3\xA9 e\xCC\x81 \xC3\x89";
  configure(Json::object());
  EXPECT_EQ(ids(text), (Ids{2, 5, 5, 1, 1, 1, 3}));
  configure({{"do_lower_case", false}});
  EXPECT_EQ(ids(text), (Ids{2, 13, 5, 12, 1, 1, 3}));
  configure({{"do_lower_case", true}, {"strip_accents", false}});
  EXPECT_EQ(ids(text), (Ids{2, 5, 5, 12, 1, 12, 3}));
  configure({{"do_lower_case", false}, {"strip_accents", true}});
  EXPECT_EQ(ids(text), (Ids{2, 13, 5, 1, 1, 1, 3}));
  // null follows do_lower_case.
  configure({{"do_lower_case", true}, {"strip_accents", nullptr}});
  EXPECT_EQ(ids(text), (Ids{2, 5, 5, 1, 1, 1, 3}));
  configure({{"do_lower_case", false}, {"strip_accents", nullptr}});
  EXPECT_EQ(ids(text), (Ids{2, 13, 5, 12, 1, 1, 3}));
  expect_saved_alike(text);
}

TEST_F(TokenizerFolder, ChineseCharacters) {
  std::vector<std::string> list = words;
  list.insert(list.end(), {"\xE5\xA5\xBD", "##\xE5\xA5\xBD"});
  write_vocabulary(list);
  const std::string text =
      "a\xE5\xA5\xBD"
      "b \xE5\xA5\xBD\xE5\xA5\xBD";
  configure({{"tokenize_chinese_chars", true}});
  EXPECT_EQ(ids(text), (Ids{2, 5, 14, 6, 14, 14, 3}));
  configure({{"tokenize_chinese_chars", false}});
  EXPECT_EQ(ids(text), (Ids{2, 5, 15, 9, 14, 15, 3}));
  expect_saved_alike(text);
}

TEST_F(TokenizerFolder, TheConfigurationOverrulesTokenizerJsonAndSaysSo) {
  write("tokenizer.json", tokenizer_json());
  configure({{"do_lower_case", false}, {"strip_accents", false}});
  EXPECT_EQ(ids("A \xC3\xA9"), (Ids{2, 13, 12, 3}));
  EXPECT_EQ(Tokenizer::load(scratch_.path() / "tokenizer.json").encode("A"), (Ids{2, 13, 3}));
  const std::vector<std::string> notes = load().unheeded(0);
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_NE(notes[0].find("lowercase = true"), std::string::npos) << notes[0];
  EXPECT_NE(notes[1].find("strip_accents = true"), std::string::npos) << notes[1];
  expect_saved_alike("A \xC3\xA9");
  // The compiled form must not hide a change of the configuration.
  configure({{"do_lower_case", true}});
  EXPECT_EQ(ids("A"), (Ids{2, 5, 3}));
  EXPECT_TRUE(load().unheeded(0).empty());
  // A cased tokenizer.json without a configuration is lower-cased by BertTokenizer.
  Json cased = tokenizer_json();
  cased["normalizer"]["lowercase"] = false;
  write("tokenizer.json", cased);
  std::filesystem::remove(scratch_.path() / "tokenizer_config.json");
  EXPECT_EQ(ids("A"), (Ids{2, 5, 3}));
  EXPECT_EQ(load().unheeded(0).size(), 1u);
  configure({{"tokenizer_class", "PreTrainedTokenizerFast"}});
  EXPECT_EQ(ids("A"), (Ids{2, 13, 3}));
}

// Every flag by itself, where it changes something: the token "ab" with the id 14.
class AddedTokenFlags : public TokenizerFolder {
protected:
  Ids with(const std::vector<std::string>& flags, std::string_view text, const Json& more = {}) {
    Json decoder = specials();
    decoder["14"] = token("ab", flags);
    if (more.is_object())
      for (const auto& [id, other] : more.items()) decoder[id] = other;
    configure({{"added_tokens_decoder", decoder}});
    expect_saved_alike(std::string(text));
    return ids(text);
  }
};

TEST_F(AddedTokenFlags, WithoutAnyItIsFoundInsideWordsButNotInOtherSpelling) {
  EXPECT_EQ(with({},
                 "ab c ab-c\xC2\xA0"
                 "ab \t c aab abc AB \xC3\x81"
                 "b ab"),
            (Ids{2, 14, 7, 14, 11, 7, 14, 7, 5, 14, 14, 7, 5, 9, 5, 9, 14, 3}));
}

TEST_F(AddedTokenFlags, SingleWordNeedsAWordBorderOnBothSides) {
  // Inside a word it is no piece either: the vocabulary lacks it.
  EXPECT_EQ(with({"single_word"}, "ab ab-c aab abc ab"),
            (Ids{2, 14, 14, 11, 7, 1, 5, 9, 10, 14, 3}));
  EXPECT_EQ(with({"single_word", "normalized"}, "AB AB-c Aab Abc ab"),
            (Ids{2, 14, 14, 11, 7, 1, 5, 9, 10, 14, 3}));
}

TEST_F(AddedTokenFlags, WordCharactersAreThoseOfTheReference) {
  configure({{"added_tokens_decoder", {{"14", token("ab", {"single_word"})}}}});
  const Tokenizer t = load();
  // A letter, an accent, a digit, an underscore, a joiner; letters of Unicode 16 and 17.
  for (const char* word : {"\xCE\xB1", "\xCC\x81", "\xD9\xA3", "_", "\xE2\x80\x8D",
                           "\xF0\x93\x91\xA0", "\xF0\x90\xB5\x80", "\xF0\x96\x84\xB9"}) {
    EXPECT_NE(t.encode(std::string("ab") + word)[1], 14) << word;
    EXPECT_EQ(t.encode(std::string(word) + " ab").end()[-2], 14) << word;
    EXPECT_NE(t.encode(std::string(word) + "ab").end()[-2], 14) << word;
  }
  for (const char* other : {"-", " ", "\xE2\x80\x94", "\xF0\x9F\x98\x80", "\xC2\xB2"})
    EXPECT_EQ(t.encode(std::string("ab") + other)[1], 14) << other;
}

TEST_F(AddedTokenFlags, NormalizedIsFoundInNormalizedText) {
  EXPECT_EQ(with({"normalized"},
                 "ab AB \xC3\x81"
                 "b A\xCC\x81"
                 "b-aAb"),
            (Ids{2, 14, 14, 14, 14, 11, 5, 14, 3}));
  EXPECT_EQ(with({}, "ab AB"), (Ids{2, 14, 5, 9, 3}));
}

TEST_F(AddedTokenFlags, ANormalizedTokenIsNormalizedItself) {
  Json decoder = specials();
  decoder["14"] = token("\xC3\x81", {"normalized"});
  configure({{"added_tokens_decoder", decoder}});
  EXPECT_EQ(ids(" \xC3\x81 \xC3\x81"
                "b a c\xC3\xA1 "),
            (Ids{2, 14, 14, 6, 14, 7, 14, 3}));
  decoder["14"] = token("\xC3\x81");
  configure({{"added_tokens_decoder", decoder}});
  EXPECT_EQ(ids(" \xC3\x81 \xC3\x81"
                "b a c\xC3\xA1 "),
            (Ids{2, 14, 14, 6, 5, 1, 3}));
}

// The white space a token takes is missing for another that begins or ends with it.
TEST_F(AddedTokenFlags, LeftStripTakesTheSpaceBefore) {
  const Json more{{"15", token(" c", {"normalized"})}, {"16", token("d ", {"normalized"})}};
  EXPECT_EQ(with({}, "d ab c", more), (Ids{2, 16, 14, 15, 3}));
  EXPECT_EQ(with({"lstrip"}, "d ab c", more), (Ids{2, 8, 14, 15, 3}));
  EXPECT_EQ(with({"lstrip"},
                 "d \t\xC2\xA0"
                 "ab\xE3\x80\x80 c d",
                 more),
            (Ids{2, 8, 14, 15, 8, 3}));
}

TEST_F(AddedTokenFlags, RightStripTakesTheSpaceAfter) {
  const Json more{{"15", token(" c", {"normalized"})}, {"16", token("d ", {"normalized"})}};
  EXPECT_EQ(with({"rstrip"}, "d ab c", more), (Ids{2, 16, 14, 7, 3}));
  EXPECT_EQ(with({"rstrip"},
                 "d \t\xC2\xA0"
                 "ab\xE3\x80\x80 c d",
                 more),
            (Ids{2, 16, 14, 7, 8, 3}));
  EXPECT_EQ(with({"lstrip", "rstrip"}, "d ab c", more), (Ids{2, 8, 14, 7, 3}));
}

TEST_F(AddedTokenFlags, SpecialTokensAreTextWhereTheyAreSplit) {
  std::vector<std::string> list = words;
  list.insert(list.end(), {"[", "]", "cls"});
  write_vocabulary(list);
  configure({{"split_special_tokens", true}});
  EXPECT_EQ(ids("[CLS] a[SEP]"), (Ids{2, 14, 16, 15, 5, 14, 1, 15, 3}));
  expect_saved_alike("[CLS] a[SEP]");
  configure(Json::object());
  EXPECT_EQ(ids("[CLS] a[SEP]"), (Ids{2, 2, 5, 3, 3}));
  // Others are not special: still found.
  Json decoder = specials();
  decoder["17"] = token("ab");
  decoder["18"] = token("ac", {"special"});
  configure({{"split_special_tokens", true}, {"added_tokens_decoder", decoder}});
  EXPECT_EQ(ids("ab ac"), (Ids{2, 17, 5, 10, 3}));
}

TEST_F(AddedTokenFlags, RawTokensAreFoundBeforeNormalizedOnes) {
  const Json more{{"15", token("b c", {"normalized"})}, {"16", token("C d")}};
  EXPECT_EQ(with({}, "a B C d", more), (Ids{2, 5, 6, 16, 3}));
  EXPECT_EQ(with({}, "a B C d b c", more), (Ids{2, 5, 6, 16, 15, 3}));
  EXPECT_EQ(with({}, "aB C c d", more), (Ids{2, 5, 15, 7, 8, 3}));
}

TEST_F(TokenizerFolder, AddedTokensJsonBesideAVocabulary) {
  write("added_tokens.json", {{"ab", 14}, {"Zc", 15}});
  EXPECT_EQ(ids("ab zc ZC Ab b[MASK]"), (Ids{2, 14, 15, 15, 14, 6, 4, 3}));
  expect_saved_alike("ab zc ZC Ab b[MASK]");
  const hone_test::ScratchDirectory saved;
  load().save(saved.path());
  EXPECT_EQ(parse_json(read_file(saved.path() / "added_tokens.json")),
            (Json{{"ab", 14}, {"Zc", 15}}));
  EXPECT_EQ(
      parse_json(read_file(saved.path() / "tokenizer_config.json"))["added_tokens_decoder"]["14"],
      token("ab", {"normalized"}));
  // A special one is found in the text as it is.
  configure({{"extra_special_tokens", Json::array({"ab"})}});
  EXPECT_EQ(ids("ab zc ZC Ab b[MASK]"), (Ids{2, 14, 15, 15, 5, 9, 6, 4, 3}));
  // added_tokens_decoder takes the place of the whole file, which is said.
  configure({{"added_tokens_decoder", specials()}});
  EXPECT_EQ(ids("ab"), (Ids{2, 5, 9, 3}));
  EXPECT_EQ(load().unheeded(0).size(), 2u);
}

TEST_F(TokenizerFolder, NewSpecialTokensGetTheNextIds) {
  configure({{"bos_token", "<b>"}, {"additional_special_tokens", Json::array({"<x>", "b"})}});
  EXPECT_EQ(ids("<b>a<x>b"), (Ids{2, 14, 5, 15, 6, 3}));
  expect_saved_alike("<b>a<x>b");
}

// An object of hone's Json would sort its members: these files are written as texts.
TEST_F(TokenizerFolder, NamedSpecialTokensGetTheirIdsInTheOrderOfTheFile) {
  const char* const named[] = {R"({"z_token": "<x>", "b_token": "<y>"})",
                               R"({"extra_special_tokens": {"z": "<x>", "b": "<y>"}})",
                               R"({"additional_special_tokens": {"z": "<x>", "b": "<y>"}})",
                               R"({"model_specific_special_tokens": {"z": "<x>", "b": "<y>"}})"};
  for (const char* text : named) {
    scratch_.write("tokenizer_config.json", text);
    EXPECT_EQ(ids("<x>a<y>"), (Ids{2, 14, 5, 15, 3})) << text;
    expect_saved_alike("<x>a<y>");
  }
  std::filesystem::remove(scratch_.path() / "tokenizer_config.json");
  for (const char* text : {named[0], named[1]}) {
    scratch_.write("special_tokens_map.json", text);
    EXPECT_EQ(ids("<x>a<y>"), (Ids{2, 14, 5, 15, 3})) << text;
  }
  // What the map names comes before what the configuration gathers under other names.
  scratch_.write("tokenizer_config.json", R"({"c_token": "<z>"})");
  scratch_.write("special_tokens_map.json",
                 R"({"b_token": "<y>", "extra_special_tokens": {"k": "<x>"}})");
  EXPECT_EQ(ids("<x>a<y><z>"), (Ids{2, 16, 5, 14, 15, 3}));
}

TEST_F(TokenizerFolder, AMaskOrAPadThatTheVocabularyLacksTakesTheNextId) {
  configure({{"mask_token", "<x>"}, {"extra_special_tokens", Json::array({"<y>"})}});
  EXPECT_EQ(ids("<x> a <y>"), (Ids{2, 14, 5, 15, 3}));
  expect_saved_alike("<x> a <y>");
  configure({{"pad_token", "<x>"}});
  EXPECT_EQ(ids("<x> a"), (Ids{2, 14, 5, 3}));
  EXPECT_EQ(load().pad_id(), 14);
  std::vector<std::string> list = words;
  list.erase(list.begin() + 4);
  write_vocabulary(list);
  configure({{"extra_special_tokens", Json::array({"<x>", "<y>"})}});
  EXPECT_EQ(ids("[MASK] <x> a <y>"), (Ids{2, 13, 14, 4, 15, 3}));
  EXPECT_EQ(load().vocab_size(), 16);
  expect_saved_alike("[MASK] <x> a <y>");
  configure({{"mask_token", nullptr}, {"extra_special_tokens", Json::array({"<x>", "<y>"})}});
  EXPECT_EQ(ids("<x> a <y>"), (Ids{2, 13, 4, 14, 3}));
}

TEST_F(TokenizerFolder, TokenizerJsonDecidesTheFlagsOfATokenThatAddedTokensJsonListsToo) {
  Json json = tokenizer_json();
  Json listed = token("<x>");
  listed["id"] = 14;
  json["added_tokens"].push_back(listed);
  write("tokenizer.json", json);
  write("added_tokens.json", {{"<x>", 14}, {"<y>", 15}});
  for (const char* name : {"PreTrainedTokenizerFast", "BertTokenizer"}) {
    configure({{"tokenizer_class", name}});
    EXPECT_EQ(ids("<x> <y> <Y>"), (Ids{2, 14, 15, 15, 3})) << name;
    EXPECT_EQ(ids("<X>"), (Ids{2, 1, 1, 1, 3})) << name;
  }
}

TEST_F(TokenizerFolder, OfAddedTokensJsonOnlyRolesThatAreNamedAreSpecial) {
  write("added_tokens.json", {{"[MASK]", 4}});
  EXPECT_EQ(ids("[MASK] [mask]"), (Ids{2, 4, 4, 3}));
  configure({{"mask_token", "[MASK]"}});
  EXPECT_EQ(ids("[MASK] [mask]"), (Ids{2, 4, 1, 1, 1, 3}));
}

TEST_F(TokenizerFolder, StepsThatBertTokenizerMakesItselfNeedNotBeKnown) {
  const auto with = [&](const char* section, const Json& value, const char* name) {
    Json json = tokenizer_json();
    json[section] = value;
    write("tokenizer.json", json);
    configure({{"tokenizer_class", name}});
  };
  const Json normalizer = tokenizer_json()["normalizer"];
  const std::pair<const char*, Json> steps[] = {
      {"normalizer", {{"type", "Sequence"}, {"normalizers", Json::array({normalizer})}}},
      {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
      {"pre_tokenizer", nullptr},
      {"post_processor", {{"type", "Sequence"}, {"processors", Json::array()}}}};
  for (const auto& [section, value] : steps) {
    with(section, value, "BertTokenizer");
    EXPECT_EQ(ids("A-b"), (Ids{2, 5, 11, 6, 3})) << section;
    const std::vector<std::string> notes = load().unheeded(0);
    ASSERT_EQ(notes.size(), 1u) << section;
    EXPECT_NE(notes[0].find(std::string("the ") + section + " of tokenizer.json is overruled"),
              std::string::npos)
        << notes[0];
    with(section, value, "PreTrainedTokenizerFast");
    EXPECT_ERROR(load(), ErrorCode::unsupported, section);
  }
}

TEST_F(TokenizerFolder, SpecialTokensNamedInTheMapAlone) {
  std::vector<std::string> list = words;
  const std::vector<std::string> names{"<pad>", "<unk>", "<s>", "</s>", "<mask>"};
  std::copy(names.begin(), names.end(), list.begin());
  write_vocabulary(list);
  const Json map{{"pad_token", "<pad>"},
                 {"unk_token", "<unk>"},
                 {"cls_token", "<s>"},
                 {"sep_token", "</s>"},
                 {"mask_token", {{"content", "<mask>"}, {"lstrip", true}}}};
  EXPECT_ERROR(load(), ErrorCode::bad_format, "lacks the token '[UNK]'", "unk_token");
  write("special_tokens_map.json", map);
  EXPECT_EQ(ids("a z<mask>"), (Ids{2, 5, 1, 4, 3}));
  EXPECT_EQ(load().pad_id(), 0);
  expect_saved_alike("a z<mask>");
  const hone_test::ScratchDirectory saved;
  load().save(saved.path());
  EXPECT_EQ(parse_json(read_file(saved.path() / "special_tokens_map.json"))["cls_token"], "<s>");
  // The map overrules the configuration.
  configure({{"cls_token", "a"}});
  EXPECT_EQ(ids("b"), (Ids{2, 6, 3}));
  // But it is not read where there is an added_tokens_decoder.
  Json decoder = Json::object();
  for (std::size_t i = 0; i < 5; ++i) decoder[std::to_string(i)] = token(names[i], {"special"});
  configure({{"cls_token", "a"},
             {"unk_token", "<unk>"},
             {"sep_token", "</s>"},
             {"pad_token", "<pad>"},
             {"mask_token", "<mask>"},
             {"added_tokens_decoder", decoder}});
  EXPECT_EQ(ids("b"), (Ids{5, 6, 3}));
  EXPECT_EQ(load().unheeded(0).size(), 1u);
}

TEST_F(TokenizerFolder, TruncationSideAndLengths) {
  configure({{"truncation_side", "left"}, {"model_max_length", 4}});
  const Tokenizer left = load();
  EXPECT_EQ(left.encode("a b c d", 4), (Ids{2, 7, 8, 3}));
  EXPECT_EQ(left.definition().model_max_length, 4);
  expect_saved_alike("a b c d");
  const hone_test::ScratchDirectory saved;
  left.save(saved.path());
  EXPECT_EQ(Tokenizer::load(saved.path()).definition().model_max_length, 4);
  scratch_.write("tokenizer_config.json",
                 R"({"model_max_length": 1000000000000000019884624838656})");
  EXPECT_EQ(load().definition().model_max_length, 0);
  configure({{"max_len", 7}});
  EXPECT_EQ(load().definition().model_max_length, 7);
}

TEST_F(TokenizerFolder, SavedPaddingAndTruncationAreNotObeyedAndSaidWhereTheyWouldMatter) {
  Json json = tokenizer_json();
  json["truncation"] = {
      {"direction", "Left"}, {"max_length", 4}, {"strategy", "LongestFirst"}, {"stride", 0}};
  json["padding"] = {{"strategy", {{"Fixed", 9}}},
                     {"direction", "Right"},
                     {"pad_to_multiple_of", nullptr},
                     {"pad_id", 0},
                     {"pad_type_id", 0},
                     {"pad_token", "[PAD]"}};
  write("tokenizer.json", json);
  const Tokenizer t = load();
  EXPECT_EQ(t.encode("a b c d a"), (Ids{2, 5, 6, 7, 8, 5, 3}));
  EXPECT_EQ(t.encode("a b c d a", 5), (Ids{2, 7, 8, 5, 3})) << "its direction is that of every cut";
  const auto said = [](const Tokenizer& tokenizer, std::int64_t length) {
    std::string all;
    for (const std::string& note : tokenizer.unheeded(length)) all += note + "\n";
    return all;
  };
  EXPECT_NE(said(t, 512).find("to 9 tokens"), std::string::npos) << said(t, 512);
  EXPECT_NE(said(t, 512).find("--max-length 4"), std::string::npos) << said(t, 512);
  EXPECT_EQ(said(t, 4).find("truncation"), std::string::npos) << said(t, 4);
  expect_saved_alike("a b c d a");
  json["padding"]["strategy"] = "BatchLongest";
  write("tokenizer.json", json);
  EXPECT_EQ(said(load(), 4), "") << "padding to the longest of a batch changes no single text";
}

TEST_F(TokenizerFolder, TokenTypesOnlyWhereTheModelTakesThem) {
  const auto types = [&] {
    Ids pair_ids;
    std::vector<std::uint8_t> kinds;
    load().encode_pair("a", "b", 0, pair_ids, kinds);
    return Ids(kinds.begin(), kinds.end());
  };
  configure(Json::object());
  EXPECT_EQ(types(), (Ids{0, 0, 0, 1, 1}));
  configure({{"model_input_names", Json::array({"input_ids", "attention_mask"})}});
  EXPECT_EQ(types(), (Ids{0, 0, 0, 0, 0}));
  expect_saved_alike("a b");
  write("tokenizer.json", tokenizer_json());
  configure({{"tokenizer_class", "PreTrainedTokenizerFast"}});
  EXPECT_EQ(types(), (Ids{0, 0, 0, 0, 0}));
}

TEST_F(TokenizerFolder, WhatWasThereIsSavedAgain) {
  configure({{"do_lower_case", false},
             {"padding_side", "left"},
             {"clean_up_tokenization_spaces", true},
             {"name_or_path", "/home/somebody/model"},
             {"extra_special_tokens", Json::array({"<x>"})}});
  const hone_test::ScratchDirectory saved;
  load().save(saved.path());
  const Json config = parse_json(read_file(saved.path() / "tokenizer_config.json"));
  EXPECT_EQ(config["padding_side"], "left");
  EXPECT_EQ(config["clean_up_tokenization_spaces"], true);
  EXPECT_FALSE(config.contains("name_or_path")) << "where files once were is nobody's business";
  EXPECT_EQ(config["tokenizer_class"], "BertTokenizer");
  EXPECT_EQ(config["extra_special_tokens"], Json::array({"<x>"}));
  // vocab.txt has no place for the added token: it lies in the other files.
  EXPECT_EQ(read_file(saved.path() / "vocab.txt"), read_file(scratch_.path() / "vocab.txt"));
  // A file of another tokenizer that lies there would be read beside what is saved.
  scratch_.write("added_tokens.json", R"({"ab": 14})");
  std::filesystem::copy(scratch_.path() / "added_tokens.json", saved.path() / "added_tokens.json");
  Tokenizer::from_words(words).save(saved.path());
  EXPECT_EQ(Tokenizer::load(saved.path()).encode("ab"), (Ids{2, 5, 9, 3}));
}

TEST_F(TokenizerFolder, SpaceAtTheEndOfALineIsNoPartOfTheToken) {
  write_vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a \xC2\xA0", "##b\r", "c\x1F"});
  EXPECT_EQ(ids("ab"), (Ids{2, 5, 6, 3}));
  EXPECT_EQ(load().token(7), "c\x1F");
}

TEST_F(TokenizerFolder, UnknownSettingsAreRefusedAndHarmlessOnesAreNot) {
  configure({{"do_lower_cse", true}});
  EXPECT_ERROR(load(), ErrorCode::unsupported, "tokenizer_config.json: 'do_lower_cse' is true",
               "remove it");
  for (const Json& harmful : {Json{{"do_basic_tokenize", false}}, Json{{"clean_text", false}},
                              Json{{"never_split", Json::array({"a"})}},
                              Json{{"auto_map", {{"AutoTokenizer", "x.Y"}}}}}) {
    configure(harmful);
    EXPECT_ERROR(load(), ErrorCode::unsupported, "may change ids");
  }
  configure({{"do_basic_tokenize", true},
             {"never_split", nullptr},
             {"clean_up_tokenization_spaces", true},
             {"tokenizer_file", nullptr},
             {"special_tokens_map_file", "/x/special_tokens_map.json"},
             {"chat_template", "x"},
             {"pad_token_id", 0},
             {"padding_side", "left"}});
  EXPECT_EQ(ids("a"), (Ids{2, 5, 3}));
  Json json = tokenizer_json();
  json["normalizer"]["lower_greek"] = true;
  write("tokenizer.json", json);
  configure({{"tokenizer_class", "PreTrainedTokenizerFast"}});
  EXPECT_ERROR(load(), ErrorCode::unsupported, "normalizer: unknown key 'lower_greek'");
  json = tokenizer_json();
  json["model"]["dropout"] = 0.1;
  write("tokenizer.json", json);
  EXPECT_ERROR(load(), ErrorCode::unsupported, "model: unknown key 'dropout'");
}

TEST_F(TokenizerFolder, WrongValuesNameTheFileTheKeyAndWhatIsExpected) {
  const auto refuse = [&](const Json& config, const char* message) {
    configure(config);
    EXPECT_ERROR(load(), ErrorCode::bad_format, message);
    EXPECT_ERROR(load(), ErrorCode::bad_format,
                 (scratch_.path() / "tokenizer_config.json").string());
  };
  refuse({{"do_lower_case", "no"}}, "'do_lower_case' is \"no\", expected true or false");
  refuse({{"truncation_side", "Left"}}, "'truncation_side' is 'Left', expected 'left' or 'right'");
  refuse({{"model_max_length", 0}}, "'model_max_length' is 0, expected a length");
  refuse({{"cls_token", nullptr}}, "'cls_token' is null");
  refuse({{"cls_token", 3}}, "'cls_token' is neither a text nor an object");
  refuse({{"added_tokens_decoder", {{"x", token("ab")}}}}, "'x' is not an id");
  refuse({{"added_tokens_decoder", {{"14", "ab"}}}}, "added_tokens_decoder['14'] is not an object");
  refuse({{"added_tokens_decoder", {{"14", token("")}}}}, "the token is empty");
  refuse({{"extra_special_tokens", 3}}, "'extra_special_tokens' is not an array");
  configure({{"tokenizer_class", "RobertaTokenizer"}});
  EXPECT_ERROR(load(), ErrorCode::unsupported, "tokenizer_class is 'RobertaTokenizer'");
  configure({{"tokenizer_class", "PreTrainedTokenizerFast"}});
  EXPECT_ERROR(load(), ErrorCode::not_found, "needs a tokenizer.json");
  scratch_.write("tokenizer_config.json", "{\"do_lower_case\": tru");
  EXPECT_ERROR(load(), ErrorCode::bad_format, "tokenizer_config.json: is not valid JSON at byte");
  configure(Json::object());
  scratch_.write("special_tokens_map.json", R"({"cls": "[CLS]"})");
  EXPECT_ERROR(load(), ErrorCode::unsupported, "special_tokens_map.json: 'cls' is not the name");
  scratch_.write("special_tokens_map.json", "[]");
  EXPECT_ERROR(load(), ErrorCode::bad_format, "special_tokens_map.json: is not a JSON object");
}

TEST_F(TokenizerFolder, ATokenizerClassOfTheModelCounts) {
  write("config.json", {{"model_type", "bert"}, {"tokenizer_class", "RobertaTokenizer"}});
  EXPECT_ERROR(load(), ErrorCode::unsupported, "RobertaTokenizer");
  configure({{"tokenizer_class", "BertTokenizerFast"}});
  EXPECT_EQ(ids("a"), (Ids{2, 5, 3}));
}

TEST_F(TokenizerFolder, AddedTokensThatCollideAreRefused) {
  const auto refuse = [&](const Json& more, const char* message) {
    Json decoder = specials();
    for (const auto& [id, other] : more.items()) decoder[id] = other;
    configure({{"added_tokens_decoder", decoder}});
    EXPECT_ERROR(load(), ErrorCode::bad_format, message);
  };
  refuse({{"14", token("a")}}, "'a' has id 14, but it is 5 in the vocabulary");
  refuse({{"5", token("ab")}}, "'ab' has id 5, which is that of 'a'");
  refuse({{"14", token("ab")}, {"15", token("ab")}}, "'ab' has two ids, 14 and 15");
  refuse({{"20", token("ab")}}, "'ab' has id 20, but the next free id is 14");
  refuse({{"14", token("AB", {"normalized"})}, {"15", token("ab", {"normalized"})}},
         "'AB' and 'ab' are the same in normalized text: 'ab'");
  refuse({{"14", token("\xC3\x89", {"normalized"})}, {"15", token("E", {"normalized", "special"})}},
         "are the same in normalized text: 'e'");
  refuse({{"14", token("\xCC\x81", {"normalized"})}}, "normalization leaves nothing");
  configure(Json::object());
  write("added_tokens.json", {{"ab", 14}, {"ac", 14}});
  EXPECT_ERROR(load(), ErrorCode::bad_format, "id 14 is given to both 'ab' and 'ac'");
  write("added_tokens.json", {{"b", 14}});
  EXPECT_ERROR(load(), ErrorCode::bad_format, "added_tokens.json");
  write("added_tokens.json", {{"ab", "14"}});
  EXPECT_ERROR(load(), ErrorCode::bad_format, "the id of 'ab' is not a number");
  // Two files about one id.
  write("added_tokens.json", {{"ab", 14}});
  Json json = tokenizer_json();
  Json other = token("ac");
  other["id"] = 14;
  json["added_tokens"].push_back(other);
  write("tokenizer.json", json);
  EXPECT_ERROR(load(), ErrorCode::bad_format, "id 14 is 'ac', but 'ab' in");
}

}  // namespace
}  // namespace hone
