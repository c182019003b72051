// Checkpoints as people have them: prefixes of wrappers, files of older torch, integers, weights
// that other libraries quantized.
#include <cmath>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frontends/frontend_support.hpp"
#include "frontends/pickle_writer.hpp"
#include "hone/core/json.hpp"
#include "hone/core/philox.hpp"
#include "hone/frontends/bert_config.hpp"
#include "hone/frontends/foreign_quantization.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/frontends/saved_model.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;
using hone_test::expect_error;
using hone_test::TemporaryFolder;
using hone_test::write_text;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

BertConfig small_config() {
  BertConfig config;
  config.vocab_size = 30;
  config.hidden_size = 12;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 2;
  config.intermediate_size = 20;
  config.max_position_embeddings = 16;
  return config;
}

TensorStore small_parameters() {
  return initialize_parameters(bert_parameter_specs(small_config()), 11);
}

void write_directory(const fs::path& folder, const TensorStore& parameters,
                     const Json& foreign = nullptr) {
  Json config = small_config().to_json();
  if (!foreign.is_null()) config["quantization_config"] = foreign;
  write_text(folder / "config.json", config.dump());
  write_safetensors(folder / "model.safetensors", parameters);
}

struct Loaded {
  Json config;
  MatchedParameters matched;
};

Loaded load(const fs::path& folder) {
  ModelFiles files = load_model_files(folder);
  const Json config = files.config;
  return {config, match_parameters(bert_parameter_specs(small_config()), files, 0)};
}

void expect_equal(const TensorStore& found, const TensorStore& expected) {
  ASSERT_EQ(found.names(), expected.names());
  for (const std::string& name : expected.names())
    EXPECT_EQ(
        std::memcmp(found.at(name).data(), expected.at(name).data(), expected.at(name).bytes()), 0)
        << name;
}

TensorStore renamed(const TensorStore& store, const std::string& prefix) {
  TensorStore result;
  for (const std::string& name : store.names()) result.set(prefix + name, store.at(name));
  return result;
}

// A matrix as integers and a scale for each `width` columns of a row, and the numbers that they
// stand for.
struct Quantized {
  Tensor integers, scales, zeros, numbers;
};

Quantized quantize(const Shape& shape, std::int64_t width, double divisor, bool with_zeros,
                   std::uint32_t seed) {
  const std::int64_t groups = shape[1] / width;
  Quantized q{Tensor(DType::i8, shape), Tensor(DType::f32, {shape[0], groups}),
              Tensor(DType::i8, {shape[0], groups}), Tensor(DType::f32, shape)};
  RandomStream random(seed, 4);
  for (float& scale : q.scales.span<float>())
    scale = (0.5f + static_cast<float>(random.below(1000)) / 1000) / 100;
  if (with_zeros)
    for (std::int8_t& zero : q.zeros.span<std::int8_t>())
      zero = static_cast<std::int8_t>(static_cast<int>(random.below(20)) - 10);
  for (std::int64_t i = 0; i < q.integers.size(); ++i) {
    const std::int64_t group = i / shape[1] * groups + i % shape[1] / width;
    q.integers.as<std::int8_t>()[i] =
        static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127);
    q.numbers.as<float>()[i] =
        static_cast<float>((q.integers.as<std::int8_t>()[i] - q.zeros.as<std::int8_t>()[group]) *
                           static_cast<double>(q.scales.as<float>()[group]) / divisor);
  }
  return q;
}

// --- prefixes

TEST(Prefixes, OfEveryTensorAreTakenOffAndSaid) {
  const TensorStore expected = small_parameters();
  for (const std::string prefix : {"module.", "_orig_mod.", "model.", "_orig_mod.module.",
                                   "module._orig_mod.", "model.module._orig_mod."}) {
    SCOPED_TRACE(prefix);
    const TemporaryFolder folder;
    TensorStore stored = expected.clone();
    stored.set("bert.embeddings.position_ids", Tensor(DType::i64, {1, 16}));
    write_directory(folder.path(), renamed(stored, prefix));
    const Loaded loaded = load(folder.path());
    expect_equal(loaded.matched.parameters, expected);
    EXPECT_THAT(loaded.matched.report.initialized, IsEmpty());
    EXPECT_THAT(loaded.matched.report.unused, IsEmpty());
    EXPECT_THAT(loaded.matched.report.notes,
                ElementsAre("every tensor's name begins with '" + prefix + "': taken off"));
  }
}

