// Checkpoints as people have them, from the command line: one label, other labels, prefixes,
// weights quantized by others.
#include <cmath>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"

#include "frontends/pickle_writer.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/data/review_generator.hpp"
#include "hone/data/tokenizer.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/model/model.hpp"

namespace hone_test {
namespace {

using testing::HasSubstr;
using testing::Not;

// An untrained model of these labels with the embedded tokenizer, as a folder; large weights, so
// that answers differ.
hone::Model write_model(const ScratchDirectory& scratch, const std::string& name,
                        const std::vector<std::string>& labels, const hone::Json& problem_type) {
  const hone::Tokenizer tokenizer = hone::Tokenizer::from_words(hone::review_words());
  hone::ModelRequest request;
  request.name = "bert-tiny";
  request.settings = {{"hidden_size", "32"},
                      {"num_hidden_layers", "1"},
                      {"intermediate_size", "64"},
                      {"initializer_range", "0.3"}};
  request.vocab_size = tokenizer.vocab_size();
  request.label_names = labels;
  hone::Model model = hone::load_model(request);
  if (!problem_type.is_null()) model.config["problem_type"] = problem_type;
  hone::save_model_directory(scratch.path() / name, model.config, model.tensors, {},
                             [&](const std::filesystem::path& folder) { tokenizer.save(folder); });
  return model;
}

std::vector<hone::Json> predictions(const ScratchDirectory& scratch, const std::string& model) {
  const Outcome outcome =
      run_hone(scratch, {"predict", model, "great acting", "dull plot", "not bad"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  std::vector<hone::Json> lines;
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = outcome.out.find('\n', begin)) != std::string::npos;
       begin = end + 1)
    lines.push_back(hone::parse_json(outcome.out.substr(begin, end - begin)));
  EXPECT_EQ(lines.size(), 3u);
  return lines;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// transformers' pipeline shows the sigmoid of one label unless it is said to be a regression; a
// class with probability 1 it is never.
TEST(OneLabel, IsAValue) {
  const ScratchDirectory scratch;
  write_model(scratch, "unsaid", {"score"}, nullptr);
  write_model(scratch, "regression", {"score"}, "regression");
  const auto unsaid = predictions(scratch, "unsaid");
  const auto regression = predictions(scratch, "regression");
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(unsaid[i].size(), 2u);
    const double value = unsaid[i].at("value").get<double>();
    EXPECT_NEAR(unsaid[i].at("sigmoid").get<double>(), sigmoid(value), 1e-12);
    EXPECT_EQ(regression[i].size(), 1u);
    EXPECT_EQ(regression[i].at("value"), unsaid[i].at("value"));
  }
  EXPECT_NE(unsaid[0].at("value"), unsaid[1].at("value"));
}

TEST(OneLabel, IsTheLogitOfTheSameWeightsInAModelOfClasses) {
  const ScratchDirectory scratch;
  hone::Model model = write_model(scratch, "two", {"a", "b"}, nullptr);
  const auto logits = predictions(scratch, "two");
  // The second class alone.
  const hone::Tensor weight = model.tensors.at("classifier.weight");
  hone::Tensor row(hone::DType::f32, {1, 32});
  std::copy_n(weight.as<float>() + 32, 32, row.as<float>());
  hone::Model one = write_model(scratch, "one", {"b"}, nullptr);
  one.tensors = model.tensors.clone();
  one.tensors.set("classifier.weight", row);
  one.tensors.set("classifier.bias", hone::Tensor(hone::DType::f32, {1}));
  hone::save_model_directory(scratch.path() / "one", one.config, one.tensors,
                             hone::tokenizer_files(scratch.path() / "one"));
  const auto values = predictions(scratch, "one");
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(values[i].at("value").get<double>(), logits[i].at("logits")[1].get<double>(), 1e-5);
}

// The errors that eval states are those of what predict answers; training makes them smaller.
TEST(OneLabel, IsTrainedAndMeasured) {
  const ScratchDirectory scratch;
  write_model(scratch, "start", {"score"}, "regression");
  const std::vector<std::string> texts{"great acting", "dull plot", "not bad"};
  const std::vector<double> targets{0.75, -1.5, 0.25};
  std::string rows = "text,label\n";
  for (std::size_t i = 0; i < texts.size(); ++i)
    rows += fmt::format("{},{}\n", texts[i], targets[i]);
  scratch.write("scores.csv", rows);
  const auto evaluated = [&](const std::string& model) {
    const Outcome outcome =
        run_hone(scratch, {"eval", model, "--data", "csv:scores.csv", "--json", "eval.json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("mean squared error"), Not(HasSubstr("accuracy"))));
    const hone::Json json = json_of(scratch, "eval.json");
    const auto answers = predictions(scratch, model);
    double squares = 0, distances = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const double error = answers[i].at("value").get<double>() - targets[i];
      squares += error * error / 3;
      distances += std::abs(error) / 3;
    }
    EXPECT_NEAR(json.at("mse").get<double>(), squares, 1e-5 * squares);
    EXPECT_NEAR(json.at("mae").get<double>(), distances, 1e-5 * distances);
    EXPECT_FALSE(json.contains("accuracy"));
    return squares;
  };
  const double before = evaluated("start");
  const Outcome train =
      run_hone(scratch, {"train", "start", "--data", "csv:scores.csv", "--out", "run", "--epochs",
                         "60", "--lr", "3e-3", "--dropout", "0", "--set", "validation=0"});
  ASSERT_EQ(train.code, 0) << train.err;
  EXPECT_LT(evaluated("run"), 0.05 * before);
  const Outcome kept =
      run_hone(scratch, {"train", "start", "--data", "csv:scores.csv", "--out", "kept", "--epochs",
                         "2", "--set", "validation=0.4", "--metric", "mae", "--patience", "3"});
  ASSERT_EQ(kept.code, 0) << kept.err;
  EXPECT_THAT(kept.out, HasSubstr("mean squared error"));
  EXPECT_THAT(run_hone(scratch, {"train", "start", "--data", "csv:scores.csv", "--out", "no",
                                 "--class-weights", "balanced"})
                  .err,
              HasSubstr("class_weights changes nothing"));
  EXPECT_THAT(run_hone(scratch, {"train", "start", "--data", "csv:scores.csv", "--out", "no",
                                 "--metric", "accuracy"})
                  .err,
              HasSubstr("unknown metric 'accuracy'"));
  EXPECT_THAT(run_hone(scratch, {"compare", "start", "run", "--data", "csv:scores.csv"}).err,
              HasSubstr("no accuracy to compare"));
}

// Many vocabularies have no mask; the tokenizer makes one that the model has no row for.
TEST(MaskWithoutARow, IsRefusedInTextsAlone) {
  const ScratchDirectory scratch;
  hone::Model model = write_model(scratch, "m", {"a", "b"}, nullptr);
  model.config["vocab_size"] = 7;
  hone::Tensor& table = model.tensors.at("bert.embeddings.word_embeddings.weight");
  hone::Tensor rows(hone::DType::f32, {7, 32});
  std::copy_n(table.as<float>(), rows.size(), rows.as<float>());
  table = rows;
  hone::save_model_directory(scratch.path() / "m", model.config, model.tensors);
  scratch.write("m/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\ngood\nbad\nplot\n");
  const Outcome fine = run_hone(scratch, {"predict", "m", "good plot"});
  EXPECT_EQ(fine.code, 0) << fine.err;
  EXPECT_THAT(fine.err, HasSubstr("has tokens that the model lacks: '[MASK]' (mask_token)"));
  const Outcome masked = run_hone(scratch, {"predict", "m", "good [MASK]"});
  EXPECT_EQ(masked.code, 1);
  EXPECT_THAT(masked.err, HasSubstr("sample 0 holds the token id 7, the model knows 7 tokens"));
  scratch.write("m/tokenizer_config.json", R"({"extra_special_tokens": ["<x>"]})");
  EXPECT_THAT(run_hone(scratch, {"predict", "m", "good plot"}).err,
              HasSubstr("has 9 tokens, the model knows 7"));
}

TEST(SeveralLabels, EachByItselfOrValues) {
  const ScratchDirectory scratch;
  write_model(scratch, "labels", {"joy", "awe", "fear"}, "multi_label_classification");
  write_model(scratch, "values", {"joy", "awe", "fear"}, "regression");
  const auto labels = predictions(scratch, "labels");
  const auto values = predictions(scratch, "values");
  const std::vector<std::string> names{"joy", "awe", "fear"};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(values[i].size(), 1u);
    EXPECT_EQ(values[i].at("values"), labels[i].at("logits"));
    std::vector<std::string> chosen;
    for (std::size_t k = 0; k < 3; ++k) {
      const double logit = labels[i].at("logits")[k].get<double>();
      EXPECT_NEAR(labels[i].at("sigmoids")[k].get<double>(), sigmoid(logit), 1e-12);
      if (logit > 0) chosen.push_back(names[k]);
    }
    EXPECT_EQ(labels[i].at("labels"), hone::Json(chosen));
    EXPECT_FALSE(labels[i].contains("probabilities"));
  }
  write_model(scratch, "wrong", {"score"}, "single_label_classification");
  const Outcome refused = run_hone(scratch, {"predict", "wrong", "x"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("config.json: key 'problem_type': one label"));
}

std::string three_labels() {
  std::string rows = "text,label\n";
  for (int i = 0; i < 40; ++i)
    rows += "a great film,good\na dull plot,bad\nthe actor is in the film,neutral\n";
  return rows;
}

TEST(FreshHead, StartsForTheLabelsOfTheData) {
  const ScratchDirectory scratch;
  write_model(scratch, "m", {"negative", "positive"}, nullptr);
  scratch.write("three.csv", three_labels());
  std::vector<std::string> words{
      "train", "m",       "--data", "csv:three.csv", "--out", "run",       "--lr",
      "3e-3",  "--steps", "60",     "--batch",       "16",    "--threads", "1"};
  const Outcome without = run_hone(scratch, words);
  EXPECT_EQ(without.code, 1);
  EXPECT_THAT(without.err, HasSubstr("--fresh-head"));
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "run/record.jsonl"));
  words.emplace_back("--fresh-head");
  const Outcome with = run_hone(scratch, words);
  ASSERT_EQ(with.code, 0) << with.err;
  EXPECT_THAT(with.err, HasSubstr("m: its classifier is dropped, a new one starts afresh for 3 "
                                  "labels: bad, good, neutral"));
  const hone::Json config = hone::load_model_config(scratch.path() / "run");
  EXPECT_EQ(config.at("id2label").size(), 3u);
  const Outcome said = run_hone(
      scratch, {"predict", "run", "a great film", "a dull plot", "the actor is in the film"});
  EXPECT_THAT(said.out, testing::MatchesRegex(".*\"good\".*\n.*\"bad\".*\n.*\"neutral\".*\n"));
  // A resumed run takes the same head.
  words.emplace_back("--resume");
  EXPECT_EQ(run_hone(scratch, words).code, 0);
}

TEST(FreshHead, WhereItChangesNothingIsRefused) {
  const ScratchDirectory scratch;
  const Outcome builtin = run_hone(scratch, train_words("run", {"--fresh-head"}));
  EXPECT_EQ(builtin.code, 1);
  EXPECT_THAT(builtin.err, HasSubstr("changes nothing"));
  const hone::Model model = write_model(scratch, "m", {"negative", "positive"}, nullptr);
  hone::TensorStore encoder = model.tensors.clone();
  for (const char* name : {"classifier.weight", "classifier.bias"}) encoder.erase(name);
  hone::save_model_directory(scratch.path() / "m", model.config, encoder);
  const std::vector<std::string> data{"--data",           "reviews", "--set",
                                      "data.samples=240", "--steps", "1"};
  const auto refused = [&](std::vector<std::string> words, const std::string& said) {
    words.insert(words.end(), data.begin(), data.end());
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr(said));
  };
  refused({"train", "m", "--fresh-head", "--out", "run"}, "changes nothing");
  write_model(scratch, "whole", {"negative", "positive"}, nullptr);
  ASSERT_EQ(run_hone(scratch, {"quantize", "whole", "--format", "integer", "--out", "q"}).code, 0);
  refused({"train", "q", "--fresh-head", "--out", "run"}, "hone quantize q --dequantize");
  EXPECT_THAT(
      run_hone(scratch, {"quantize", "whole", "--format", "integer", "--fresh-head", "--out", "p"})
          .err,
      HasSubstr("--fresh-head changes nothing without --qat"));
}

