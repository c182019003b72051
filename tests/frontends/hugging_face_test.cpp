#include "hone/frontends/hugging_face.hpp"
#include "hone/data/tokenizer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frontends/frontend_support.hpp"
#include "hone/core/json.hpp"
#include "hone/core/threads.hpp"
#include "hone/frontends/bert_config.hpp"
#include "hone/frontends/safetensors.hpp"
#include "support/shared_data.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;
using hone_test::expect_error;
using hone_test::fixture;
using hone_test::TemporaryFolder;
using hone_test::write_text;
using testing::ElementsAre;
using testing::IsEmpty;

bool equal(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

bool equal(const TensorStore& a, const TensorStore& b) {
  return a.names() == b.names() &&
         std::all_of(a.names().begin(), a.names().end(),
                     [&](const std::string& name) { return equal(a.at(name), b.at(name)); });
}

struct LoadedBert {
  BertConfig config;
  MatchedParameters matched;
};

LoadedBert load_bert(const fs::path& directory, std::uint64_t seed = 0) {
  ModelFiles files = load_model_files(directory);
  LoadedBert loaded;
  loaded.config = BertConfig::from_json(files.config, (directory / "config.json").string());
  loaded.matched = match_parameters(bert_parameter_specs(loaded.config), files, seed);
  return loaded;
}

void copy_fixture(const std::string& name, const TemporaryFolder& folder) {
  fs::copy(fixture(name), folder.path(),
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
}

TEST(HuggingFace, TheReadersAreATable) {
  std::vector<std::string> files;
  for (const WeightsReader& reader : weights_reader_table()) files.push_back(reader.file_name);
  EXPECT_THAT(files, ElementsAre("model.safetensors", "pytorch_model.bin"));
}

TEST(HuggingFace, AClassifierOfTransformersLoadsWhole) {
  const LoadedBert loaded = load_bert(fixture("classifier"));
  EXPECT_THAT(loaded.matched.report.initialized, IsEmpty());
  EXPECT_THAT(loaded.matched.report.unused, IsEmpty());
  // The script fills the parameters in the order of their names, each shifted by 0.01 more.
  std::vector<std::string> names = loaded.matched.parameters.names();
  std::sort(names.begin(), names.end());
  for (std::size_t k = 0; k < names.size(); ++k) {
    const Tensor& tensor = loaded.matched.parameters.at(names[k]);
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      ASSERT_NEAR(tensor.as<float>()[i], hone_test::fixture_value(i, 0.01f * static_cast<float>(k)),
                  1e-6)
          << names[k];
  }
}

TEST(HuggingFace, ShardsAreTheWholeInPieces) {
  EXPECT_TRUE(equal(load_bert(fixture("sharded")).matched.parameters,
                    load_bert(fixture("classifier")).matched.parameters));
}

TEST(HuggingFace, AMaskedLanguageModelLacksTheHeadAndThePooler) {
  const LoadedBert loaded = load_bert(fixture("masked_lm"), 3);
  EXPECT_THAT(loaded.matched.report.initialized,
              ElementsAre("bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight",
                          "classifier.bias"));
  EXPECT_THAT(loaded.matched.report.unused, testing::Contains("cls.predictions.bias"));
  for (const std::string& name : loaded.matched.report.unused)
    EXPECT_EQ(name.rfind("cls.", 0), 0u) << name;
  const Tensor& weight = loaded.matched.parameters.at("classifier.weight");
  const auto values = weight.span<float>();
  EXPECT_TRUE(std::any_of(values.begin(), values.end(), [](float value) { return value != 0.0f; }));
  EXPECT_TRUE(
      equal(weight, load_bert(fixture("masked_lm"), 3).matched.parameters.at("classifier.weight")));
  EXPECT_FALSE(
      equal(weight, load_bert(fixture("masked_lm"), 4).matched.parameters.at("classifier.weight")));
}

// No "bert." prefix, gamma and beta, position_ids, in a file of torch.save.
TEST(HuggingFace, ABareBackboneWithOldNamesMatches) {
  const LoadedBert loaded = load_bert(fixture("torch_bin"));
  EXPECT_THAT(loaded.matched.report.initialized,
              ElementsAre("classifier.weight", "classifier.bias"));
  EXPECT_THAT(loaded.matched.report.unused, IsEmpty());
  // The names of the bare backbone in the order that the script fills them.
  EXPECT_NEAR(loaded.matched.parameters.at("bert.embeddings.LayerNorm.bias").as<float>()[2],
              hone_test::fixture_value(2), 1e-6);
  EXPECT_NEAR(loaded.matched.parameters.at("bert.embeddings.LayerNorm.weight").as<float>()[2],
              hone_test::fixture_value(2, 0.01f), 1e-6);
}

TEST(HuggingFace, TheReferenceCheckpointHasNothingMissingOrUnused) {
  HONE_REQUIRE_SHARED("parity/bert_tiny_trace");
  const LoadedBert loaded = load_bert(shared_path);
  EXPECT_THAT(loaded.matched.report.initialized, IsEmpty());
  EXPECT_THAT(loaded.matched.report.unused, IsEmpty());
  EXPECT_EQ(loaded.matched.parameters.element_count(), 4386178);
}

TEST(HuggingFace, AWrongShapeNamesTensorShapesAndFile) {
  const TemporaryFolder folder;
  copy_fixture("classifier", folder);
  Json config = load_model_config(folder.path());
  config["intermediate_size"] = 16;
  write_text(folder / "config.json", config.dump());
  expect_error(
      ErrorCode::bad_format,
      {"model.safetensors", "'bert.encoder.layer.0.intermediate.dense.weight'", "[12,8]", "[16,8]"},
      [&] { load_bert(folder.path()); });
}

TEST(HuggingFace, WeightsOfAnotherModelAreRefused) {
  const TemporaryFolder folder;
  copy_fixture("classifier", folder);
  TensorStore store;
  store.set("transformer.h.0.weight", Tensor(DType::f32, {2}));
  write_safetensors(folder / "model.safetensors", store);
  expect_error(ErrorCode::not_found,
               {folder.path().string(), "none of the tensors of the backbone"},
               [&] { load_bert(folder.path()); });
}

// A head may be missing, the backbone may not: its place would be taken by random numbers.
TEST(HuggingFace, AHoleInTheBackboneIsRefused) {
  for (const std::string hole :
       {"bert.embeddings.LayerNorm.weight", "bert.encoder.layer.0.attention.self.query.bias"}) {
    const TemporaryFolder folder;
    copy_fixture("classifier", folder);
    const TensorStore whole = read_safetensors(folder / "model.safetensors").clone();
    TensorStore store;
    for (const std::string& name : whole.names()) {
      if (name != hole) store.set(name, whole.at(name));
    }
    write_safetensors(folder / "model.safetensors", store);
    expect_error(ErrorCode::not_found, {folder.path().string() + ": the weights lack '" + hole},
                 [&] { load_bert(folder.path()); });
  }
}

TEST(HuggingFace, NaNInTheWeightsIsNamed) {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const TemporaryFolder folder;
    copy_fixture("classifier", folder);
    TensorStore store = read_safetensors(folder / "model.safetensors").clone();
    store.at("classifier.weight").as<float>()[7] = value;
    write_safetensors(folder / "model.safetensors", store);
    expect_error(ErrorCode::numeric,
                 {"model.safetensors", "'classifier.weight'", "NaN or infinity"},
                 [&] { load_bert(folder.path()); });
  }
}

TEST(HuggingFace, DirectoriesThatAreNoModels) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::not_found, {"/nowhere", "no such folder"},
               [] { load_model_files("/nowhere"); });
  expect_error(ErrorCode::not_found, {"no config.json"}, [&] { load_model_files(folder.path()); });
  write_text(folder / "config.json", "{\"a\": }");
  expect_error(ErrorCode::bad_format, {"config.json", "line 1, column 7"},
               [&] { load_model_files(folder.path()); });
  write_text(folder / "config.json", "[]");
  expect_error(ErrorCode::bad_format, {"config.json", "not a JSON object"},
               [&] { load_model_files(folder.path()); });
  write_text(folder / "config.json", "{}");
  write_text(folder / "tf_model.h5", "x");
  expect_error(ErrorCode::not_found,
               {"looked for model.safetensors, model.safetensors.index.json, pytorch_model.bin"},
               [&] { load_model_files(folder.path()); });
  expect_error(ErrorCode::invalid_argument, {"is a file"},
               [&] { load_model_files(folder / "config.json"); });
}

