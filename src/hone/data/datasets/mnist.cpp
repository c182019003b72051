// mnist:FOLDER, data in the files of MNIST (LeCun et al., 1998), also Fashion-MNIST and others of
// that form: {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz. An idx file is two zeros,
// the type (8: bytes), the number of dimensions, the sizes (big-endian, 32 bits), the numbers.
#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/threads.hpp"
#include "hone/data/picture_source.hpp"
#include "hone/data/source.hpp"

namespace hone {
namespace {
namespace mnist_data {

namespace fs = std::filesystem;

constexpr const char* hint =
    "give the folder with train-images-idx3-ubyte(.gz), train-labels-idx1-ubyte(.gz), "
    "t10k-images-idx3-ubyte(.gz) and t10k-labels-idx1-ubyte(.gz)";

// With '-' or, as some mirrors have it, '.' before idx.
fs::path find_file(const fs::path& folder, const std::string& split, const char* what, int rank) {
  const std::string prefix = split == "train" ? "train" : "t10k";
  for (const char* dot : {"-", "."})
    for (const char* end : {"", ".gz"}) {
      const fs::path path =
          folder / fmt::format("{}-{}{}idx{}-ubyte{}", prefix, what, dot, rank, end);
      if (fs::is_regular_file(path)) return path;
    }
  throw Error(ErrorCode::not_found,
              fmt::format("{}: has no {}-{}-idx{}-ubyte", folder.string(), prefix, what, rank),
              hint);
}

struct IdxFile {
  Shape shape;
  std::string bytes;
  std::size_t begin = 0;

  const std::uint8_t* numbers() const {
    return reinterpret_cast<const std::uint8_t*>(bytes.data()) + begin;
  }
};

IdxFile read_idx(const fs::path& path, std::size_t rank) {
  IdxFile file{{}, read_unpacked(path), 4 + 4 * rank};
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(file.bytes[i]); };
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::bad_format, fmt::format("{}: {}", path.string(), what), hint);
  };
  if (file.bytes.size() < file.begin || byte(0) != 0 || byte(1) != 0 || byte(2) != 8 ||
      byte(3) != rank)
    fail(fmt::format("is no idx file of bytes with {} dimensions", rank));
  for (std::size_t d = 0; d < rank; ++d) {
    std::int64_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size * 256 + byte(4 + 4 * d + i);
    file.shape.push_back(size);
  }
  std::int64_t left = static_cast<std::int64_t>(file.bytes.size() - file.begin);
  for (const std::int64_t size : file.shape)
    left = size == 0 ? -1 : left % size == 0 ? left / size : -1;
  if (left != 1)
    fail(fmt::format("holds {} bytes after its head, sizes say {}", file.bytes.size() - file.begin,
                     to_string(file.shape)));
  return file;
}

TokenizedData load_pictures(const std::string& location, const std::string& split, const Options&,
                            const ImageInput& input, const Progress&) {
  require_location(location, "mnist");
  check_split_name(split);
  const IdxFile images = read_idx(find_file(location, split, "images", 3), 3);
  const fs::path labels_path = find_file(location, split, "labels", 1);
  const IdxFile labels = read_idx(labels_path, 1);
  const std::int64_t count = images.shape[0], height = images.shape[1], width = images.shape[2];
  if (labels.shape[0] != count)
    throw Error(
        ErrorCode::bad_format,
        fmt::format("{}: {} labels for {} pictures", labels_path.string(), labels.shape[0], count),
        hint);
  const int most = *std::max_element(labels.numbers(), labels.numbers() + count);
  std::vector<std::string> names;
  for (int i = 0; i <= std::max(most, 1); ++i) names.push_back(fmt::format("{}", i));
  TokenizedData data = make_pictures(count, names, input, location);
  parallel_items(count, [&](std::int64_t i, int) {
    const std::uint8_t* first = images.numbers() + i * height * width;
    set_picture(data, i, labels.numbers()[i], {height, width, 1, {first, first + height * width}});
  });
  return data;
}

std::string fingerprint(const std::string& location, const std::string& split, const Options&) {
  require_location(location, "mnist");
  return sha256(file_fingerprint(find_file(location, split, "images", 3)) +
                file_fingerprint(find_file(location, split, "labels", 1)));
}

}  // namespace mnist_data
}  // namespace

DatasetKind dataset_mnist() {
  using namespace mnist_data;
  DatasetKind kind{{"mnist", "pictures in MNIST's idx files: mnist:FOLDER"}, nullptr, fingerprint};
  kind.load_pictures = load_pictures;
  return kind;
}

}  // namespace hone