// AveragedModel counts beside the model, an outer module has the classifier.
TEST(Prefixes, OfSomeTensorsAreTakenOffWhereTheRestIsWanted) {
  const TensorStore expected = small_parameters();
  for (const char* stray : {"n_averaged", "epoch"})
    for (const std::string prefix : {"module.", "_orig_mod.module.", "model."}) {
      const TemporaryFolder folder;
      TensorStore stored = renamed(expected, prefix);
      stored.set(stray, Tensor(DType::i64, {}));
      write_directory(folder.path(), stored);
      const Loaded loaded = load(folder.path());
      expect_equal(loaded.matched.parameters, expected);
      EXPECT_THAT(loaded.matched.report.unused, ElementsAre(stray));
      const std::size_t all = expected.names().size();
      EXPECT_THAT(loaded.matched.report.notes,
                  ElementsAre(fmt::format(
                      "the names of {} of {} tensors begin with '{}': taken off; without it: {}",
                      all, all + 1, prefix, stray)));
    }
  // Also under a prefix that all have.
  for (const std::string outer : {"", "module."}) {
    const TemporaryFolder folder;
    TensorStore stored;
    for (const std::string& name : expected.names())
      stored.set(outer + (name.starts_with("bert.") ? "model." + name : name), expected.at(name));
    write_directory(folder.path(), stored);
    const Loaded loaded = load(folder.path());
    expect_equal(loaded.matched.parameters, expected);
    EXPECT_THAT(loaded.matched.report.initialized, IsEmpty());
    EXPECT_THAT(loaded.matched.report.unused, IsEmpty());
  }
}

// A copy of the model beside it (an average): the plain names are the model.
TEST(Prefixes, OfASecondCopyAreNotTakenOff) {
  const TemporaryFolder folder;
  const TensorStore expected = small_parameters();
  TensorStore stored = renamed(expected, "module.");
  for (const std::string& name : stored.names()) {
    Tensor copy = stored.at(name).clone();
    for (float& value : copy.span<float>()) value += 1;
    stored.set(name, copy);
  }
  for (const std::string& name : expected.names()) stored.set(name, expected.at(name));
  write_directory(folder.path(), stored);
  const Loaded loaded = load(folder.path());
  expect_equal(loaded.matched.parameters, expected);
  EXPECT_EQ(loaded.matched.report.unused.size(), expected.names().size());
}

TEST(Prefixes, OfTensorsThatNobodyWantsAreNotTakenOff) {
  const TemporaryFolder folder;
  TensorStore stored = renamed(small_parameters(), "module.other.");
  stored.set("n_averaged", Tensor(DType::i64, {}));
  write_directory(folder.path(), stored);
  expect_error(ErrorCode::not_found, {"none of the tensors of the backbone"},
               [&] { load(folder.path()); });
}

TEST(Prefixes, NoPrefixIsNotSaid) {
  const TemporaryFolder folder;
  write_directory(folder.path(), small_parameters());
  EXPECT_THAT(load(folder.path()).matched.report.notes, IsEmpty());
}

// --- files of older torch

TEST(LegacyDirectory, LoadsAsTheSameModelInSafetensors) {
  const TemporaryFolder folder;
  const TensorStore expected = small_parameters();
  write_text(folder / "config.json", small_config().to_json().dump());
  TensorStore stored = expected.clone();
  stored.set("bert.embeddings.position_ids", Tensor(DType::i64, {1, 16}));
  write_text(folder / "pytorch_model.bin",
             hone_test::pickled::legacy_file(renamed(stored, "module.")));
  expect_equal(load(folder.path()).matched.parameters, expected);
}

// --- integers

TEST(Integers, AreNeverTakenAsRealNumbers) {
  const std::string name = "bert.encoder.layer.0.intermediate.dense.weight";
  for (const DType dtype : {DType::i8, DType::u8, DType::i32, DType::i64})
    for (const bool in_torch : {false, true}) {
      SCOPED_TRACE(std::string(name_of(dtype)));
      const TemporaryFolder folder;
      TensorStore stored = small_parameters();
      stored.set(name, Tensor(dtype, stored.at(name).shape()));
      write_directory(folder.path(), stored);
      if (in_torch) {
        fs::remove(folder / "model.safetensors");
        write_text(folder / "pytorch_model.bin", hone_test::pickled::legacy_file(stored));
      }
      expect_error(ErrorCode::unsupported,
                   {in_torch ? "pytorch_model.bin" : "model.safetensors", "tensor '" + name + "'",
                    "integers (" + std::string(name_of(dtype)) + ")"},
                   [&] { load(folder.path()); });
    }
}