TEST(HuggingFace, HostileIndexes) {
  const auto expect_bad = [](const std::string& index, const std::vector<std::string>& texts,
                             ErrorCode code = ErrorCode::bad_format) {
    SCOPED_TRACE(index);
    const TemporaryFolder folder;
    copy_fixture("sharded", folder);
    write_text(folder / "model.safetensors.index.json", index);
    expect_error(code, texts, [&] { load_model_files(folder.path()); });
  };
  expect_bad("{}", {"index.json", "no object \"weight_map\""});
  expect_bad(R"({"weight_map": {}})", {"is empty"});
  expect_bad(R"({"weight_map": {"a": 3}})", {"tensor 'a'", "not a file name"});
  for (const char* shard :
       {"../x.safetensors", "/etc/passwd", "..", ".", "", "a/b", "a\\\\b", "a\\u0000b"})
    expect_bad(std::string(R"({"weight_map": {"a": ")") + shard + "\"}}",
               {"tensor 'a'", "not a plain file name"});
  expect_bad(R"({"weight_map": {"a": "gone.safetensors"}})",
             {"shard 'gone.safetensors' is missing"}, ErrorCode::not_found);
  expect_bad(R"({"weight_map": {"a": "model-00001-of-00002.safetensors"}})",
             {"tensor 'a' is not in 'model-00001-of-00002.safetensors'"});
  expect_bad(R"({"weight_map": {"classifier.bias": "model-00001-of-00002.safetensors",
                                "b": "model-00002-of-00002.safetensors"}})",
             {"is not in"});
  // One tensor in two shards.
  const TemporaryFolder folder;
  copy_fixture("sharded", folder);
  fs::copy(folder / "model-00001-of-00002.safetensors", folder / "model-00002-of-00002.safetensors",
           fs::copy_options::overwrite_existing);
  expect_error(ErrorCode::bad_format, {"is also in"}, [&] { load_model_files(folder.path()); });
}

