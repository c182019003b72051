// Every example of every --help, and every command of README.md, is run as it is printed: in a
// scratch folder, with stand-ins for the data and models that they name.
#include <cstdlib>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cli/program.hpp"
#include "frontends/small_classifier.hpp"
#include "hone/cli/command.hpp"
#include "hone/core/json.hpp"
#include "hone/data/review_generator.hpp"
#include "hone/data/tokenizer.hpp"
#include "hone/frontends/array_files.hpp"
#include "hone/frontends/safetensors.hpp"
#include "support/picture_files.hpp"

namespace hone_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The program under its name, on few and short texts: a minute for all. What needs the network is
// left out. (That `hone train bert-tiny --data reviews` learns is a test of its own.)
const char* const wrapper = R"(#!/bin/sh
case "$1 $2" in
  "data fetch") echo "left out: needs the network"; exit 0 ;;
esac
case "$*" in
  *postgresql://host/*) echo "left out: needs a server"; exit 0 ;;
esac
small=""
case "$1" in
  train|run) case "$*" in
    *"--data reviews"*|*"run demo"*|*mine.toml*)
      small="--set data.samples=300 --set data.test_samples=60" ;;
    *"--data shapes"*) small="--set data.samples=60" ;;
    *"--data cifar10"*) small="--set validation=0" ;;
  esac ;;
  search) case "$*" in *reviews.toml*|*demo-search*) small="--trials 3" ;; esac ;;
  eval|compare|sensitivity) case "$*" in *"--data reviews"*) small="--set data.test_samples=60" ;; esac ;;
esac
case "$*" in *--show*) small="" ;; esac
exec "$HONE_PROGRAM" "$@" $small
)";

class DocumentedCommands : public testing::Test {
protected:
  DocumentedCommands() {
    for (const char* place : {"bin/hone", "build/release/hone"}) {
      scratch_.write(place, wrapper);
      ::chmod((scratch_.path() / place).c_str(), 0700);
    }
    make_reviews();
    const hone::Tokenizer tokenizer = hone::Tokenizer::from_words(hone::review_words());
    fs::create_directories(scratch_.path() / "bert-base-uncased");
    tokenizer.save(scratch_.path() / "bert-base-uncased");
    scratch_.write("answer.sh", "while read -r line; do echo '{\"values\": [1]}'; done\n");
    scratch_.write("nas.toml",
                   "recipe = 'search'\nsampler = 'random'\ndirections = ['minimize']\n"
                   "objective_command = ['sh', 'answer.sh']\n[space]\nx = [1, 2]\n");
    scratch_.write("texts.jsonl", "{\"text\": \"not bad\"}\n{\"text\": \"the plot was dull\"}\n");
  }

  // The layout of the Large Movie Review Dataset, with generated reviews.
  void make_reviews() {
    std::string table = "comment,label\n";
    for (const char* split : {"train", "test"})
      for (int i = 0; i < 48; ++i) {
        const bool good = i % 2 == 0;
        const std::string text =
            (good ? "The acting was great, the plot a delight. " : "The plot was dull and bad. ") +
            std::to_string(i);
        scratch_.write(
            fmt::format("aclImdb/{}/{}/{}_{}.txt", split, good ? "pos" : "neg", i, good ? 9 : 2),
            text);
        table += "\"" + text + "\"," + (good ? "positive" : "negative") + "\n";
      }
    scratch_.write("mine.csv", table);
    fs::create_directories(scratch_.path() / "data");
    const std::string folder = scratch_.path().string();
    ASSERT_EQ(std::system(fmt::format("cd '{}' && tar czf aclImdb_v1.tar.gz aclImdb && cp "
                                      "aclImdb_v1.tar.gz data/ && rm -r aclImdb",
                                      folder)
                              .c_str()),
              0);
  }

  // CIFAR-10 in a few records, folders of flowers, a network of pictures and what it is asked.
  void make_pictures() {
    for (const char* name : {"photo.png", "photo.jpg", "holidays/a.png", "flowers/rose/a.png",
                             "flowers/rose/b.png", "flowers/lily/a.png", "flowers/lily/b.png"})
      scratch_.write(name, bytes_of_hex(rgb_png));
    for (const char* file : {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
                             "data_batch_5", "test_batch"}) {
      std::string records;
      for (char label = 0; label < 2; ++label)
        records += label + std::string(3072, static_cast<char>(40 + 50 * label));
      scratch_.write(fmt::format("cifar/{}.bin", file), records);
    }
    run("tar czf cifar-10-binary.tar.gz -C cifar data_batch_1.bin data_batch_2.bin "
        "data_batch_3.bin data_batch_4.bin data_batch_5.bin test_batch.bin\n"
        "bin/hone train small-cnn --data shapes --set image_size=16 --steps 1 --out "
        "models/resnet18");
  }

