// The embedded data set: movie reviews made by a seeded grammar. Polar words alone do not tell the
// label: they come negated ("hardly a masterpiece"), contrasted ("although the cast was great, the
// story was dull") and out of other mouths ("the critics called it awful, but I loved it"), so a
// bag of words stays under 80 % while the order of the words decides every review.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/data/dataset.hpp"

namespace hone {

enum class ReviewSplit { train, test };

// `count` reviews, every second one positive, the same for the same (seed, split). No text of the
// train split can occur in the test split, whatever the seeds; within a split a text is repeated
// only once the grammar has little left that is new.
TextData generate_reviews(std::int64_t count, std::uint64_t seed, ReviewSplit split);

// The vocabulary of the reviews for Tokenizer::from_words: the special tokens, every word the
// grammar can write, and single characters, so that other English text has pieces too.
std::vector<std::string> review_words();

}  // namespace hone
