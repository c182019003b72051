#include "hone/core/text.hpp"

#include <gtest/gtest.h>

namespace hone {
namespace {

TEST(Nearest, OfEquallyNearWordsThatWhichBeginsAlike) {
  const std::vector<std::string> words{"prune", "train", "grain"};
  EXPECT_EQ(hone::nearest("trane", words), "train");
  EXPECT_EQ(hone::nearest("pruen", words), "prune");
  EXPECT_EQ(hone::nearest("zzzzz", words), "");
}

TEST(FindInvalidUtf8, FindsTheByteWhereverItLies) {
  // Around the eight bytes that are skipped at once.
  for (std::size_t before = 0; before < 40; ++before) {
    for (std::size_t after = 0; after < 20; ++after) {
      const std::string head(before, 'a');
      const std::string tail(after, 'b');
      EXPECT_EQ(find_invalid_utf8(head + "\xC3\xA9" + tail), std::string::npos);
      EXPECT_EQ(find_invalid_utf8(head + "\xFF" + tail), before);
      EXPECT_EQ(find_invalid_utf8(head + "\xC3" + tail), before);
    }
  }
}

TEST(FindInvalidUtf8, RefusesOverlongFormsSurrogatesAndWhatLiesBeyondUnicode) {
  for (const char* bad :
       {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\x80", "\xE2\x82"})
    EXPECT_EQ(find_invalid_utf8(bad), 0u);
  for (const char* good : {"\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_EQ(find_invalid_utf8(good), std::string::npos);
}

}  // namespace
}  // namespace hone
