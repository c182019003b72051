#include "hone/core/json.hpp"

#include <cmath>
#include <limits>
#include <map>

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

TEST(Json, ALineOfAFileSaysWhich) {
  const auto message = [](const char* text) {
    try {
      parse_json(text, "f.jsonl", 64, 7);
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  EXPECT_EQ(message("{\"a\": 1}"), "");
  EXPECT_EQ(message("{\"a\": }").rfind("f.jsonl: line 7, column 7: not valid JSON", 0), 0u);
  EXPECT_EQ(message("").rfind("f.jsonl: line 7, column 1: not valid JSON", 0), 0u);
  EXPECT_EQ(message("{\"a\": 1, \"a\": 2}"), "f.jsonl: line 7: key 'a' is given twice");
  EXPECT_TRUE(parse_json_or_null("{\"torn").is_null());
  EXPECT_EQ(parse_json_or_null("[1]").size(), 1u);
}

// The library alone is the measure: what it reads and prints, Json reads and prints.
TEST(Json, ReadsAndPrintsAsTheLibraryDoes) {
  for (const char* text : {"null",
                           "true",
                           "-0",
                           "0",
                           "-1",
                           "9223372036854775807",
                           "9223372036854775808",
                           "18446744073709551615",
                           "-9223372036854775808",
                           "1.0",
                           "-0.0",
                           "0.1",
                           "1e300",
                           "5e-324",
                           "123456789012345678901234567890",
                           R"("")",
                           R"("a\"\\\n\u0001\u00e4\ud83d\ude00")",
                           "[]",
                           "{}",
                           "[[],{},[[]],0]",
                           R"({"b":1,"a":{"z":[1,2,{"y":null}],"":false}})"}) {
    const Json json = parse_json(text, text);
    const auto wanted = nlohmann::json::parse(text);
    EXPECT_EQ(json.dump(), wanted.dump());
    EXPECT_EQ(json.dump(2), wanted.dump(2));
    EXPECT_EQ(json.dump(-1, true), wanted.dump(-1, ' ', true));
    EXPECT_EQ(json, parse_json(json.dump(1)));
  }
}

TEST(Json, BracesGuessArrayOrObject) {
  EXPECT_EQ(Json({{"a", 1}, {"b", {1, 2}}}).dump(), R"({"a":1,"b":[1,2]})");
  EXPECT_EQ(Json({"a", 1}).dump(), R"(["a",1])");
  EXPECT_EQ(Json({{"a", 1}, {2, 3}}).dump(), R"([["a",1],[2,3]])");
  EXPECT_EQ(Json::array({{"a", 1}}).dump(), R"([["a",1]])");
  EXPECT_EQ(Json::object().dump(), "{}");
  EXPECT_EQ(Json(std::vector<std::string>{"x"}).dump(), R"(["x"])");
  EXPECT_EQ(Json(std::map<std::string, double>{{"x", 0.5}}).dump(), R"({"x":0.5})");
  EXPECT_EQ(Json(std::nan("")).dump(), "null");
  EXPECT_EQ(Json("\xff").dump(), "\"\xef\xbf\xbd\"");
}

TEST(Json, IsOneValue) {
  Json json;
  json["list"].push_back(1);
  json["list"].push_back("two");
  json["name"] = "x";
  json["self"] = Json(json);  // what it was
  json = json["self"];        // part of itself
  EXPECT_EQ(json.dump(), R"({"list":[1,"two"],"name":"x"})");
  json.erase("name");
  json.erase("nothing");
  EXPECT_EQ(json.size(), 1u);
  EXPECT_TRUE(Json().empty());
  EXPECT_EQ(Json(1), Json(1.0));
  EXPECT_EQ(Json(7u), Json(7));
  EXPECT_FALSE(Json(1) == Json(true));
  EXPECT_FALSE(Json(std::numeric_limits<std::uint64_t>::max()) == Json(-1));
  EXPECT_EQ(parse_json("[1, 2, 3]").get<std::vector<int>>(), (std::vector<int>{1, 2, 3}));
}

TEST(Json, ReadingItAsWhatItIsNotIsAnError) {
  const auto message = [](const auto& read) {
    try {
      read();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_format);
      return error.message();
    }
    return std::string("no error");
  };
  const Json json{{"text", "x"}, {"real", 1.5}, {"large", 300}, {"negative", -1}, {"list", {1}}};
  EXPECT_EQ(message([&] { json.at("text").get<int>(); }), "expected an integer, found a text");
  EXPECT_EQ(message([&] { json.at("real").get<int>(); }), "expected an integer, found a number");
  EXPECT_EQ(message([&] { json.at("large").get<std::int8_t>(); }),
            "expected an integer from -128 to 127, found 300");
  EXPECT_EQ(message([&] { json.at("negative").get<unsigned>(); }),
            "expected an integer from 0 to 4294967295, found -1");
  EXPECT_EQ(message([&] { json.at("list").get<std::string>(); }),
            "expected a text, found an array");
  EXPECT_EQ(message([&] { json.at("list")[1].get<int>(); }),
            "expected an array of more than 1 elements, found 1");
  EXPECT_EQ(message([&] { json.at("nothing"); }), "key 'nothing' is missing");
  EXPECT_EQ(message([&] { json.at("text").at("deeper"); }), "expected an object, found a text");
  EXPECT_EQ(message([&] { json.value("text", 1); }), "expected an integer, found a text");
  EXPECT_EQ(json.value("nothing", 1), 1);
  EXPECT_EQ(json.find_member("nothing"), nullptr);
  EXPECT_EQ(json.at("text").find_member("x"), nullptr);
}

TEST(Json, ObjectsInAGivenOrder) {
  EXPECT_EQ(ordered_object({{"z", 1}, {"a \"b\"", {{"k", true}}}}),
            R"({"z":1,"a \"b\"":{"k":true}})");
  EXPECT_EQ(ordered_object({}), "{}");
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