// --- weights quantized by others

const std::vector<std::string> matrices{
    "bert.embeddings.word_embeddings", "bert.encoder.layer.0.attention.self.query",
    "bert.encoder.layer.0.output.dense", "bert.pooler.dense", "classifier"};

TEST(ForeignQuantization, BitsandbytesInEightBits) {
  const Json keys{{"quant_method", "bitsandbytes"}, {"load_in_8bit", true}};
  for (const Json& foreign : {keys, Json{{"load_in_8bit", true}}, Json(nullptr)}) {
    SCOPED_TRACE(foreign.dump());
    const TemporaryFolder folder;
    TensorStore stored = small_parameters();
    TensorStore expected = small_parameters();
    std::uint32_t seed = 0;
    for (const std::string& name : matrices) {
      const Shape shape = stored.at(name + ".weight").shape();
      const Quantized q = quantize(shape, shape[1], 127, false, ++seed);
      stored.set(name + ".weight", q.integers);
      stored.set(name + ".SCB", q.scales.reshaped({shape[0]}));
      if (seed % 2 == 0) stored.set(name + ".weight_format", Tensor(DType::u8, {}));
      expected.set(name + ".weight", q.numbers);
    }
    write_directory(folder.path(), stored, foreign);
    const Loaded loaded = load(folder.path());
    expect_equal(loaded.matched.parameters, expected);
    EXPECT_THAT(loaded.matched.report.unused, IsEmpty());
    ASSERT_EQ(loaded.matched.report.notes.size(), 1u);
    EXPECT_THAT(loaded.matched.report.notes[0], HasSubstr("5 weights of 8 bits by bitsandbytes"));
    EXPECT_THAT(loaded.matched.report.notes[0], HasSubstr("plain float32"));
    // What is saved is plain, and says so.
    EXPECT_FALSE(loaded.config.contains("quantization_config"));
  }
}

TEST(ForeignQuantization, CompressedTensorsInEightBits) {
  const Json foreign{{"quant_method", "compressed-tensors"}, {"format", "int-quantized"}};
  struct Case {
    std::int64_t groups;  // of a row; 0: one scale for the matrix
    bool flat;            // [n] in place of [n,1]
    bool zeros;
  };
  for (const Case& one : {Case{1, false, false}, Case{1, true, false}, Case{1, false, true},
                          Case{2, false, true}, Case{0, false, false}, Case{0, true, true}}) {
    SCOPED_TRACE(testing::Message() << one.groups << one.flat << one.zeros);
    const TemporaryFolder folder;
    TensorStore stored = small_parameters();
    TensorStore expected = small_parameters();
    std::uint32_t seed = 0;
    for (const std::string& name : matrices) {
      const Shape shape = stored.at(name + ".weight").shape();
      const std::int64_t width = one.groups > 0 ? shape[1] / one.groups : shape[1];
      Quantized q = quantize(shape, width, 1, one.zeros, ++seed);
      if (one.groups == 0) {
        // The first row's scale is everybody's.
        const float scale = q.scales.as<float>()[0];
        const int zero = q.zeros.as<std::int8_t>()[0];
        for (std::int64_t i = 0; i < q.numbers.size(); ++i)
          q.numbers.as<float>()[i] = static_cast<float>((q.integers.as<std::int8_t>()[i] - zero) *
                                                        static_cast<double>(scale));
        const Shape one_number = one.flat ? Shape{1} : Shape{};
        q.scales = Tensor::from<float>(DType::f32, one_number, std::vector<float>{scale});
        q.zeros = Tensor::from<std::int8_t>(
            DType::i8, one_number, std::vector<std::int8_t>{static_cast<std::int8_t>(zero)});
      } else if (one.flat) {
        q.scales = q.scales.reshaped({shape[0]});
        q.zeros = q.zeros.reshaped({shape[0]});
      }
      stored.set(name + ".weight", q.integers);
      stored.set(name + ".weight_scale", q.scales);
      if (one.zeros) stored.set(name + ".weight_zero_point", q.zeros);
      expected.set(name + ".weight", q.numbers);
    }
    write_directory(folder.path(), stored, foreign);
    const Loaded loaded = load(folder.path());
    expect_equal(loaded.matched.parameters, expected);
    EXPECT_THAT(loaded.matched.report.unused, IsEmpty());
    ASSERT_EQ(loaded.matched.report.notes.size(), 1u);
    EXPECT_THAT(loaded.matched.report.notes[0],
                HasSubstr("5 weights of 8 bits by compressed-tensors"));
    EXPECT_FALSE(loaded.config.contains("quantization_config"));
  }
}

