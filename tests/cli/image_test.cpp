// Pictures from the command line: trained on, measured, predicted, and refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "support/picture_files.hpp"

namespace hone_test {
namespace {

using testing::HasSubstr;

std::vector<std::string> train_pictures(std::vector<std::string> more) {
  std::vector<std::string> words{"train", "small-cnn", "--data", "shapes", "--out", "run"};
  for (const char* setting : {"data.samples=60", "image_size=8", "channels=2"}) {
    words.emplace_back("--set");
    words.emplace_back(setting);
  }
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(Pictures, AreTrainedOnMeasuredAndPredicted) {
  const ScratchDirectory scratch;
  const Outcome train = run_hone(
      scratch, train_pictures({"--steps", "4", "--batch", "16", "--crop", "1", "--flip", "--mixup",
                               "0.2", "--set", "optimizer=sgd", "--set", "nesterov=true", "--set",
                               "momentum=0.9", "--set", "validation=0.3", "--json", "train.json"}));
  ASSERT_EQ(train.code, 0) << train.err;
  EXPECT_THAT(train.err, HasSubstr("3 x 8 x 8 numbers"));
  const auto best = read_json(scratch.path() / "train.json").at("best");
  const Outcome eval =
      run_hone(scratch, {"eval", "run", "--data", "shapes", "--split", "validation", "--set",
                         "validation=0.3", "--set", "data.samples=60", "--json", "eval.json"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_THAT(eval.out, HasSubstr("among the five most probable"));
  const auto measured = read_json(scratch.path() / "eval.json");
  EXPECT_EQ(measured.at("accuracy"), best.at("accuracy"));
  EXPECT_EQ(measured.at("top5"), best.at("top5"));
  EXPECT_GE(measured.at("top5").get<double>(), measured.at("accuracy").get<double>());

  scratch.write("p/a.png", bytes_of_hex(rgb_png));
  scratch.write("p/b/c.jpg", bytes_of_hex(grey_jpeg));
  const Outcome predict = run_hone(scratch, {"predict", "run", "p", "p/a.png"});
  ASSERT_EQ(predict.code, 0) << predict.err;
  std::vector<std::string> lines;
  std::istringstream all(predict.out);
  for (std::string line; std::getline(all, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 3u);
  const auto first = hone::parse_json(lines[0]), last = hone::parse_json(lines[2]);
  EXPECT_EQ(first.at("file"), "p/a.png");
  EXPECT_EQ(hone::parse_json(lines[1]).at("file"), "p/b/c.jpg");
  EXPECT_EQ(first.at("logits"), last.at("logits"));
  EXPECT_EQ(first.at("logits").size(), 10u);
  EXPECT_EQ(run_hone(scratch, {"predict", "run", "--input", "p"}).code, 0);
  scratch.write("p/broken.png", bytes_of_hex(rgb_png).substr(0, 40));
  const Outcome broken = run_hone(scratch, {"predict", "run", "p"});
  EXPECT_EQ(broken.code, 1);
  EXPECT_THAT(broken.err, HasSubstr("p/broken.png: cannot be read as PNG"));
}

TEST(Pictures, AreRefusedWhereTextsAreMeant) {
  const ScratchDirectory scratch;
  const auto expect = [&](const std::vector<std::string>& words, const char* message) {
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_NE(outcome.code, 0);
    EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / "run"));
  };
  expect({"train", "bert-tiny", "--data", "shapes", "--out", "run"},
         "the data 'shapes' are pictures, bert-tiny reads texts");
  expect({"train", "small-cnn", "--data", "reviews", "--out", "run"},
         "the data 'reviews' are texts, small-cnn reads pictures");
  expect(train_pictures({"--tokenizer", "here"}), "--tokenizer changes nothing");
  expect({"train", "bert-tiny", "--data", "reviews", "--out", "run", "--flip", "--set",
          "data.samples=20"},
         "flip changes nothing");
  expect(train_pictures({"--batch", "1", "--steps", "1", "--set", "image_size=4"}), "image_size");
  expect({"train", "small-cnn", "--data", "images:nowhere", "--out", "run"},
         "nowhere: is no folder");
}

}  // namespace
}  // namespace hone_test