TEST(Initialize, HasTheAskedDistribution) {
  const TensorStore store = initialize_parameters({{"w", {1000, 1001}, Initializer::normal, 0.5},
                                                   {"zero", {3}, Initializer::zeros, 0},
                                                   {"one", {3}, Initializer::ones, 0},
                                                   {"none", {0, 3}, Initializer::normal, 1}},
                                                  42);
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  std::int64_t within = 0;
  const auto values = store.at("w").span<float>();
  for (const float value : values) {
    const double z = value / 0.5;
    sum += z;
    squares += z * z;
    fourth += z * z * z * z;
    within += std::abs(z) < 1.0 ? 1 : 0;
  }
  const auto count = static_cast<double>(values.size());
  EXPECT_NEAR(sum / count, 0.0, 5e-3);
  EXPECT_NEAR(squares / count, 1.0, 7e-3);
  EXPECT_NEAR(fourth / count, 3.0, 0.05);
  EXPECT_NEAR(static_cast<double>(within) / count, 0.6827, 2.5e-3);
  // Neighbours, which come from one block of random bits, must not be correlated.
  double products = 0;
  for (std::size_t i = 0; i + 1 < values.size(); ++i) products += 4.0 * values[i] * values[i + 1];
  EXPECT_NEAR(products / count, 0.0, 5e-3);
  EXPECT_EQ(store.at("zero").as<float>()[2], 0.0f);
  EXPECT_EQ(store.at("one").as<float>()[2], 1.0f);
}

TEST(Initialize, DependsOnSeedAndNameAlone) {
  const ParameterSpec a{"a", {7, 9}, Initializer::normal, 1.0};
  const ParameterSpec b{"b", {7, 9}, Initializer::normal, 1.0};
  set_thread_count(1);
  const TensorStore one = initialize_parameters({a, b}, 5);
  set_thread_count(3);
  const TensorStore three = initialize_parameters({b, a}, 5);
  set_thread_count(0);
  EXPECT_TRUE(equal(one.at("a"), three.at("a")));
  EXPECT_TRUE(equal(one.at("b"), three.at("b")));
  EXPECT_FALSE(equal(one.at("a"), one.at("b")));
  EXPECT_FALSE(equal(one.at("a"), initialize_parameters({a}, 6).at("a")));
}