// Activations that were rounded there are not here: that is said, and their scales are no weights.
TEST(ForeignQuantization, RoundedActivationsAreSaid) {
  const TemporaryFolder folder;
  TensorStore stored = small_parameters();
  const Quantized q = quantize({12, 12}, 12, 1, false, 1);
  stored.set("bert.pooler.dense.weight", q.integers);
  stored.set("bert.pooler.dense.weight_scale", q.scales);
  stored.set("bert.pooler.dense.input_scale", Tensor(DType::f32, {1}));
  stored.set("bert.pooler.dense.input_zero_point", Tensor(DType::i8, {1}));
  Json foreign{{"quant_method", "compressed-tensors"}, {"format", "int-quantized"}};
  foreign["config_groups"]["group_0"]["input_activations"]["num_bits"] = 8;
  write_directory(folder.path(), stored, foreign);
  const Loaded loaded = load(folder.path());
  EXPECT_THAT(loaded.matched.report.unused, IsEmpty());
  EXPECT_THAT(loaded.matched.report.notes[0], HasSubstr("data between layers is not rounded"));
}

TEST(ForeignQuantization, PlainWeightsBesideTheKeyAreUsedAsTheyAre) {
  const TemporaryFolder folder;
  write_directory(folder.path(), small_parameters(),
                  {{"quant_method", "bitsandbytes"}, {"load_in_8bit", true}});
  const Loaded loaded = load(folder.path());
  expect_equal(loaded.matched.parameters, small_parameters());
  EXPECT_THAT(loaded.matched.report.notes[0], HasSubstr("'quantization_config' is not applied"));
  EXPECT_FALSE(loaded.config.contains("quantization_config"));
}

TEST(ForeignQuantization, OtherMethodsAreRefusedByName) {
  const auto refused = [](const Json& foreign, const std::string& named,
                          ErrorCode code = ErrorCode::unsupported) {
    SCOPED_TRACE(foreign.dump());
    const TemporaryFolder folder;
    write_directory(folder.path(), small_parameters(), foreign);
    // Before the weights: their types may be unknown.
    write_text(folder / "model.safetensors", "unreadable");
    expect_error(code, {"config.json", "'quantization_config'", named},
                 [&] { load(folder.path()); });
  };
  for (const char* method : {"gptq", "awq", "fp8", "mxfp4", "torchao", "quanto", "new"})
    refused({{"quant_method", method}, {"bits", 4}}, "quant_method '" + std::string(method) + "'");
  refused({{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}}, "load_in_4bit");
  refused({{"load_in_4bit", true}}, "load_in_4bit");
  for (const char* format : {"pack-quantized", "float-quantized", "marlin-24"})
    refused({{"quant_method", "compressed-tensors"}, {"format", format}}, format);
  refused({{"quant_method", "compressed-tensors"}}, "format ''");
  refused({{"bits", 4}}, "without a name");
  refused("int8", "not an object", ErrorCode::bad_format);
}

TEST(ForeignQuantization, TensorsOfOtherMethodsAreRefusedByName) {
  for (const auto& [ending, method] :
       {std::pair{"qweight", "GPTQ"}, {"weight_packed", "packed"}, {"weight.absmax", "4 bits"}}) {
    const TemporaryFolder folder;
    TensorStore stored = small_parameters();
    stored.set(std::string("bert.pooler.dense.") + ending, Tensor(DType::i32, {3, 4}));
    write_directory(folder.path(), stored);
    expect_error(ErrorCode::unsupported, {"model.safetensors", ending, method},
                 [&] { load(folder.path()); });
  }
}

