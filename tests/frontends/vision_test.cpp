// Networks of pictures: sizes and names are torchvision's, other libraries' names are read, what is
// written is read back.
#include <cmath>

#include "hone/core/file.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/run/forward.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {
namespace {

using namespace hone;

TEST(Vision, ParametersAreTorchvisions) {
  // As torchvision counts them, for 1000 classes.
  for (const auto& [name, count] :
       std::vector<std::pair<const char*, std::int64_t>>{{"resnet18", 11689512},
                                                         {"resnet34", 21797672},
                                                         {"resnet50", 25557032},
                                                         {"mobilenet_v2", 3504872}}) {
    const Graph graph = source_graph(name, {});
    std::int64_t found = 0;
    for (const Value& value : graph.values)
      if (value.kind == ValueKind::parameter) found += element_count(evaluate(value.type, {}));
    EXPECT_EQ(found, count) << name;
  }
  const Graph resnet50 = source_graph("resnet50", {});
  EXPECT_NE(resnet50.find("layer3.5.conv3.weight"), none);
  EXPECT_NE(resnet50.find("layer1.0.downsample.1.running_var"), none);
  const Graph mobile = source_graph("mobilenet_v2", {});
  EXPECT_NE(mobile.find("features.1.conv.2.running_mean"), none);
  EXPECT_NE(mobile.find("features.17.conv.3.bias"), none);
}

TEST(Vision, SizesAreSettings) {
  const ModelFacts facts =
      model_facts("resnet18", {{"image_size", "32"}, {"num_channels", "1"}, {"num_labels", "7"}});
  EXPECT_EQ(facts.image.channels, 1);
  EXPECT_EQ(facts.image.height, 32);
  EXPECT_EQ(facts.image.resize, 32);
  EXPECT_EQ(facts.head.size, 7);
  EXPECT_EQ(facts.task, "image_classification");
  EXPECT_EQ(model_facts("resnet18", {}).image.resize, 256);
  // A small picture meets a small beginning: three by three, and no pooling.
  const auto places = [](const SizeSettings& sizes) {
    const Graph graph = source_graph("resnet18", sizes);
    return graph.type(graph.find("layer1.0.conv1")).dims[2].offset;
  };
  EXPECT_EQ(places({{"image_size", "32"}}), 32);
  EXPECT_EQ(places({{"image_size", "32"}, {"stem", "large"}}), 8);
  EXPECT_EQ(places({}), 56);
  EXPECT_ERROR(model_facts("resnet18", {{"stem", "wide"}}), ErrorCode::invalid_argument, "wide");
  EXPECT_ERROR(model_facts("resnet18", {{"num_channels", "2"}}), ErrorCode::bad_format,
               "pictures of 2 channels");
  EXPECT_ERROR(model_facts("resnet20", {{"image_size", "4"}}), ErrorCode::invalid_argument,
               "image_size");
  EXPECT_ERROR(model_facts("small-cnn", {{"num_labels", "1"}}), ErrorCode::bad_format, "one class");
}

Model tiny(const char* name, SizeSettings more = {}) {
  more.emplace_back("image_size", "32");
  more.emplace_back("num_labels", "3");
  ModelRequest request{.name = name, .settings = more, .seed = 4};
  Model model = load_model(request);
  // Running statistics that count.
  for (const std::string& tensor : model.tensors.names())
    if (tensor.find("running_") != std::string::npos) {
      float value = 0.3f;
      for (float& number : model.tensors.at(tensor).span<float>()) number = value += 0.01f;
    }
  return model;
}

Tensor answer_of(const Model& model) {
  const ImageInput& image = model.image;
  Tensor x(DType::f32, {2, image.channels, image.height, image.width});
  for (std::int64_t i = 0; i < x.size(); ++i)
    x.as<float>()[i] = static_cast<float>(std::sin(static_cast<double>(i)));
  return make_forward(model, Mode::compiled).run({{"pixel_values", x}}).at("logits");
}

void expect_same(const Model& a, const Model& b) {
  ASSERT_EQ(a.tensors.names().size(), b.tensors.names().size());
  const Tensor x = answer_of(a), y = answer_of(b);
  for (std::int64_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(x.as<const float>()[i], y.as<const float>()[i]);
}

TEST(Vision, PlainDirectoriesComeBack) {
  const ScratchDirectory scratch;
  for (const char* name : {"resnet20", "small-cnn", "mobilenet_v2"}) {
    Model model = tiny(name);
    model.labels = {"x", "y", "z"};
    EXPECT_TRUE(is_plain(model));
    const auto folder = scratch.path() / name;
    save_model(folder, model, model.tensors);
    EXPECT_TRUE(std::filesystem::exists(folder / "model.safetensors"));
    const Model back = load_model({.name = folder.string()});
    EXPECT_EQ(back.labels, model.labels);
    EXPECT_EQ(back.image, model.image);
    expect_same(back, model);
  }
}

// A model that is no plain one any more keeps its preparation.
TEST(Vision, OwnFormKeepsThePreparation) {
  const ScratchDirectory scratch;
  Model model = tiny("small-cnn");
  model.image.mean = {0.1f, 0.2f, 0.3f};
  const ValueId logits = model.graph.output("logits");
  model.graph.outputs = {{"logits", model.graph.apply("scale", {logits}, {{"factor", 2.0}})}};
  const auto folder = scratch.path() / "own";
  save_model(folder, model, model.tensors);
  EXPECT_TRUE(is_saved_model(folder));
  const Model back = load_model({.name = folder.string()});
  EXPECT_EQ(back.image, model.image);
  EXPECT_EQ(back.task, "image_classification");
  expect_same(back, model);
  std::string facts = read_file(folder / own_facts_file);
  const auto at = facts.find("\"channels\": 3");
  ASSERT_NE(at, std::string::npos);
  facts.replace(at, 13, "\"channels\": 1");
  write_file_atomically(folder / own_facts_file, facts);
  EXPECT_ERROR(load_model({.name = folder.string()}), ErrorCode::bad_format, "3 means");
}

// The names of transformers' and timm's state dicts, from those here.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  if (const auto at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}
std::string resnet_of_transformers(const std::string& name) {
  if (name.starts_with("fc.")) return replaced(name, "fc.", "classifier.1.");
  if (name.starts_with("conv1.")) return "resnet.embedder.embedder.convolution" + name.substr(5);
  if (name.starts_with("bn1.")) return "resnet.embedder.embedder.normalization" + name.substr(3);
  // layer2.0.conv1.weight
  std::string made = fmt::format("resnet.encoder.stages.{}.layers.{}.", name[5] - '1', name[7]);
  const std::string rest = name.substr(9);
  if (rest.starts_with("downsample.0")) return made + "shortcut.convolution" + rest.substr(12);
  if (rest.starts_with("downsample.1")) return made + "shortcut.normalization" + rest.substr(12);
  if (rest.starts_with("conv"))
    return made + fmt::format("layer.{}.convolution{}", rest[4] - '1', rest.substr(5));
  return made + fmt::format("layer.{}.normalization{}", rest[2] - '1', rest.substr(3));
}

TEST(Vision, ResNetsOfTransformersAreRead) {
  const ScratchDirectory scratch;
  const Model model = tiny("resnet18", {{"depths", "1,2"}, {"widths", "4,6"}, {"stem", "large"}});
  TensorStore renamed;
  for (const std::string& name : model.tensors.names())
    renamed.set(resnet_of_transformers(name), model.tensors.at(name));
  renamed.set("resnet.embedder.embedder.normalization.num_batches_tracked", Tensor(DType::i64, {}));
  std::filesystem::create_directories(scratch.path() / "m");
  write_safetensors(scratch.path() / "m/model.safetensors", renamed);
  const std::string config = R"({"model_type": "resnet", "layer_type": "basic", "embedding_size": 4,
    "hidden_sizes": [4, 6], "depths": [1, 2], "architectures": ["ResNetForImageClassification"],
    "id2label": {"0": "a", "1": "b", "2": "c"}, "image_size": 32)";
  scratch.write("m/config.json", config + "}");
  scratch.write(
      "m/preprocessor_config.json",
      R"({"size": {"shortest_edge": 32}, "crop_pct": 0.8, "image_mean": [0.5, 0.4, 0.3]})");
  const Model read = load_model({.name = (scratch.path() / "m").string()});
  EXPECT_EQ(read.labels, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(read.image.resize, 40);
  EXPECT_EQ(read.image.mean, (std::vector<float>{0.5f, 0.4f, 0.3f}));
  expect_same(read, model);
  // Written by torchvision's names.
  save_model(scratch.path() / "w", read, read.tensors);
  EXPECT_TRUE(read_safetensors(scratch.path() / "w/model.safetensors")
                  .contains("layer2.1.bn2.running_var"));
  EXPECT_EQ(load_model({.name = (scratch.path() / "w").string()}).image, read.image);
  for (const auto& [key, message] :
       {std::pair{R"(, "hidden_act": "gelu"})", "hidden_act"},
        std::pair{R"(, "downsample_in_bottleneck": true})", "downsample"}}) {
    scratch.write("m/config.json", config + key);
    EXPECT_ERROR(load_model({.name = (scratch.path() / "m").string()}), ErrorCode::unsupported,
                 message);
  }
}

TEST(Vision, DamagedDirectoriesAreRefused) {
  const ScratchDirectory scratch;
  const Model model = tiny("resnet20");
  const std::string folder = (scratch.path() / "m").string();
  const auto with = [&](const std::string& drop, const std::string& add) {
    TensorStore tensors;
    for (const std::string& name : model.tensors.names())
      if (name != drop) tensors.set(name, model.tensors.at(name));
    if (!add.empty()) tensors.set(add, Tensor(DType::f32, {2}));
    save_model(folder, model, tensors);
  };
  with("layer2.1.bn1.running_mean", "");
  EXPECT_ERROR(load_model({.name = folder}), ErrorCode::not_found, "layer2.1.bn1.running_mean");
  with("", "layer4.0.conv1.weight");
  EXPECT_ERROR(load_model({.name = folder}), ErrorCode::bad_format, "layer4.0.conv1.weight");
  // A classifier may start afresh; what is not there at all is another kind of model.
  with("fc.weight", "");
  EXPECT_EQ(load_model({.name = folder}).report.initialized,
            (std::vector<std::string>{"fc.weight"}));
  scratch.write("m/config.json", R"({"architecture": "vit_tiny", "num_classes": 3})");
  EXPECT_ERROR(load_model({.name = folder}), ErrorCode::unsupported, "vit_tiny");
  scratch.write("m/config.json", R"({"architecture": "resnet20", "num_classes": 1})");
  EXPECT_ERROR(load_model({.name = folder}), ErrorCode::bad_format, "at least two");
  scratch.write("m/config.json", R"({"architecture": "resnet20", "model_args": {"stem": 3}})");
  EXPECT_ERROR(load_model({.name = folder}), ErrorCode::invalid_argument, "stem");
  scratch.write("m/config.json",
                R"({"architecture": "resnet20", "pretrained_cfg": {"input_size": [3, -1, 32]}})");
  EXPECT_ERROR(load_model({.name = folder}), ErrorCode::bad_format, "32 x -1");
}

}  // namespace
}  // namespace hone_test
