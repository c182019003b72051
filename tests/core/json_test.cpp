#include "hone/core/json.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

std::string message_of(const std::string& text, int depth = 64) {
  try {
    parse_json(text, "f.json", depth);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_format);
    return error.message();
  }
  return "";
}

TEST(Json, ReadsWhatIsValid) {
  EXPECT_EQ(parse_json(R"({"a": [1, 2.5, "x", null], "b": {"a": true}})", "f")["b"]["a"], true);
  EXPECT_EQ(parse_json("[[1]]", "f", 2)[0][0], 1);
}

TEST(Json, NamesThePlace) {
  EXPECT_EQ(
      message_of("{\n  \"a\": 1,\n  oops\n}").rfind("f.json: line 3, column 3: not valid JSON", 0),
      0u);
  EXPECT_EQ(message_of("").rfind("f.json: line 1, column 1: not valid JSON", 0), 0u);
  EXPECT_NE(message_of("{\"a\": 1} x"), "");
  EXPECT_NE(message_of("\"\xff\""), "");
  EXPECT_NE(message_of("1e999"), "");
}

TEST(Json, RefusesRepeatedKeysAndDepth) {
  EXPECT_EQ(message_of(R"({"a": {"b": 1}, "c": [{"b": 1}, {"b": 2}], "a": 2})"),
            "f.json: key 'a' is given twice");
  EXPECT_EQ(message_of(R"({"a": [{"b": 1, "b": 1}]})"), "f.json: key 'b' is given twice");
  EXPECT_EQ(message_of("[[[]]]", 2), "f.json: JSON nested deeper than 2 levels");
  EXPECT_EQ(message_of(std::string(1'000'000, '[')), "f.json: JSON nested deeper than 64 levels");
}

TEST(Text, PrintableIsFitForAMessage) {
  EXPECT_EQ(printable("plain \xc3\xa4"), "plain \xc3\xa4");
  EXPECT_EQ(printable("a\x1b[2J\n\x7f"), "a?[2J??");
  EXPECT_EQ(printable("\xff\xc3"), "??");
  EXPECT_EQ(printable(std::string(200, 'x'), 3), "xxx...");
  // The limit falls inside a character of two bytes: it goes as a whole.
  EXPECT_EQ(printable("ab\xc3\xa4z", 3), "ab...");
  EXPECT_EQ(printable("ab\xc3\xa4z", 4), "ab\xc3\xa4...");
}

}  // namespace
}  // namespace hone