  // Files of tensors for `hone format apply`.
  void prepare_vectors() {
    run("cp runs/first/model.safetensors .");
    hone::TensorStore tensors;
    tensors.set("x", hone::Tensor(hone::DType::f32, {4, 32}));
    for (const char* name : {"X.safetensors", "inputs.safetensors"})
      hone::write_safetensors(scratch_.path() / name, tensors);
    scratch_.write("manifest.json", R"({"cases": [{"id": "a", "format": "mxint", "params": {},
                                       "input": "x", "output": "y"}]})");
  }

  // For `hone import` and `hone infer`.
  void prepare_network() {
    OnnxWriter network;
    const OnnxDims pictures{"batch", "3", "224", "224"};
    network.input("x", pictures).output("y", pictures).node("Relu", {"x"}, {"y"});
    network.write(scratch_.path() / "network.onnx");
    small_classifier({"N", "3", "8", "8"}).write(scratch_.path() / "photos.onnx");
    scratch_.write("names.txt", "one\ntwo\n");
    run("hone export bert-tiny -o reviews.onnx");
    hone::TensorStore inputs;
    inputs.set("x", hone::Tensor(hone::DType::f32, {2, 3, 224, 224}));
    hone::write_arrays(scratch_.path() / "inputs.npz", inputs);
  }

  // Runs lines of a shell; anything but success fails the test.
  void run(const std::string& script) {
    const fs::path file = scratch_.write("script.sh", "set -e\n" + script + "\n");
    const std::string output = (scratch_.path() / "output.txt").string();
    const std::string line = fmt::format(
        "cd '{}' && HONE_PROGRAM='{}' PATH='{}/bin':\"$PATH\" sh '{}' >'{}' 2>&1 </dev/null",
        scratch_.path().string(), HONE_PROGRAM, scratch_.path().string(), file.string(), output);
    EXPECT_EQ(std::system(line.c_str()), 0) << script << "\n" << hone::read_file(output);
  }

  ScratchDirectory scratch_;
};

// The commands of fenced blocks: of `sh` blocks all lines, of others those after "$ ".
std::vector<std::string> fenced_commands(const std::string& page) {
  std::vector<std::string> commands;
  bool inside = false, shell = false, goes_on = false;
  for (std::size_t begin = 0; begin < page.size();) {
    const std::size_t end = std::min(page.find('\n', begin), page.size());
    std::string line = page.substr(begin, end - begin);
    begin = end + 1;
    if (line.rfind("```", 0) == 0) {
      inside = !inside;
      shell = inside && line == "```sh";
      continue;
    }
    if (!inside) continue;
    const bool typed = line.rfind("$ ", 0) == 0;
    if (typed) line = line.substr(2);
    if (goes_on)
      commands.back() += "\n" + line;
    else if (shell || typed)
      commands.push_back(line);
    else
      continue;
    goes_on = !line.empty() && line.back() == '\\';
  }
  std::erase_if(commands, [](const std::string& line) {
    return line.find_first_not_of(' ') == std::string::npos || line[0] == '#';
  });
  return commands;
}

TEST(FencedCommands, AreFound) {
  EXPECT_THAT(fenced_commands("text\n```sh\na \\\n  b\n\nc  # why\n```\n```\n$ d\nout\n```\n"
                              "```toml\nx = 1\n```\n"),
              testing::ElementsAre("a \\\n  b", "c  # why", "d"));
}

// Files that a page shows: blocks that begin with a comment that is a name.
std::map<std::string, std::string> fenced_files(const std::string& page) {
  std::map<std::string, std::string> files;
  for (std::size_t at = 0; (at = page.find("\n```", at)) != std::string::npos;) {
    const std::size_t begin = page.find('\n', at + 1) + 1;
    const std::size_t end = page.find("\n```", begin - 1);
    const std::string block = page.substr(begin, end - begin + 1);
    const std::size_t line = block.find('\n');
    if (block.rfind("# ", 0) == 0 && block.find('.') < line)
      files[block.substr(2, line - 2)] = block;
    at = end + 4;
  }
  return files;
}