TEST(FreshHead, BeforeQuantizationAwareTraining) {
  const ScratchDirectory scratch;
  write_model(scratch, "m", {"negative", "positive"}, nullptr);
  scratch.write("three.csv", three_labels());
  const Outcome made =
      run_hone(scratch, {"quantize", "m", "--format", "integer", "--qat", "--data", "csv:three.csv",
                         "--steps", "2", "--fresh-head", "--out", "q", "--threads", "1"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(hone::load_model_config(scratch.path() / "q").at("id2label").size(), 3u);
}

// What stands before names, and who quantized, is said by every command and by inspect; what is
// saved is plain.
TEST(Inspect, NamesWhatItSees) {
  const ScratchDirectory scratch;
  const hone::Model model = write_model(scratch, "m", {"negative", "positive"}, nullptr);
  hone::TensorStore stored;
  for (const std::string& name : model.tensors.names())
    stored.set("module." + name, model.tensors.at(name));
  hone::Tensor integers(hone::DType::i8, {2, 32});
  for (std::int64_t i = 0; i < 64; ++i)
    integers.as<std::int8_t>()[i] = static_cast<std::int8_t>(3 * i - 96);
  stored.set("module.classifier.weight", integers);
  hone::Tensor scales(hone::DType::f32, {2});
  scales.as<float>()[0] = 2;
  scales.as<float>()[1] = 1;
  stored.set("module.classifier.SCB", scales);
  hone::Json config = model.config;
  config["quantization_config"] = {{"quant_method", "bitsandbytes"}, {"load_in_8bit", true}};
  scratch.write("m/config.json", config.dump());
  std::filesystem::remove(scratch.path() / "m/model.safetensors");
  scratch.write("m/pytorch_model.bin", pickled::legacy_file(stored));
  const std::string shown = run_hone(scratch, {"inspect", "m", "--json", "i.json"}).out;
  for (const char* part :
       {"pytorch_model.bin: a file of torch.save before version 1.6", "f32, i8",
        "begins with 'module.': taken off", "1 weights of 8 bits by bitsandbytes"})
    EXPECT_THAT(shown, HasSubstr(part));
  const hone::Json json = json_of(scratch, "i.json");
  EXPECT_EQ(json.at("notes").size(), 2u);
  EXPECT_THAT(run_hone(scratch, {"inspect", "m/pytorch_model.bin"}).out,
              HasSubstr("before version 1.6"));
  const Outcome predicted = run_hone(scratch, {"predict", "m", "fine"});
  EXPECT_EQ(predicted.code, 0);
  EXPECT_THAT(predicted.err, HasSubstr("taken off"));
  EXPECT_THAT(predicted.err, HasSubstr("bitsandbytes"));
  const Outcome trained =
      run_hone(scratch, {"train", "m", "--data", "reviews", "--set", "data.samples=240", "--steps",
                         "1", "--out", "run", "--threads", "1"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("bitsandbytes"));
  EXPECT_FALSE(hone::load_model_config(scratch.path() / "run").contains("quantization_config"));
  // Another method is refused by its name.
  config["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}};
  scratch.write("m/config.json", config.dump());
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"inspect", "m"}, {"predict", "m", "x"}, {"explain", "m"}}) {
    const Outcome refused = run_hone(scratch, words);
    EXPECT_EQ(refused.code, 1) << words[0];
    EXPECT_THAT(refused.err, HasSubstr("'quantization_config': quant_method 'gptq'"));
  }
}

// A folder is turned into a packed one and back: never two kinds of weights in it.
TEST(OwnWeights, TakeThePlaceOfOthersAndGiveItBack) {
  const ScratchDirectory scratch;
  write_model(scratch, "m", {"negative", "positive"}, nullptr);
  const auto exists = [&](const char* name) {
    return std::filesystem::exists(scratch.path() / name);
  };
  ASSERT_EQ(run_hone(scratch, {"quantize", "m", "--format", "integer", "--out", "q"}).code, 0);
  ASSERT_EQ(run_hone(scratch, {"quantize", "q", "--dequantize", "--out", "plain"}).code, 0);
  EXPECT_TRUE(exists("plain/model.safetensors"));
  // Over a plain folder.
  const Outcome again =
      run_hone(scratch, {"quantize", "m", "--format", "mxint", "--out", "plain", "--overwrite"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("--dequantize"));
  EXPECT_TRUE(exists("plain/hone_model.safetensors"));
  EXPECT_FALSE(exists("plain/model.safetensors"));
  EXPECT_EQ(run_hone(scratch, {"predict", "plain", "fine"}).code, 0);
  EXPECT_THAT(run_hone(scratch, {"quantize", "m", "--format", "mxint", "--out", "plain"}).err,
              HasSubstr("already holds a model"));
}

}  // namespace
}  // namespace hone_test
