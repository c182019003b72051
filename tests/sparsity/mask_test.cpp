// Masks against a plain full sort, and what must hold whatever the granularity.
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "hone/core/philox.hpp"
#include "hone/sparsity/detail/mase.hpp"
#include "hone/sparsity/mask.hpp"
#include "hone/sparsity/pruner.hpp"
#include "support/expect_error.hpp"

namespace hone_test {
namespace {

using namespace hone;

Tensor normal(Shape shape, std::uint64_t seed) {
  Tensor x(DType::f32, std::move(shape));
  RandomStream random(seed, 1);
  for (float& v : x.span<float>()) v = static_cast<float>(random.normal());
  return x;
}

// Few different values: ties everywhere.
Tensor coarse(Shape shape, std::uint64_t seed) {
  Tensor x(DType::f32, std::move(shape));
  RandomStream random(seed, 2);
  for (float& v : x.span<float>()) v = static_cast<float>(random.below(4));
  return x;
}

std::vector<int> values(const Tensor& mask) {
  const auto span = mask.span<std::uint8_t>();
  return {span.begin(), span.end()};
}

// Drops by a stable sort of all: the lowest first, of equal ones the last.
std::vector<int> brute_force(const std::vector<float>& scores, double sparsity) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.rbegin(), order.rend(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  std::vector<int> mask(scores.size(), 1);
  const auto count =
      static_cast<std::size_t>(std::lround(sparsity * static_cast<double>(scores.size())));
  for (std::size_t i = 0; i < count; ++i) mask[order[i]] = 0;
  return mask;
}

std::vector<float> list(const Tensor& x) {
  const auto span = x.span<float>();
  return {span.begin(), span.end()};
}

MaskOptions options_of(double sparsity, const std::string& granularity = "element",
                       MaskScope scope = MaskScope::local) {
  MaskOptions options;
  options.sparsity = sparsity;
  options.granularity = parse_mask_granularity(granularity);
  options.scope = scope;
  options.allow_empty = true;
  return options;
}

TEST(Masks, ElementsAsAFullSortDropsThem) {
  for (const bool ties : {false, true})
    for (const Shape& shape : {Shape{1, 1}, Shape{1, 7}, Shape{33, 17}, Shape{40, 64}})
      for (const double sparsity : {0.0, 0.1, 0.25, 0.5, 0.73, 0.99, 1.0}) {
        const Tensor x = ties ? coarse(shape, 3) : normal(shape, 4);
        EXPECT_EQ(values(make_masks({{"x", x}}, options_of(sparsity))[0]),
                  brute_force(list(x), sparsity));
      }
}

TEST(Masks, GloballyTheLowestOfAllGo) {
  const Tensor a = coarse({9, 5}, 1), b = normal({4, 8}, 2), none(DType::f32, {0, 4});
  for (const double sparsity : {0.0, 0.3, 0.5, 0.9}) {
    const auto masks = make_masks({{"a", a}, {"none", none}, {"b", b}},
                                  options_of(sparsity, "element", MaskScope::global));
    std::vector<float> all = list(a);
    for (const float v : list(b)) all.push_back(v);
    std::vector<int> got = values(masks[0]);
    for (const int v : values(masks[2])) got.push_back(v);
    EXPECT_EQ(got, brute_force(all, sparsity));
  }
}

// Numbers of a group live and die together, and exactly round(s n) groups go.
TEST(Masks, GroupsGoWholeAndExactlyCounted) {
  struct Case {
    const char* text;
    std::int64_t height, width;
  };
  for (const auto& [text, height, width] :
       {Case{"row", 1, 32}, {"column", 16, 1}, {"4x4", 4, 4}, {"1x8", 1, 8}, {"16x16", 16, 16}})
    for (const bool squares : {false, true})
      for (const double sparsity : {0.0, 0.2, 0.5, 0.9}) {
        SCOPED_TRACE(std::string(text) + " " + std::to_string(sparsity));
        const Tensor x = normal({16, 32}, 7);
        Tensor magnitudes = x.clone();
        for (float& v : magnitudes.span<float>()) v = std::fabs(v);
        MaskOptions options = options_of(sparsity, text);
        options.root_mean_square = squares;
        const Tensor mask = make_masks({{"x", magnitudes}}, options)[0];
        std::vector<float> norms;
        std::vector<int> kept;
        for (std::int64_t r = 0; r < 16; r += height)
          for (std::int64_t c = 0; c < 32; c += width) {
            double norm = 0;
            int alive = 0;
            for (std::int64_t i = r; i < r + height; ++i)
              for (std::int64_t j = c; j < c + width; ++j) {
                const double v = x.as<float>()[i * 32 + j];
                norm += squares ? v * v : std::fabs(v);
                alive += mask.as<std::uint8_t>()[i * 32 + j];
              }
            EXPECT_TRUE(alive == 0 || alive == height * width);
            norms.push_back(static_cast<float>(norm));
            kept.push_back(alive > 0);
          }
        EXPECT_EQ(kept, brute_force(norms, sparsity));
      }
}

TEST(Masks, OfEveryFourTheTwoLargestStay) {
  for (const bool ties : {false, true}) {
    const Tensor x = ties ? coarse({6, 12}, 5) : normal({6, 12}, 5);
    const Tensor mask = make_masks({{"x", x}}, options_of(0.5, "2:4"))[0];
    for (std::int64_t at = 0; at < x.size(); at += 4) {
      const std::vector<float> four(x.as<float>() + at, x.as<float>() + at + 4);
      const std::vector<int> got(mask.as<std::uint8_t>() + at, mask.as<std::uint8_t>() + at + 4);
      EXPECT_EQ(got, brute_force(four, 0.5));
    }
  }
  EXPECT_EQ(dropped_count(make_masks({{"x", normal({2, 8}, 1)}}, options_of(0.75, "1:4"))[0]), 12);
}

// A head is rows of some weights and columns of another.
TEST(Masks, StructuresSpanWeights) {
  Tensor a(DType::f32, {4, 2}), b(DType::f32, {2, 4});
  for (std::int64_t i = 0; i < 8; ++i) a.as<float>()[i] = 1, b.as<float>()[i] = 1;
  for (std::int64_t i = 0; i < 4; ++i) a.as<float>()[i] = 0.1f;  // rows 0 and 1: the first group
  const std::vector<std::vector<MaskGroup>> families{
      {{{0, 0, 2, 0, 2}, {1, 0, 2, 0, 2}}, {{0, 2, 2, 0, 2}, {1, 0, 2, 2, 2}}}};
  const auto masks = make_masks({{"a", a}, {"b", b}}, options_of(0.5, "head"), families);
  EXPECT_EQ(values(masks[0]), (std::vector<int>{0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(values(masks[1]), (std::vector<int>{0, 0, 1, 1, 0, 0, 1, 1}));
}

// The counts grow with the sparsity, and what was dropped before stays dropped.
TEST(Masks, WhatIsDroppedStaysDropped) {
  const Tensor x = normal({16, 16}, 11);
  for (const char* granularity : {"element", "row", "4x4"}) {
    Tensor before;
    for (const double sparsity : {0.1, 0.4, 0.6, 0.9}) {
      const Tensor scores = normal({16, 16}, static_cast<std::uint64_t>(1000 * sparsity));
      const Tensor mask = make_masks({{"x", scores, before}}, options_of(sparsity, granularity))[0];
      for (std::int64_t i = 0; i < x.size() && !before.empty(); ++i)
        EXPECT_LE(mask.as<std::uint8_t>()[i], before.as<std::uint8_t>()[i]);
      before = mask;
    }
  }
}

// What is empty already was not left so by this.
TEST(Masks, WhatIsEmptyStaysSo) {
  const Tensor x = normal({4, 4}, 3);
  Tensor none(DType::u8, {4, 4}), some(DType::u8, {4, 4});
  std::memset(none.data(), 0, none.bytes());
  std::memset(some.data(), 0, some.bytes());
  some.as<std::uint8_t>()[5] = 1;
  const auto strict = [](double sparsity, const char* granularity) {
    MaskOptions options = options_of(sparsity, granularity);
    options.allow_empty = false;
    return options;
  };
  for (const char* granularity : {"element", "row", "2:4"}) {
    const auto masks = make_masks({{"x", x}, {"y", x, none}}, strict(0.5, granularity));
    EXPECT_EQ(dropped_count(masks[0]), 8);
    EXPECT_EQ(dropped_count(masks[1]), 16);
  }
  EXPECT_ERROR(make_masks({{"y", x, some}}, strict(1, "element")), ErrorCode::invalid_argument,
               "y");
}

TEST(Masks, RefuseWhatCannotBe) {
  const Tensor x = normal({6, 10}, 1);
  for (const double sparsity : {-0.1, 1.1, std::nan("")})
    EXPECT_ERROR(make_masks({{"x", x}}, options_of(sparsity)), ErrorCode::invalid_argument,
                 "outside 0 to 1");
  EXPECT_ERROR(make_masks({{"enc.w", x}}, options_of(0.5, "2:4")), ErrorCode::invalid_argument,
               "enc.w");
}

TEST(Masks, RefuseWhatDoesNotDivideIsEmptyOrNoNumber) {
  const Tensor x = normal({6, 10}, 1);
  EXPECT_ERROR(make_masks({{"enc.w", x}}, options_of(0.5, "4x4")), ErrorCode::invalid_argument,
               "enc.w");
  EXPECT_ERROR(make_masks({{"enc.w", x}}, options_of(0.3, "2:5")), ErrorCode::invalid_argument,
               "0.6");
  Tensor damaged = x.clone();
  damaged.as<float>()[13] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_ERROR(make_masks({{"enc.w", damaged}}, options_of(0.5)), ErrorCode::numeric, "enc.w");
  MaskOptions strict = options_of(1.0);
  strict.allow_empty = false;
  EXPECT_ERROR(make_masks({{"enc.w", x}}, strict), ErrorCode::invalid_argument, "enc.w");
  EXPECT_ERROR(make_masks({{"w", x, Tensor(DType::u8, {6, 9})}}, options_of(0.5)),
               ErrorCode::invalid_argument, "[6,9]");
  // Global: one weight far smaller than the other is emptied, and refused by name.
  Tensor tiny = x.clone();
  for (float& v : tiny.span<float>()) v = 1e-6f;
  strict = options_of(0.5, "element", MaskScope::global);
  strict.allow_empty = false;
  Tensor large = normal({6, 10}, 2);
  for (float& v : large.span<float>()) v = 1;
  EXPECT_ERROR(make_masks({{"big", large}, {"small", tiny}}, strict), ErrorCode::invalid_argument,
               "small");
  strict.allow_empty = true;
  EXPECT_EQ(mask_sparsity(make_masks({{"big", large}, {"small", tiny}}, strict)[1]), 1.0);
}

TEST(Masks, GranularitiesPrintAndParse) {
  for (const char* text :
       {"element", "row", "column", "head", "neuron", "layer", "2:4", "1:8", "4x4", "16x32"})
    EXPECT_EQ(to_string(parse_mask_granularity(text)), text);
  for (const char* text :
       {"", "rows", "4:4", "5:4", "0:4", "4x", "x4", "4x-1", "4x0", "2:4:8", "99999999x1", "4 x4"})
    EXPECT_ERROR(parse_mask_granularity(text), ErrorCode::invalid_argument, "granularity");
}

TEST(Pruners, ScoresFollowTheirFormulas) {
  const Tensor w = normal({3, 4}, 1), g = normal({3, 4}, 2);
  const Tensor norms = Tensor::from<float>(DType::f32, {4}, std::vector<float>{1, 2, 3, 0});
  for (const Pruner& pruner : pruner_table()) {
    PrunerCall call{w, &norms, &g, 7, 3};
    const Tensor scores = score_weight(pruner, call);
    for (std::int64_t i = 0; i < w.size(); ++i) {
      const float a = w.as<float>()[i], b = g.as<float>()[i], score = scores.as<float>()[i];
      if (pruner.name == "l1" || pruner.name == "l2") EXPECT_EQ(score, std::fabs(a));
      if (pruner.name == "movement") EXPECT_EQ(score, -(a * b));
      if (pruner.name == "snip") EXPECT_EQ(score, std::fabs(a * b));
      if (pruner.name == "wanda") EXPECT_EQ(score, std::fabs(a) * norms.as<float>()[i % 4]);
    }
    call.stream = 4;
    const bool same = list(score_weight(pruner, call)) == list(scores);
    EXPECT_EQ(same, pruner.name != "random");
    call.gradient = call.input_norms = nullptr;
    if (pruner.needs != PrunerNeeds::nothing)
      EXPECT_ERROR(score_weight(pruner, call), ErrorCode::invalid_argument, pruner.name);
  }
  EXPECT_EQ(pruner_table().size(), 6u);
  EXPECT_ERROR(find_pruner("l1-norm"), ErrorCode::invalid_argument, "l1-norm");
}

// The share of a uniform draw is what binomial counting allows.
TEST(MaseMasks, QuantilesAndDraws) {
  const std::vector<float> ten{3, 1, 4, 10, 5, 9, 2, 6, 8, 7};
  const Tensor x = Tensor::from<float>(DType::f32, {10}, ten);
  // Measured of the original (floor((n - 1) s) + 1 go).
  const double shares[] = {0, .1, .2, .3, .5, .55, .9, 1};
  const int dropped[] = {1, 1, 2, 3, 5, 5, 9, 10};
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(dropped_count(mase::above(x, mase::magnitude_quantile({&x}, shares[i]))), dropped[i]);
  const Tensor constant = Tensor::from<float>(DType::f32, {3}, std::vector<float>{2, -2, 2});
  EXPECT_EQ(dropped_count(mase::above(constant, mase::magnitude_quantile({&constant}, 0.1))), 3);
  const Tensor odd = Tensor::from<float>(DType::f32, {2}, std::vector<float>{NAN, 1});
  EXPECT_EQ(dropped_count(mase::above(odd, mase::magnitude_quantile({&odd}, 0.1))), 2);
  const Tensor drawn = mase::drawn({100, 100}, 0.3, 1, 2);
  EXPECT_NEAR(mask_sparsity(drawn), 0.3, 5 * std::sqrt(0.21 / 1e4));
  EXPECT_NE(dropped_count(drawn), 3000) << "the share is right on average only";
}

}  // namespace
}  // namespace hone_test
