// The embedded reviews: reproducible, balanced, and out of reach for a bag of words.
#include "hone/data/review_generator.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "hone/core/philox.hpp"
#include "hone/data/tokenizer.hpp"

namespace hone {
namespace {

TEST(Reviews, SameSeedSameReviews) {
  EXPECT_EQ(generate_reviews(50, 7, ReviewSplit::train).texts,
            generate_reviews(50, 7, ReviewSplit::train).texts);
  EXPECT_NE(generate_reviews(50, 7, ReviewSplit::train).texts,
            generate_reviews(50, 8, ReviewSplit::train).texts);
  EXPECT_NE(generate_reviews(50, 7, ReviewSplit::train).texts,
            generate_reviews(50, 7, ReviewSplit::test).texts);
  const TextData more = generate_reviews(60, 7, ReviewSplit::train);
  EXPECT_TRUE(std::equal(more.texts.begin(), more.texts.begin() + 50,
                         generate_reviews(50, 7, ReviewSplit::train).texts.begin()));
}

TEST(Reviews, HalfIsPositiveAndNoneIsRepeated) {
  const TextData data = generate_reviews(6000, 1, ReviewSplit::train);
  EXPECT_EQ(std::accumulate(data.labels.begin(), data.labels.end(), 0), 3000);
  std::set<std::string> different(data.texts.begin(), data.texts.end());
  EXPECT_EQ(different.size(), 6000u);
  for (const std::string& text : generate_reviews(1000, 1, ReviewSplit::test).texts)
    EXPECT_TRUE(different.insert(text).second) << "in both splits: " << text;
  for (const std::string& text : data.texts) {
    ASSERT_TRUE(text[0] >= 'A' && text[0] <= 'Z') << text;
    ASSERT_EQ(text.find("  "), std::string::npos) << text;
    ASSERT_EQ(text.find('{'), std::string::npos) << text;
  }
}

TEST(Reviews, TheVocabularyCoversThem) {
  const Tokenizer tokenizer = Tokenizer::from_words(review_words());
  const std::int32_t unknown = tokenizer.id("[UNK]");
  for (const std::string& text : generate_reviews(3000, 5, ReviewSplit::train).texts) {
    const std::vector<std::int32_t> ids = tokenizer.encode(text);
    ASSERT_EQ(std::count(ids.begin(), ids.end(), unknown), 0) << text;
    ASSERT_LE(ids.size(), 64u) << text;
    for (const std::int32_t id : ids) ASSERT_FALSE(tokenizer.token(id).starts_with("##")) << text;
  }
  // Other text has pieces down to letters.
  const std::vector<std::int32_t> ids = tokenizer.encode("Zyzzyva, 42 quick foxes!");
  EXPECT_EQ(std::count(ids.begin(), ids.end(), unknown), 0);
}

// Logistic regression on the counts of the words, by gradient descent with weight decay.
double bag_of_words_accuracy(const TextData& train, const TextData& test) {
  const Tokenizer tokenizer = Tokenizer::from_words(review_words());
  std::vector<double> weights(static_cast<std::size_t>(tokenizer.vocab_size()), 0.0);
  const auto score = [&](const std::vector<std::int32_t>& ids) {
    double sum = 0;
    for (const std::int32_t id : ids) sum += weights[static_cast<std::size_t>(id)];
    return sum;
  };
  const auto encode = [&](const TextData& data) {
    std::vector<std::vector<std::int32_t>> all;
    for (const std::string& text : data.texts) all.push_back(tokenizer.encode(text));
    return all;
  };
  const auto samples = encode(train);
  RandomStream random(1, 0);
  for (int step = 0; step < 30 * 6000; ++step) {
    const auto i = random.below(static_cast<std::uint32_t>(samples.size()));
    const double rate = 0.05 / (1.0 + step / 20000.0);
    const double error = train.labels[i] - 1.0 / (1.0 + std::exp(-score(samples[i])));
    for (const std::int32_t id : samples[i]) {
      double& weight = weights[static_cast<std::size_t>(id)];
      weight += rate * (error - 1e-3 * weight);
    }
  }
  int right = 0;
  const auto held_out = encode(test);
  for (std::size_t i = 0; i < held_out.size(); ++i)
    right += (score(held_out[i]) > 0) == (test.labels[i] == 1) ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(held_out.size());
}

TEST(Reviews, ABagOfWordsStaysUnderEightyPercent) {
  const double accuracy = bag_of_words_accuracy(generate_reviews(6000, 1, ReviewSplit::train),
                                                generate_reviews(2000, 1, ReviewSplit::test));
  EXPECT_LT(accuracy, 0.80);
  EXPECT_GT(accuracy, 0.55) << "the words should help a little, or learning never starts";
}

}  // namespace
}  // namespace hone
