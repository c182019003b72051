// Data sets of pictures: folders, CIFAR-10, idx files, and the drawn shapes.
#include <set>

#include <sys/stat.h>

#include "hone/data/load.hpp"
#include "hone/data/shape_generator.hpp"
#include "support/expect_error.hpp"
#include "support/picture_files.hpp"
#include "support/scratch_directory.hpp"
#include "support/thread_scope.hpp"

namespace hone_test {
namespace {

using namespace hone;

ImageInput colour(std::int64_t size) {
  return {3, size, size, size, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}};
}

TokenizedData load(const std::string& data, const ImageInput& input, const std::string& split,
                   double validation = 0) {
  DataRequest request = parse_data(data);
  request.split = split;
  request.image = input;
  request.validation = validation;
  return load_tokenized(request, Tokenizer());
}

TEST(Shapes, SameSeedSamePicturesOnAnyThreads) {
  const auto draw = [](std::int64_t count, std::uint64_t seed, bool test, int threads) {
    const ThreadScope scope(threads);
    return draw_shapes(count, seed, test, colour(32));
  };
  const TokenizedData once = draw(40, 7, false, 1);
  EXPECT_EQ(once.pixels, draw(40, 7, false, 3).pixels);
  EXPECT_NE(once.pixels, draw(40, 8, false, 1).pixels);
  EXPECT_NE(once.pixels, draw(40, 7, true, 1).pixels);
  const TokenizedData more = draw(50, 7, false, 2);
  EXPECT_TRUE(std::equal(once.pixels.begin(), once.pixels.end(), more.pixels.begin()));
  EXPECT_EQ(once.label_names.size(), 10u);
  for (std::int64_t i = 0; i < 40; ++i) EXPECT_EQ(once.labels[static_cast<std::size_t>(i)], i % 10);
}

TEST(Shapes, ASplitIsCutByClass) {
  const TokenizedData train = load("shapes", colour(8), "train", 0.25);
  const TokenizedData validation = load("shapes", colour(8), "validation", 0.25);
  EXPECT_EQ(train.size(), 4500);
  EXPECT_EQ(validation.size(), 1500);
  EXPECT_EQ(validation.pixels.size(), 1500u * 3 * 64);
  EXPECT_EQ(validation.length(3), 1);
  EXPECT_EQ(std::count(validation.labels.begin(), validation.labels.end(), 4), 150);
  EXPECT_ERROR(load("shapes:here", colour(8), "train"), ErrorCode::invalid_argument,
               "takes no path");
  EXPECT_ERROR(load("reviews", colour(8), "train"), ErrorCode::invalid_argument,
               "the data 'reviews' are texts, the model reads pictures");
  EXPECT_ERROR(load("shapes", {}, "train"), ErrorCode::invalid_argument,
               "the data 'shapes' are pictures, the model reads texts");
}

class Folders : public testing::Test {
protected:
  void add(const std::string& name, const char* file = rgb_png) {
    scratch.write("data/" + name, bytes_of_hex(file));
  }
  std::string data() const { return "images:" + (scratch.path() / "data").string(); }
  ScratchDirectory scratch;
};

TEST_F(Folders, AreClasses) {
  add("dog/b.PNG");
  add("dog/a.jpg", colour_jpeg);
  add("cat/deep/c.png", grey_png);
  add("cat/notes.txt");
  add("dog/.hidden.png", "");
  const TokenizedData pictures = load(data(), colour(1), "all");
  EXPECT_EQ(pictures.label_names, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(pictures.labels, (std::vector<std::int32_t>{0, 1, 1}));
  EXPECT_NEAR(pictures.pixels[3], 200, 2);  // of dog/a.jpg
  EXPECT_ERROR(load(data(), colour(1), "test"), ErrorCode::invalid_argument, "has no test split");
  add("dog/bad.png", "89504e470d0a1a0a00");
  EXPECT_ERROR(load(data(), colour(1), "all"), ErrorCode::bad_format,
               "dog/bad.png: cannot be read");
}

TEST_F(Folders, MayHoldSplits) {
  for (const char* name :
       {"train/a/1.png", "train/b/1.png", "train/b/2.png", "val/a/1.png", "val/b/1.png"})
    add(name);
  EXPECT_EQ(load(data(), colour(2), "train").labels, (std::vector<std::int32_t>{0, 1, 1}));
  EXPECT_EQ(load(data(), colour(2), "test").size(), 2);
  EXPECT_ERROR(load(data(), colour(2), "all"), ErrorCode::invalid_argument,
               "that of a single file");
}

TEST_F(Folders, AreRefused) {
  EXPECT_ERROR(load(data(), colour(2), "train"), ErrorCode::not_found, "is no folder");
  add("a/1.png");
  EXPECT_ERROR(load(data(), colour(2), "train"), ErrorCode::bad_format,
               "one folder, expected at least two classes");
  scratch.write("data/b/empty.txt", "");
  EXPECT_ERROR(load(data(), colour(2), "train"), ErrorCode::bad_format,
               "b: a class without pictures");
  EXPECT_ERROR(load("images:", colour(2), "train"), ErrorCode::invalid_argument, "needs a path");
}

TEST_F(Folders, MayLeadBackAndHoldAnything) {
  add("a/1.png");
  add("b/1.png");
  add("b/2.png");
  const std::filesystem::path folder = scratch.path() / "data";
  std::filesystem::create_directory_symlink(folder / "b", folder / "b/self");
  std::filesystem::create_directory_symlink(folder / "b", folder / "b/self2");
  ASSERT_EQ(::mkfifo((folder / "b/pipe.png").c_str(), 0600), 0);
  EXPECT_EQ(load(data(), colour(2), "train").labels, (std::vector<std::int32_t>{0, 1, 1}));
}

TEST_F(Folders, AClassMayBeCalledTrain) {
  for (const char* name : {"car/1.png", "train/1.png", "train/2.png"}) add(name);
  EXPECT_EQ(load(data(), colour(2), "train").label_names,
            (std::vector<std::string>{"car", "train"}));
}

// A record of CIFAR-10: places of the planes red, green and blue.
std::string cifar_record(int label, int red, int green, int blue) {
  std::string record(1, static_cast<char>(label));
  for (const int value : {red, green, blue}) record += std::string(1024, static_cast<char>(value));
  return record;
}

std::string tar_member(const std::string& name, const std::string& bytes) {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(124, 11, fmt::format("{:011o}", bytes.size()));
  header[156] = '0';
  header.replace(257, 5, "ustar");
  std::string padded = bytes;
  padded.resize((bytes.size() + 511) / 512 * 512);
  return header + padded;
}

TEST(Cifar10, FolderAndArchive) {
  const ScratchDirectory scratch;
  std::string archive;
  for (int i = 1; i <= 6; ++i) {
    const std::string name = i == 6 ? "test_batch.bin" : fmt::format("data_batch_{}.bin", i);
    const std::string bytes = cifar_record(i, 10 * i, 20, 30) + cifar_record(0, 1, 2, 3);
    scratch.write("cifar-10-batches-bin/" + name, bytes);
    archive += tar_member("cifar-10-batches-bin/" + name, bytes);
  }
  const std::string folder = scratch.path().string();
  const std::string file = scratch.write("c.tar", archive + std::string(1024, '\0'));
  for (const std::string& place : {folder, folder + "/cifar-10-batches-bin", file}) {
    const TokenizedData train = load("cifar10:" + place, colour(32), "train");
    EXPECT_EQ(train.labels, (std::vector<std::int32_t>{1, 0, 2, 0, 3, 0, 4, 0, 5, 0}));
    EXPECT_EQ(train.label_names[9], "truck");
    EXPECT_EQ(std::vector(train.pixels.begin() + 6 * 1024, train.pixels.begin() + 6 * 1024 + 6),
              (std::vector<std::uint8_t>{20, 20, 30, 20, 20, 30}));
    EXPECT_EQ(load("cifar10:" + place, colour(8), "test").labels,
              (std::vector<std::int32_t>{6, 0}));
  }
  EXPECT_ERROR(
      load("cifar10:" + scratch.write("d.tar", archive.substr(0, 5000)), colour(32), "train"),
      ErrorCode::bad_format, "is cut short");
  EXPECT_ERROR(load("cifar10:" + scratch.write("e.tar", "no archive" + std::string(600, 'x')),
                    colour(32), "train"),
               ErrorCode::bad_format, "is no tar archive");
  scratch.write("cifar-10-batches-bin/test_batch.bin", cifar_record(10, 0, 0, 0));
  EXPECT_ERROR(load("cifar10:" + folder, colour(32), "test"), ErrorCode::bad_format,
               "record 0 has the label 10");
  scratch.write("cifar-10-batches-bin/test_batch.bin", "short");
  EXPECT_ERROR(load("cifar10:" + folder, colour(32), "test"), ErrorCode::bad_format,
               "test_batch.bin: has 5 bytes");
  EXPECT_ERROR(load("cifar10:/nowhere", colour(32), "test"), ErrorCode::not_found, "/nowhere");
}

std::string idx(std::initializer_list<int> sizes, const std::string& bytes) {
  std::string file{0, 0, 8, static_cast<char>(sizes.size())};
  for (const int size : sizes) file += std::string{0, 0, 0, static_cast<char>(size)};
  return file + bytes;
}

TEST(Mnist, IdxFiles) {
  const ScratchDirectory scratch;
  scratch.write("m/train-images-idx3-ubyte", idx({2, 2, 3}, "abcdefghijkl"));
  scratch.write("m/train-labels-idx1-ubyte", idx({2}, {2, 0}));
  const std::string data = "mnist:" + (scratch.path() / "m").string();
  ImageInput grey{1, 2, 3, 2, {0.5f}, {0.5f}};
  const TokenizedData pictures = load(data, grey, "train");
  EXPECT_EQ(pictures.labels, (std::vector<std::int32_t>{2, 0}));
  EXPECT_EQ(pictures.label_names, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(std::string(pictures.pixels.begin(), pictures.pixels.end()), "abcdefghijkl");
  EXPECT_ERROR(load(data, grey, "test"), ErrorCode::not_found, "has no t10k-images-idx3-ubyte");
  scratch.write("m/train-labels-idx1-ubyte", idx({3}, {2, 0, 1}));
  EXPECT_ERROR(load(data, grey, "train"), ErrorCode::bad_format, "3 labels for 2 pictures");
  scratch.write("m/train-images-idx3-ubyte", idx({2, 2, 3}, "abc"));
  EXPECT_ERROR(load(data, grey, "train"), ErrorCode::bad_format, "holds 3 bytes after its head");
  scratch.write("m/train-images-idx3-ubyte", "garbage");
  EXPECT_ERROR(load(data, grey, "train"), ErrorCode::bad_format, "is no idx file");
}

}  // namespace
}  // namespace hone_test