TEST(Initialize, RefusesWhatTheMachineCannotHold) {
  expect_error(ErrorCode::unsupported, {"GB"}, [] {
    initialize_parameters({{"w", {1 << 20, 1 << 20}, Initializer::zeros, 0}}, 0);
  });
}

TEST(Save, ADirectoryLoadsBackEqual) {
  const TemporaryFolder folder;
  const LoadedBert loaded = load_bert(fixture("classifier"));
  write_text(folder / "vocab.txt", "[PAD]\n");
  Json config = loaded.config.to_json();
  config["dtype"] = "float16";  // of the file it came from; what is written is float32
  save_model_directory(folder / "out/model/", config, loaded.matched.parameters,
                       tokenizer_files(folder.path()),
                       [](const fs::path& staging) { write_text(staging / "state.bin", "s"); });
  EXPECT_EQ(read_file(folder / "out/model/vocab.txt"), "[PAD]\n");
  EXPECT_EQ(read_file(folder / "out/model/state.bin"), "s");
  EXPECT_FALSE(fs::exists(folder / "out/model.partial"));
  EXPECT_EQ(load_model_config(folder / "out/model")["dtype"], "float32");
  const LoadedBert back = load_bert(folder / "out/model");
  EXPECT_TRUE(equal(back.matched.parameters, loaded.matched.parameters));
  EXPECT_EQ(back.config.id2label, loaded.config.id2label);
  EXPECT_THAT(back.matched.report.unused, IsEmpty());
}

TensorStore one_value(float value) {
  TensorStore store;
  const std::vector<float> values(256, value);
  store.set("w", Tensor::from<float>(DType::f32, {256}, values));
  return store;
}

float saved_value(const fs::path& directory) {
  return read_safetensors(directory / "model.safetensors").at("w").as<float>()[255];
}

std::vector<std::string> listing(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Save, ReplacesAModelAndKeepsOtherFiles) {
  const TemporaryFolder folder;
  save_model_directory(folder / "m", {{"a", 1}}, one_value(1));
  write_text(folder / "m/notes.txt", "mine");
  save_model_directory(folder / "m", {{"a", 2}}, one_value(2));
  EXPECT_EQ(saved_value(folder / "m"), 2.0f);
  EXPECT_EQ(load_model_config(folder / "m")["a"], 2);
  EXPECT_EQ(read_file(folder / "m/notes.txt"), "mine");
  EXPECT_THAT(listing(folder.path()), ElementsAre("m"));
  EXPECT_THAT(listing(folder / "m"), ElementsAre("config.json", "model.safetensors", "notes.txt"));
}

// A tokenizer_config.json of another tokenizer would change ids.
TEST(Save, NoFileOfTheOldModelIsTakenForOneOfTheNew) {
  for (const bool beside_a_folder : {false, true}) {
    const TemporaryFolder folder;
    if (beside_a_folder) fs::create_directories(folder / "m/x");
    save_model_directory(folder / "m", {{"a", 1}}, one_value(1));
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                             "added_tokens.json", "pytorch_model.bin", "vocab.txt"})
      write_text(folder / "m" / name, "old");
    write_text(folder / "m/notes.txt", "mine");
    write_text(folder / "vocab.txt", "new");
    save_model_directory(folder / "m", {{"a", 2}}, one_value(2), {folder / "vocab.txt"});
    std::vector<std::string> names{"config.json", "model.safetensors", "notes.txt", "vocab.txt"};
    if (beside_a_folder) names.emplace_back("x");
    EXPECT_EQ(listing(folder / "m"), names);
    EXPECT_EQ(read_file(folder / "m/vocab.txt"), "new");
    // Files of the directory itself are part of the new model.
    save_model_directory(folder / "m", {{"a", 3}}, one_value(2), {folder / "m/vocab.txt"});
    EXPECT_EQ(read_file(folder / "m/vocab.txt"), "new");
  }
}