TEST(ForeignQuantization, ScalesThatDoNotFitAreRefused) {
  const auto refused = [](const std::string& part, const Tensor& tensor, const std::string& said,
                          ErrorCode code = ErrorCode::bad_format, const char* scale = "SCB") {
    const TemporaryFolder folder;
    TensorStore stored = small_parameters();
    const Quantized q = quantize({12, 12}, 12, 127, false, 1);
    stored.set("bert.pooler.dense.weight", q.integers);
    stored.set(std::string("bert.pooler.dense.") + scale, q.scales.reshaped({12}));
    stored.set("bert.pooler.dense." + part, tensor);
    write_directory(folder.path(), stored);
    expect_error(code, {"model.safetensors", "'bert.pooler.dense." + part + "'", said},
                 [&] { load(folder.path()); });
  };
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{11}, Shape{0}, Shape{12, 2}, Shape{1, 12}})
    refused("SCB", Tensor(DType::f32, shape), "has shape " + to_string(shape));
  for (const Shape& shape : {Shape{11}, Shape{12, 5}, Shape{12, 0}, Shape{1, 1}, Shape{12, 1, 1}})
    refused("weight_scale", Tensor(DType::f32, shape), "has shape " + to_string(shape),
            ErrorCode::bad_format, "weight_scale");
  refused("weight_zero_point", Tensor(DType::i8, {3}), "has shape [3]", ErrorCode::bad_format,
          "weight_scale");
  const Tensor other = Tensor::from<std::uint8_t>(DType::u8, {}, std::vector<std::uint8_t>{2});
  refused("weight_format", other, "layout", ErrorCode::unsupported);
}

// --- weights that only hone computes

TEST(OwnWeights, HaveANameThatOthersDoNotLookFor) {
  const TemporaryFolder folder;
  const Json config = small_config().to_json();
  save_model_directory(folder / "m", config, small_parameters());
  EXPECT_TRUE(fs::exists(folder / "m/model.safetensors"));
  write_text(folder / "m/pytorch_model.bin", "of before");
  write_text(folder / "m/model-00001-of-00002.safetensors", "of before");
  write_text(folder / "m/notes.txt", "mine");
  Model model = load_model({.name = (folder / "m").string()});
  // Any node that its architecture does not have.
  model.graph.outputs[0].second =
      model.graph.apply("scale", {model.graph.output("logits")}, {{"factor", 2.0}}, "twice");
  for (const bool beside_a_folder : {false, true}) {
    if (beside_a_folder) fs::create_directories(folder / "m/best");
    save_model(folder / "m", model, model.tensors);
    EXPECT_TRUE(fs::exists(folder / "m/hone_model.safetensors"));
    for (const char* name :
         {"model.safetensors", "pytorch_model.bin", "model-00001-of-00002.safetensors"})
      EXPECT_FALSE(fs::exists(folder / "m" / name)) << name;
    EXPECT_TRUE(fs::exists(folder / "m/notes.txt"));
    const Model again = load_model({.name = (folder / "m").string()});
    EXPECT_TRUE(same_computation(again.graph, model.graph));
    expect_equal(again.tensors, model.tensors);
    write_text(folder / "m/model.safetensors", "of before");
  }
  // And back.
  save_model_directory(folder / "m", config, small_parameters());
  EXPECT_TRUE(fs::exists(folder / "m/model.safetensors"));
  for (const char* name : {"hone_model.safetensors", "hone_model.json", "hone_graph.txt"})
    EXPECT_FALSE(fs::exists(folder / "m" / name)) << name;
  // A plain configuration beside such weights is no model.
  fs::rename(folder / "m/model.safetensors", folder / "m/hone_model.safetensors");
  expect_error(ErrorCode::not_found, {"has no weights"}, [&] { load(folder / "m"); });
}

TEST(OwnWeights, AreAmongTheFilesOfAModel) {
  for (const char* name :
       {"model.safetensors", "hone_model.safetensors", "model-00001-of-00002.safetensors",
        "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model-00001-of-00002.bin",
        "pytorch_model.bin.index.json"})
    EXPECT_TRUE(is_weights_file(name)) << name;
  for (const char* name : {"hone_state.safetensors", "config.json", "tf_model.h5", "model.txt",
                           "my_model.safetensors", "training_args.bin"})
    EXPECT_FALSE(is_weights_file(name)) << name;
}

}  // namespace
}  // namespace hone
