// Architectures are known to the frontends alone: elsewhere code sees graphs. What remains are the
// names of built-in models, in defaults and examples of commands and recipes, and the tokenizer's
// classes.
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "hone/frontends/load_model.hpp"
#include "hone/frontends/zoo/architecture.hpp"

namespace hone_test {
namespace {

namespace fs = std::filesystem;
using namespace hone;

// Those that hone has, and families that it may have one day.
std::regex architecture_names() {
  std::string names = "bert|electra|mpnet|gpt|llama|mistral|vit|resnet|mobilenet";
  for (const Architecture& architecture : architecture_table()) names += "|" + architecture.name;
  return std::regex("(^|[^a-z])(" + names + ")([^a-z]|$)|bert", std::regex::icase);
}

// Where defaults and examples name a model.
bool may_name_models(const std::string& file) {
  return file.rfind("cli/", 0) == 0 || file.rfind("recipes/", 0) == 0 || file == "hone.hpp";
}

// The tokenizer is BERT's, whatever network reads its ids.
bool is_tokenizer(const std::string& file) {
  return file.rfind("data/tokenizer", 0) == 0 || file.rfind("data/unicode", 0) == 0;
}

// What is left of a line once names of models are taken out.
std::string without_models(const std::string& file, const std::string& line) {
  static const std::regex models = [] {
    std::string names = "bert-base-uncased";
    for (const std::string& name : builtin_models()) names += "|" + name;
    return std::regex("(^|[^a-zA-Z0-9-])(" + names + ")(?![a-zA-Z0-9-])");
  }();
  return may_name_models(file) ? std::regex_replace(line, models, "$1") : line;
}

bool names_architecture(const std::string& file, const std::string& line) {
  static const std::regex names = architecture_names();
  return !is_tokenizer(file) && std::regex_search(without_models(file, line), names);
}

TEST(ArchitectureNames, TheRuleItself) {
  EXPECT_TRUE(names_architecture("train/stepper.cpp", "if (model.name == \"bert\")"));
  EXPECT_TRUE(names_architecture("train/stepper.cpp", "  // as BertForMaskedLM"));
  EXPECT_TRUE(names_architecture("train/stepper.cpp", "hone train bert-tiny"));
  EXPECT_FALSE(names_architecture("cli/train.cpp", "\"hone train bert-tiny --data reviews\""));
  EXPECT_TRUE(names_architecture("cli/train.cpp", "if (is_bert(model))"));
  EXPECT_TRUE(names_architecture("cli/train.cpp", "\"bert-tiny\" or a distilbert"));
  EXPECT_FALSE(names_architecture("cli/train.cpp", "invites activity and gptq"));
  EXPECT_FALSE(names_architecture("data/tokenizer_parse.cpp", "BertNormalizer"));
}

TEST(ArchitectureNames, StandInTheFrontendsAlone) {
  const fs::path root = fs::path(HONE_SOURCE_DIR) / "src" / "hone";
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".cpp" && extension != ".hpp" && extension != ".cu") continue;
    const std::string file = fs::relative(entry.path(), root).string();
    if (file.rfind("frontends/", 0) == 0) continue;
    ++files;
    std::ifstream stream(entry.path());
    std::string line;
    for (int number = 1; std::getline(stream, line); ++number)
      EXPECT_FALSE(names_architecture(file, line)) << file << ":" << number << ": " << line;
  }
  EXPECT_GT(files, 300);
}

}  // namespace
}  // namespace hone_test