// Examples use what other examples make; the order is that of a first hour.
TEST_F(DocumentedCommands, EveryExampleOfTheHelpRuns) {
  const std::vector<std::string> first{"data", "train", "run", "quantize", "search", "import"};
  std::vector<const hone::Command*> order;
  for (const std::string& name : first)
    for (const hone::Command& command : hone::command_table())
      if (command.name == name) order.push_back(&command);
  ASSERT_EQ(order.size(), first.size());
  for (const hone::Command& command : hone::command_table())
    if (std::find(first.begin(), first.end(), command.name) == first.end())
      order.push_back(&command);
  for (const hone::Command* command : order) {
    ASSERT_FALSE(command->examples.empty()) << command->name;
    if (command->name == "format") prepare_vectors();
    if (command->name == "import") prepare_network();
    if (command->name == "train") make_pictures();
    for (const std::string& example : command->examples) {
      EXPECT_EQ(example.rfind("hone " + command->name, 0), 0u) << example;
      run(example);
    }
  }
  // What `hone --help` begins with.
  const std::string page = run_hone(scratch_, {"--help"}).out;
  const std::size_t start = page.find("Start here:\n");
  ASSERT_NE(start, std::string::npos);
  run("rm -rf runs");
  int count = 0;
  for (std::size_t at = start; (at = page.find("\n  hone ", at)) != std::string::npos; ++at) {
    std::string line = page.substr(at + 3, page.find('\n', at + 3) - at - 3);
    run(line.substr(0, line.find("  ")));
    ++count;
  }
  EXPECT_GE(count, 3);
}

TEST_F(DocumentedCommands, EveryCommandOfTheReadmeRuns) {
  const std::vector<std::string> commands =
      fenced_commands(hone::read_file(fs::path(HONE_SOURCE_DIR) / "README.md"));
  int count = 0;
  prepare_network();
  make_pictures();
  for (const std::string& command : commands) {
    if (command.rfind("make ", 0) == 0) {
      // A target of the Makefile; `make demo` is scripts/demo.sh.
      const std::string target = command.substr(5, command.find(' ', 5) - 5);
      EXPECT_THAT(hone::read_file(fs::path(HONE_SOURCE_DIR) / "Makefile"),
                  HasSubstr("\n" + target + ":"));
      if (target == "demo")
        run(fmt::format("'{}/scripts/demo.sh' build/release/hone", HONE_SOURCE_DIR));
      continue;
    }
    run(command);
    ++count;
  }
  EXPECT_GE(count, 10);
}

TEST_F(DocumentedCommands, TheFirstStudyOfTheSearchPageRuns) {
  const std::string page = hone::read_file(fs::path(HONE_SOURCE_DIR) / "docs/search.md");
  const auto files = fenced_files(page);
  EXPECT_TRUE(files.contains("objective.py") && files.contains("mine.toml") &&
              files.contains("reviews.toml"));
  for (const auto& [name, content] : files) scratch_.write(name, content);
  const std::vector<std::string> commands = fenced_commands(page);
  EXPECT_EQ(commands.size(), 7u);
  // Reviews of somebody's own, with stars.
  for (const char* name : {"train.csv", "test.csv"}) {
    std::string table = "review,stars\n";
    for (int i = 0; i < 64; ++i)
      table += fmt::format("{} {},{}\n", i % 2 == 0 ? "a great plot" : "the plot was dull", i,
                           i % 2 == 0 ? 5 : 1);
    scratch_.write(name, table);
  }
  for (std::string command : commands) {
    // The reader's own winner.
    if (const std::size_t at = command.find("POINT/model"); at != std::string::npos)
      for (const auto& point : fs::directory_iterator(scratch_.path() / "runs/reviews/points"))
        if (fs::exists(point.path() / "model") && command.find("POINT") != std::string::npos)
          command.replace(at, 5, point.path().filename().string());
    run(command);
  }
  EXPECT_THAT(hone::read_file(scratch_.path() / "output.txt"), HasSubstr("label"));
  EXPECT_EQ(complete_lines(scratch_.path() / "trials.csv"), 41u);
  EXPECT_TRUE(fs::exists(scratch_.path() / "report.html"));
}

}  // namespace
}  // namespace hone_test