// Fine-tuning in place: the parameters are mapped from the file that is replaced.
TEST(Save, OverTheFilesItReads) {
  const TemporaryFolder folder;
  copy_fixture("classifier", folder);
  write_text(folder / "vocab.txt", "v");
  LoadedBert loaded = load_bert(folder.path());
  loaded.matched.parameters.at("classifier.bias").as<float>()[0] = 77.0f;
  const TensorStore expected = loaded.matched.parameters.clone();
  save_model_directory(folder.path(), loaded.config.to_json(), loaded.matched.parameters,
                       tokenizer_files(folder.path()));
  EXPECT_TRUE(equal(load_bert(folder.path()).matched.parameters, expected));
  EXPECT_EQ(read_file(folder / "vocab.txt"), "v");
}

TEST(Save, BesideFoldersFilesAreReplacedOneByOne) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "m/best");
  write_text(folder / "m/best/x", "x");
  save_model_directory(folder / "m", {{"a", 1}}, one_value(1));
  save_model_directory(folder / "m", {{"a", 2}}, one_value(2), {folder / "m/config.json"});
  EXPECT_EQ(saved_value(folder / "m"), 2.0f);
  EXPECT_EQ(load_model_config(folder / "m")["a"], 2);
  EXPECT_EQ(read_file(folder / "m/best/x"), "x");
  EXPECT_THAT(listing(folder.path()), ElementsAre("m"));
}

TEST(Save, AFullDiskLeavesTheOldModel) {
  const TemporaryFolder folder;
  save_model_directory(folder / "m", {{"a", 1}}, one_value(1));
  TensorStore large;
  large.set("w", Tensor(DType::f32, {100, 1000}));
  {
    const hone_test::FullDisk full(64 * 1024);
    for (const char* name : {"m", "new"})
      expect_error(ErrorCode::io, {"model.safetensors", "cannot write"}, [&] {
        save_model_directory(folder / name, {{"a", 2}}, large);
      });
  }
  EXPECT_EQ(saved_value(folder / "m"), 1.0f);
  EXPECT_EQ(load_model_config(folder / "m")["a"], 1);
  EXPECT_THAT(listing(folder.path()), ElementsAre("m"));
}

TEST(Save, AFailureOfTheCallerLeavesTheOldModel) {
  const TemporaryFolder folder;
  save_model_directory(folder / "m", {{"a", 1}}, one_value(1));
  EXPECT_THROW(save_model_directory(folder / "m", {{"a", 2}}, one_value(2), {},
                                    [](const fs::path&) { throw std::runtime_error("stop"); }),
               std::runtime_error);
  EXPECT_EQ(saved_value(folder / "m"), 1.0f);
  EXPECT_THAT(listing(folder.path()), ElementsAre("m"));
}

TEST(Save, WhatAKilledSaveLeftIsCleared) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "m.partial");
  write_text(folder / "m.partial/model.safetensors", "half");
  write_text(folder / "m.partial/old", "x");
  save_model_directory(folder / "m", {{"a", 1}}, one_value(1));
  EXPECT_THAT(listing(folder.path()), ElementsAre("m"));
  EXPECT_THAT(listing(folder / "m"), ElementsAre("config.json", "model.safetensors"));
}

TEST(Save, ThroughASymbolicLinkReplacesWhatItPointsTo) {
  const TemporaryFolder folder;
  save_model_directory(folder / "real", {{"a", 1}}, one_value(1));
  fs::create_directory_symlink(folder / "real", folder / "link");
  save_model_directory(folder / "link", {{"a", 2}}, one_value(2));
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(saved_value(folder / "real"), 2.0f);
}

TEST(Save, OverAFileIsRefused) {
  const TemporaryFolder folder;
  write_text(folder / "m", "mine");
  expect_error(ErrorCode::invalid_argument, {"is a file"}, [&] {
    save_model_directory(folder / "m", {{"a", 1}}, one_value(1));
  });
  EXPECT_EQ(read_file(folder / "m"), "mine");
}

}  // namespace
}  // namespace hone
