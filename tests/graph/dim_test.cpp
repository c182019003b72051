// Sizes that are not known yet: sums, products and quotients against numbers.
#include <random>

#include <gtest/gtest.h>

#include "hone/graph/dim.hpp"
#include "support/expect_error.hpp"

namespace hone_test {
namespace {

using namespace hone;

// A size and what it comes to for some sizes of B, S and H.
struct Known {
  Dim dim;
  std::int64_t value;
};

TEST(Dim, EqualSizesHaveEqualTexts) {
  const Dim b("B"), s("S"), h("H");
  EXPECT_EQ(multiply(b, s), multiply(s, b));
  EXPECT_EQ(multiply(add(b, 1), add(b, Dim(-1))), subtract(multiply(b, b), Dim(1)));
  EXPECT_EQ(to_string(multiply(add(b, 2), Dim(3))), "3*B+6");
  EXPECT_EQ(subtract(add(b, s), b), s);
  EXPECT_EQ(to_string(divide_down(add(h, Dim(1)), 2)), "floor((H+1)/2)");
  EXPECT_EQ(divide_down(multiply(h, Dim(4)), 2), multiply(h, Dim(2)));
  EXPECT_EQ(to_string(divide_down(add(multiply(h, Dim(4)), Dim(7)), 2)), "2*H+3");
  EXPECT_EQ(divide_exactly(multiply(multiply(b, s), Dim(64)), multiply(s, Dim(8))),
            multiply(b, Dim(8)));
  EXPECT_ERROR(divide_exactly(b, s), ErrorCode::invalid_argument, "not divided evenly");
  EXPECT_EQ(multiply(b, Dim(0)), Dim(0));
}

TEST(Dim, ArithmeticIsThatOfNumbers) {
  std::mt19937 random(7);
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 300; ++round) {
    const DimSizes sizes{{"B", draw(1, 9)}, {"S", draw(1, 9)}, {"H", draw(1, 40)}};
    std::vector<Known> known{{Dim("B"), sizes.at("B")},
                             {Dim("S"), sizes.at("S")},
                             {Dim("H"), sizes.at("H")},
                             {Dim(3), 3}};
    for (int i = 0; i < 5; ++i) {
      const Known a = known[static_cast<std::size_t>(draw(0, static_cast<int>(known.size()) - 1))];
      const Known b = known[static_cast<std::size_t>(draw(0, static_cast<int>(known.size()) - 1))];
      const int by = draw(1, 5);
      Known made;
      switch (draw(0, 3)) {
        case 0: made = {add(a.dim, b.dim), a.value + b.value}; break;
        case 1: made = {subtract(add(a.dim, b.dim), b.dim), a.value}; break;
        case 2: made = {divide_down(a.dim, by), a.value / by}; break;
        default: made = {multiply(a.dim, b.dim), a.value * b.value}; break;
      }
      ASSERT_EQ(evaluate(made.dim, sizes), made.value) << to_string(made.dim);
      ASSERT_EQ(parse_dim(to_string(made.dim)), made.dim) << to_string(made.dim);
      if (made.value < 1000000) known.push_back(made);
    }
  }
}

TEST(Dim, BadTextsAreRefused) {
  for (const char* text : {"", "B+", "2**B", "floor(B)", "floor(B/0)", "B S", "(B", "-", "B/2",
                           "99999999999999999999", "floor(B/2"})
    EXPECT_ERROR(parse_dim(text), ErrorCode::bad_format, "is no size");
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "floor((1+";
  EXPECT_ERROR(parse_dim(deep), ErrorCode::bad_format, "is no size");
  const Dim large(std::int64_t{1} << 62);
  EXPECT_ERROR(multiply(large, Dim(4)), ErrorCode::invalid_argument, "too large");
  EXPECT_ERROR(evaluate(parse_dim("B-5"), {{"B", 3}}), ErrorCode::invalid_argument, "comes to -2");
  EXPECT_ERROR(evaluate(Dim("C"), {{"B", 3}}), ErrorCode::invalid_argument, "has no size");
  EXPECT_EQ(to_string(parse_dims("T,floor((H+1)/2),64")), "T,floor((H+1)/2),64");
  EXPECT_TRUE(parse_dims("").empty());
}

}  // namespace
}  // namespace hone_test
