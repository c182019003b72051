#include "hone/recipes/detail/content_hash.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "hone/core/file.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/graph/text.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

std::string content_of_folder(const fs::path& folder) {
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      files.push_back(fmt::format("{} {}\n", entry.path().lexically_relative(folder).string(),
                                  entry.file_size()));
  std::sort(files.begin(), files.end());
  std::string all;
  for (const std::string& file : files) all += file;
  return sha256(all);
}

}  // namespace

std::string content_of_model(const fs::path& folder) {
  const Model model = load_model({.name = folder.string()});
  // (A plain model is what its configuration makes of its tensors.)
  std::string all = is_plain(model) ? "" : print_graph(model.graph);
  for (const std::string& name : model.tensors.names()) {
    const Tensor& tensor = model.tensors.at(name);
    all +=
        name +
        sha256(std::as_bytes(std::span(static_cast<const char*>(tensor.data()), tensor.bytes())));
  }
  return sha256(all);
}

std::string content_of_data(const DataRequest& data) {
  std::string all;
  for (const std::string& split : splits_of(data)) {
    const bool is_other_file = split == "test" && !data.options.text_or("test", "").empty();
    const fs::path path = is_other_file ? data.options.text("test") : data.location;
    if (fs::is_regular_file(path))
      all += sha256(map_file(path).bytes);
    else if (fs::is_directory(path))
      all += content_of_folder(path);
    else
      all += find_dataset(data.kind).fingerprint(data.location, split, data.options);
  }
  return sha256(all);
}

}  // namespace hone
