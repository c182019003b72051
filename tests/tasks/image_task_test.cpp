// Pictures as a task: what a network reads, and what changes at random while it is trained.
#include <cmath>
#include <numeric>

#include "hone/data/dataset.hpp"
#include "hone/tasks/classes.hpp"
#include "hone/tasks/task.hpp"
#include "support/expect_error.hpp"

namespace hone_test {
namespace {

using namespace hone;

using Numbers = std::vector<std::int64_t>;
using Floats = std::vector<float>;

// Grey pictures of 3 x 4: the place's number times 10, plus 1 for each picture.
TokenizedData pictures(std::int64_t count) {
  TokenizedData data;
  data.image = {1, 3, 4, 3, {0.5f}, {0.25f}};
  data.label_names = {"a", "b", "c"};
  for (std::int64_t n = 0; n < count; ++n) {
    data.labels.push_back(static_cast<std::int32_t>(n % 3));
    for (std::int64_t p = 0; p < 12; ++p)
      data.pixels.push_back(static_cast<std::uint8_t>(10 * p + n));
  }
  return data;
}

Samples pictures_for(const TokenizedData& data) {
  return {&find_task("image_classification"), data};
}

Floats numbers_of(const Inputs& inputs) {
  const auto values = inputs.at("pixel_values").span<float>();
  return {values.begin(), values.end()};
}

float number(int byte) { return (static_cast<float>(byte) / 255 - 0.5f) / 0.25f; }

TEST(Pictures, BecomeNumbers) {
  const TokenizedData data = pictures(4);
  const Inputs batch = pictures_for(data).training_inputs(Numbers{3, 1});
  EXPECT_EQ(batch.at("pixel_values").shape(), (Shape{2, 1, 3, 4}));
  const Floats values = numbers_of(batch);
  for (int p = 0; p < 12; ++p) {
    EXPECT_NEAR(values[static_cast<std::size_t>(p)], number(10 * p + 3), 1e-6);
    EXPECT_NEAR(values[static_cast<std::size_t>(12 + p)], number(10 * p + 1), 1e-6);
  }
  EXPECT_EQ(batch.at("labels").as<std::int32_t>()[0], 0);
  EXPECT_EQ(batch.size(), 2u);
  EXPECT_ERROR(pictures_for(data).inputs(Numbers{4}), ErrorCode::invalid_argument,
               "sample 4 does not exist");
}

TEST(Pictures, ChannelsComeApart) {
  TokenizedData data;
  data.image = {3, 1, 2, 1, {0, 0, 0}, {1, 0.5f, 0.25f}};
  data.label_names = {"a", "b"};
  data.labels = {0};
  data.pixels = {255, 255, 255, 0, 51, 102};
  const Floats values = numbers_of(pictures_for(data).inputs(Numbers{0}));
  const Floats expected{1, 0, 2, 0.4f, 4, 1.6f};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(values[i], expected[i], 1e-6);
}

TEST(Pictures, AreMovedAndMirrored) {
  const TokenizedData data = pictures(1);
  Numbers all(200, 0);
  const Augmentation wanted{.crop = 1, .flip = true, .seed = 5, .draw = 3};
  const Floats values = numbers_of(pictures_for(data).training_inputs(all, {}, wanted));
  EXPECT_EQ(values, numbers_of(pictures_for(data).training_inputs(all, {}, wanted)));
  Augmentation later = wanted;
  later.draw = 4;
  EXPECT_NE(values, numbers_of(pictures_for(data).training_inputs(all, {}, later)));
  // Each is one of the 18 pictures there can be; all of them come.
  std::vector<int> seen(18);
  for (std::size_t n = 0; n < all.size(); ++n) {
    int found = -1;
    for (int kind = 0; kind < 18; ++kind) {
      const int down = kind / 6 - 1, right = kind / 2 % 3 - 1;
      bool same = true;
      for (int y = 0; y < 3; ++y)
        for (int x = 0; x < 4; ++x) {
          const int from_y = y + down, from_x = (kind % 2 == 1 ? 3 - x : x) + right;
          const bool inside = from_y >= 0 && from_y < 3 && from_x >= 0 && from_x < 4;
          const float expected = number(inside ? 10 * (4 * from_y + from_x) : 0);
          same = same &&
                 std::abs(values[n * 12 + static_cast<std::size_t>(4 * y + x)] - expected) < 1e-5;
        }
      if (same) found = kind;
    }
    ASSERT_GE(found, 0) << "picture " << n;
    ++seen[static_cast<std::size_t>(found)];
  }
  for (const int count : seen) EXPECT_GT(count, 0);
}

TEST(Pictures, AreMixedWithTheirLabels) {
  const TokenizedData data = pictures(30);
  Numbers all(30);
  std::iota(all.begin(), all.end(), 0);
  const Augmentation wanted{.mixup = 1, .seed = 5, .draw = 3};
  const Inputs batch = pictures_for(data).training_inputs(all, {{}, true}, wanted);
  const float share = batch.at("mix").as<float>()[0];
  EXPECT_GT(share, 0);
  EXPECT_LT(share, 1);
  EXPECT_FLOAT_EQ(batch.at("mix_rest").as<float>()[0], 1 - share);
  const Floats values = numbers_of(batch);
  std::vector<int> taken(30);
  for (int n = 0; n < 30; ++n) {
    // 10 p + n mixed with 10 p + m: m follows from any place.
    const float byte = (values[static_cast<std::size_t>(12 * n + 5)] * 0.25f + 0.5f) * 255;
    const auto m = std::lround((byte - 50 - share * static_cast<float>(n)) / (1 - share));
    ASSERT_GE(m, 0);
    ASSERT_LT(m, 30);
    EXPECT_EQ(batch.at("mixed_labels").as<std::int32_t>()[n], m % 3);
    ++taken[static_cast<std::size_t>(m)];
  }
  EXPECT_EQ(taken, std::vector<int>(30, 1)) << "every picture is mixed in once";
  // Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)).
  for (const double a : {0.2, 2.0}) {
    double sum = 0, squares = 0;
    constexpr int draws = 600;
    for (std::uint32_t d = 0; d < draws; ++d) {
      const Augmentation one{.mixup = a, .seed = 1, .draw = d};
      const double x =
          pictures_for(data).training_inputs(Numbers{0}, {{}, true}, one).at("mix").as<float>()[0];
      sum += x;
      squares += x * x;
    }
    const double mean = sum / draws, variance = squares / draws - mean * mean;
    EXPECT_NEAR(mean, 0.5, 0.07);
    EXPECT_NEAR(variance, 1 / (4 * (2 * a + 1)), 0.02);
  }
}

TEST(Pictures, MixedLossesAreRefusedWithWeights) {
  const Task& task = find_task("image_classification");
  EXPECT_ERROR(task.check_loss({{1, 2, 3}, true}, 3), ErrorCode::invalid_argument,
               "mixup and class_weights are both given");
  EXPECT_EQ(task.augment == nullptr, false);
  EXPECT_EQ(find_task("text_classification").augment, nullptr);
}

}  // namespace
}  // namespace hone_test
