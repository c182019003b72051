#include "hone/data/rows.hpp"

#include <gtest/gtest.h>

#include "hone/core/json.hpp"
#include "hone/data/labels.hpp"
#include "hone/data/load.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone {
namespace {

using Labels = std::vector<std::int32_t>;
using Lines = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

const Columns labelled{
    .text = "text", .pair = "text_pair", .pair_if_there = true, .label = "label"};

Rows delimited(std::string_view text, char separator = ',', const Columns& columns = labelled) {
  return read_delimited(text, "f.csv", separator, true, columns);
}

Rows json(std::string_view text, const Columns& columns = labelled) {
  return read_json_rows(text, "f.json", columns);
}

TEST(DelimitedRows, AnyCharacterSeparates) {
  const Rows rows = delimited("text;label\na, b;1\n\"c;d\";0\n", ';');
  EXPECT_EQ(rows.texts, (Texts{"a, b", "c;d"}));
  EXPECT_EQ(rows.labels, (Texts{"1", "0"}));
  EXPECT_EQ(delimited("text|label\na|1\n", '|').texts, Texts{"a"});
}

TEST(DelimitedRows, AnotherSeparatorIsSuggested) {
  const auto expect = [](const char* header, char separator, const char* hint) {
    EXPECT_ERROR(delimited(std::string(header) + "\na,1\n", separator), ErrorCode::not_found,
                 "no column 'text'", hint);
  };
  expect("text;label", ',', "give the option 'data.separator=;");
  expect("text\tlabel", ',', "give the option 'data.separator=tab");
  expect("id|text", ',', "give the option 'data.separator=|");
  expect("text,label", '\t', "give the option 'data.separator=,");
  expect("txt;label", ',', "text=COLUMN");
  EXPECT_ERROR(delimited("\"text\";\"label\"\na;1\n"), ErrorCode::bad_format,
               "line 1, column 7: ';' follows the closing quote, but ',' separates",
               "'data.separator=;'");
}

TEST(DelimitedRows, NamesMayHaveSpacesAround) {
  const Rows rows = delimited(" text , label \na,1\n");
  EXPECT_EQ(rows.texts, Texts{"a"});
  EXPECT_EQ(delimited("my text,label\na,1\n", ',', {.text = "my text"}).texts, Texts{"a"});
}

TEST(DelimitedRows, LinesMayEndWithACarriageReturnAlone) {
  const Rows rows = delimited("text,label\ra,1\r\"b\rc\",0\rd,1");
  EXPECT_EQ(rows.texts, (Texts{"a", "b\rc", "d"}));
  EXPECT_EQ(rows.lines, (Lines{2, 3, 5}));
  // Where the header ends otherwise it is a character of its field.
  EXPECT_EQ(delimited("text,label\na\rb,1\n").texts, Texts{"a\rb"});
}

TEST(DelimitedRows, ASecondTextIsReadWhereThereIsOne) {
  const std::string file = "text,text_pair,label\na,b,1\nc,,0\n";
  EXPECT_EQ(delimited(file).pairs, (Texts{"b", ""}));
  EXPECT_TRUE(delimited("text,label\na,1\n").pairs.empty());
  EXPECT_TRUE(delimited(file, ',', {.text = "text"}).pairs.empty());
  EXPECT_ERROR(delimited(file, ',', {.text = "text", .pair = "other"}), ErrorCode::not_found,
               "no column 'other'", "text_pair=COLUMN");
}

TEST(JsonRows, LinesAndArraysAreTheSame) {
  const std::string first = "{\"text\": \"a\", \"label\": 1}";
  const std::string second =
      "{\"label\":\n \"x\", \"more\": [1, {\"k\": \"]}\"}], \"text\": \"b\\\"\"}";
  const Rows rows = json("[" + first + " ,\n" + second + "\n]\n");
  EXPECT_EQ(rows.texts, (Texts{"a", "b\""}));
  EXPECT_EQ(rows.labels, (Texts{"1", "x"}));
  EXPECT_EQ(rows.lines, (Lines{1, 2}));
  EXPECT_EQ(json(first + "\n\n" + first).lines, (Lines{1, 3}));
  EXPECT_EQ(json(first + "\r" + first + "\r").texts, (Texts{"a", "a"}));
  EXPECT_TRUE(json("[ ]").texts.empty());
  EXPECT_TRUE(json("").texts.empty());
}

TEST(JsonRows, BrokenArraysNameThePlace) {
  const auto expect = [](const char* text, const char* message) {
    EXPECT_ERROR(json(text), ErrorCode::bad_format, message);
  };
  const std::string good = "{\"text\":\"a\",\"label\":1}";
  expect(("[" + good + ",\n" + good).c_str(), "f.json: line 2");
  expect(("[" + good + "\n" + good + "]").c_str(), "f.json: line 2, column 1");
  expect(("[" + good + ",\n " + good + ",]").c_str(), "f.json: line 2");
  expect(("[" + good + ",\n {\"text\": }]").c_str(), "f.json: line 2, column 11");
  expect(("[" + good + "]]").c_str(), "f.json: line 1");
  expect(("[" + good + ", 3]").c_str(), "f.json: line 1: an integer, expected a JSON object");
}

// The fast reader of flat objects gives what the JSON parser gives, or leaves it to it.
TEST(JsonRows, FlatObjectsAreReadAsTheParserReadsThem) {
  const std::vector<std::string> texts{"plain", "\\\"quoted\\\" \\\\ \\/ \\b\\f\\n\\r\\t",
                                       "\\u00e9\\u20ac\\uD83D\\uDE00\\u0000", "caf\xC3\xA9", ""};
  for (const std::string& text : texts)
    for (const char* label :
         {"1", "-3", "\"x\"", "true", "false", "0", "1.5", "1e2", "12345678901234567890"})
      for (const char* more : {"", ",\"z\":null", ", \"z\" : [1]", ",\"z\":-0.5e3 "}) {
        const std::string line = " {\"text\":\"" + text + "\" , \"label\":" + label + more + "}\t";
        const Json want = parse_json(line);
        const Rows rows = json(line);
        ASSERT_EQ(rows.texts, Texts{want.at("text").text()}) << line;
        const Json& value = want.at("label");
        ASSERT_EQ(rows.labels, Texts{value.is_string() ? value.text() : value.dump()}) << line;
      }
}

TEST(JsonRows, WhatTheParserRefusesIsRefused) {
  for (const char* line :
       {"{\"text\":\"a\",\"label\":1", "{\"text\":\"a\",\"label\":01}",
        "{\"text\":\"a\",\"label\":+1}", "{\"text\":\"a\" \"label\":1}",
        "{\"text\":\"\\x\",\"label\":1}", "{\"text\":\"a\nb\",\"label\":1}",
        "{\"text\":\"\\ud800\",\"label\":1}", "{\"text\":\"a\",\"text\":\"b\",\"label\":1}",
        "{\"text\":\"a\",\"label\":1} x", "{\"text\":\"a\",\"label\":1,}", "{text:\"a\"}",
        "{\"text\":\"a\",\"label\":True}", "{\"text\":\"a\",\"label\":NaN}"})
    EXPECT_ERROR(json(std::string(line) + "\n"), ErrorCode::bad_format, "f.json: line 1");
}

TEST(JsonRows, APairIsInEveryRowOrInNone) {
  const std::string with = "{\"text\":\"a\",\"text_pair\":\"b\",\"label\":1}\n";
  const std::string without = "{\"text\":\"a\",\"label\":1}\n";
  EXPECT_EQ(json(with + with).pairs, (Texts{"b", "b"}));
  EXPECT_TRUE(json(without).pairs.empty());
  EXPECT_ERROR(json(with + without), ErrorCode::bad_format,
               "line 2: no key 'text_pair', which line 1 has", "text_pair=none");
  EXPECT_ERROR(json(without + with), ErrorCode::bad_format,
               "line 1: no key 'text_pair', which line 2 has");
  Columns wanted = labelled;
  wanted.pair_if_there = false;
  EXPECT_ERROR(json(with + without, wanted), ErrorCode::not_found, "line 2: no key 'text_pair'");
}

TEST(JsonRows, WithoutLabelsTextsMayStandAlone) {
  EXPECT_EQ(json("\"a\"\n{\"text\":\"b\"}\n", {.text = "text"}).texts, (Texts{"a", "b"}));
  EXPECT_EQ(json("[\"a\", {\"text\":\"b\"}]", {.text = "text"}).texts, (Texts{"a", "b"}));
  EXPECT_ERROR(json("\"a\"\n"), ErrorCode::bad_format, "line 1: a text, expected a JSON object");
}

TEST(PlainRows, EveryLineIsAText) {
  EXPECT_EQ(read_plain_rows("a\r\n\nb", "f").texts, (Texts{"a", "", "b"}));
  EXPECT_EQ(read_plain_rows("a\rb\r", "f").texts, (Texts{"a", "b"}));
  EXPECT_EQ(read_plain_rows("a\n", "f").lines, Lines{1});
  EXPECT_TRUE(read_plain_rows("", "f").texts.empty());
}

// --- labels

TEST(LabelWords, NumbersAndTruth) {
  EXPECT_EQ(whole_number("3"), 3);
  EXPECT_EQ(whole_number("-1"), -1);
  EXPECT_EQ(whole_number("+2.0"), 2);
  EXPECT_EQ(whole_number("1e2"), 100);
  for (const char* other : {"", "1.5", "nan", "inf", "1e300", "a", "1a", " 1", "0x10", "--1"})
    EXPECT_FALSE(whole_number(other).has_value()) << other;
  EXPECT_EQ(truth_value("True"), true);
  EXPECT_EQ(truth_value("FALSE"), false);
  EXPECT_FALSE(truth_value("tRUE").has_value());
}

class LoadedRows : public testing::Test {
protected:
  TextData load(const std::string& content, const Options& options = {},
                LabelUse use = LabelUse::classes) {
    DataRequest request;
    request.kind = "csv";
    request.location = scratch_.write("f.csv", content);
    request.options = options;
    request.labels = use;
    return load_texts(request);
  }
  hone_test::ScratchDirectory scratch_;
};

TEST_F(LoadedRows, LabelsOfEveryKindAreNumbered) {
  const auto expect = [&](const Texts& labels, const Texts& names, const Labels& numbers) {
    std::string content = "text,label\n";
    for (const std::string& label : labels) content += "t," + label + "\n";
    const TextData data = load(content);
    EXPECT_EQ(data.label_names, names) << content;
    EXPECT_EQ(data.labels, numbers) << content;
  };
  expect({"1", "5", "3", "10"}, {"1", "3", "5", "10"}, {0, 2, 1, 3});
  expect({"1", "-1", "0"}, {"-1", "0", "1"}, {2, 0, 1});
  expect({"2.0", "1.0", "2"}, {"1", "2"}, {1, 0, 1});
  expect({"True", "False", "true"}, {"false", "true"}, {1, 0, 1});
  expect({"b", "a", "B"}, {"B", "a", "b"}, {2, 1, 0});
  expect({"1", "x", "1.0"}, {"1", "1.0", "x"}, {0, 2, 1});
  expect({"7"}, {"7"}, {0});
}

TEST_F(LoadedRows, ValuesAreRealNumbers) {
  const TextData data = load("text,label\na,0.5\nb,-2\nc,1e-3\n", {}, LabelUse::values);
  EXPECT_EQ(data.targets, (std::vector<float>{0.5F, -2.0F, 1e-3F}));
  EXPECT_EQ(data.labels, (Labels{0, 0, 0}));
  EXPECT_TRUE(data.label_names.empty());
  for (const char* bad : {"x", "nan", "inf", "1e39", "true", "0.5x"})
    EXPECT_ERROR(load("text,label\na,0.5\nb," + std::string(bad) + "\n", {}, LabelUse::values),
                 ErrorCode::bad_format, "line 3: column 'label': '" + std::string(bad));
  EXPECT_ERROR(load("text,label\na,\n", {}, LabelUse::values), ErrorCode::bad_format,
               "line 2: column 'label': the value is empty");
  DataRequest reviews;
  reviews.kind = "reviews";
  reviews.labels = LabelUse::values;
  EXPECT_ERROR(load_texts(reviews), ErrorCode::invalid_argument, "has classes");
}

TEST_F(LoadedRows, WithoutLabelsNoneAreAskedFor) {
  const TextData data = load("text\na\n", {}, LabelUse::ignored);
  EXPECT_EQ(data.texts, Texts{"a"});
  EXPECT_EQ(data.labels, Labels{0});
  EXPECT_ERROR(load("text\na\n"), ErrorCode::not_found, "no column 'label'");
}

TEST_F(LoadedRows, EmptyTextsAreSkippedOnRequest) {
  const std::string file = "text,text_pair,label\na,b,1\n ,b,2\nc,,3\nd,e,4\n";
  EXPECT_ERROR(load(file), ErrorCode::bad_format, "line 3: column 'text': the text is empty",
               "skip_empty=true");
  EXPECT_ERROR(load("text,text_pair,label\na,b,1\nc,,3\n"), ErrorCode::bad_format,
               "line 3: column 'text_pair': the text is empty");
  const TextData data = load(file, {{"skip_empty", true}});
  EXPECT_EQ(data.texts, (Texts{"a", "d"}));
  EXPECT_EQ(data.pairs, (Texts{"b", "e"}));
  EXPECT_EQ(data.label_names, (Texts{"1", "4"}));
  EXPECT_EQ(data.lines, (Lines{2, 5}));
  EXPECT_EQ(data.skipped, 2);
  EXPECT_ERROR(load("text,label\n,1\n", {{"skip_empty", true}}), ErrorCode::bad_format,
               "holds no samples");
}

TEST_F(LoadedRows, ColumnsHaveNamesOfTheirOwn) {
  const std::string file = "a,b,c\nx,y,1\nz,w,0\n";
  const Options columns{
      {"text", std::string("a")}, {"text_pair", std::string("b")}, {"label", std::string("c")}};
  EXPECT_EQ(load(file, columns).pairs, (Texts{"y", "w"}));
  EXPECT_ERROR(load(file, {{"text", std::string("c")}, {"label", std::string("c")}}),
               ErrorCode::invalid_argument, "text and data.label both name the column 'c'");
  // The column that is the text is not its pair as well.
  const TextData data = load("text_pair,label\nx,1\ny,0\n", {{"text", std::string("text_pair")}});
  EXPECT_TRUE(data.pairs.empty());
  EXPECT_TRUE(load("text,text_pair,label\na,,1\nb,,0\n", {{"text_pair", std::string("none")}})
                  .pairs.empty());
}

TEST_F(LoadedRows, ASeparatorIsOneCharacter) {
  EXPECT_EQ(load("text;label\na;1\n", {{"separator", std::string(";")}}).texts, Texts{"a"});
  EXPECT_EQ(load("text\tlabel\na\t1\n", {{"separator", std::string("tab")}}).texts, Texts{"a"});
  for (const char* bad : {"", ";;", "\"", "\n", "\xC3\xA9"})
    EXPECT_ERROR(load("text;label\n", {{"separator", std::string(bad)}}),
                 ErrorCode::invalid_argument, "expected one ASCII character or tab");
}

}  // namespace
}  // namespace hone
