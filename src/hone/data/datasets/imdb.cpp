// imdb:PATH, the Large Movie Review Dataset (Maas et al., ACL 2011): its folder or its archive.
// Samples come in a fixed order: all of neg by file name, then all of pos.
#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/threads.hpp"
#include "hone/data/imdb_archive.hpp"
#include "hone/data/source.hpp"

namespace hone {
namespace {
namespace imdb_data {

namespace fs = std::filesystem;

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// The folder that holds train/ and test/: the one given, or aclImdb in it.
fs::path find_root(const fs::path& path, const std::string& split) {
  for (const fs::path& root : {path, path / "aclImdb"})
    if (is_folder(root / split / "neg") && is_folder(root / split / "pos")) return root;
  throw Error(ErrorCode::not_found,
              fmt::format("{}: has no {}/neg and {}/pos", path.string(), split, split),
              "give the folder aclImdb, its parent, or the archive aclImdb_v1.tar.gz");
}

std::vector<fs::path> list_texts(const fs::path& folder) {
  std::vector<fs::path> files;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder))
      if (entry.path().extension() == ".txt") files.push_back(entry.path());
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::io,
                fmt::format("{}: cannot list: {}", folder.string(), error.code().message()),
                "check the permissions");
  }
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) {
    return a.filename().native() < b.filename().native();
  });
  return files;
}

std::vector<NamedText> read_folder(const fs::path& folder) {
  const std::vector<fs::path> files = list_texts(folder);
  std::vector<NamedText> texts(files.size());
  parallel_items(static_cast<std::int64_t>(files.size()), [&](std::int64_t i, int) {
    const auto at = static_cast<std::size_t>(i);
    texts[at] = {files[at].filename().string(), read_file(files[at])};
  });
  return texts;
}

TextData load(const std::string& location, const std::string& split, const Options&, LabelUse) {
  require_location(location, "imdb");
  check_split_name(split);
  ReviewFolders folders;
  if (is_folder(location)) {
    const fs::path root = find_root(location, split);
    folders = {read_folder(root / split / "neg"), read_folder(root / split / "pos")};
  } else {
    folders = read_imdb_archive(location, split);
  }
  TextData data;
  data.source = location;
  data.label_names = {"neg", "pos"};
  const auto take = [&](std::vector<NamedText>& texts, std::int32_t label) {
    for (NamedText& text : texts) {
      check_text(text.text,
                 fmt::format("{}: {}/{}/{}", location, split,
                             data.label_names[static_cast<std::size_t>(label)], text.name));
      data.texts.push_back(std::move(text.text));
      data.labels.push_back(label);
    }
  };
  take(folders.negative, 0);
  take(folders.positive, 1);
  if (data.texts.empty())
    throw Error(ErrorCode::bad_format, fmt::format("{}: {} holds no samples", location, split),
                "fetch it again with: hone data fetch imdb");
  return data;
}

std::string fingerprint(const std::string& location, const std::string& split, const Options&) {
  require_location(location, "imdb");
  if (!is_folder(location)) return sha256(split + file_fingerprint(location));
  const fs::path root = find_root(location, split);
  std::string all = split;
  for (const char* folder : {"neg", "pos"})
    for (const fs::path& file : list_texts(root / split / folder))
      all += fmt::format("\n{} {} {}", folder, file.filename().string(), file_stamp(file));
  return sha256(all);
}

}  // namespace imdb_data
}  // namespace

DatasetKind dataset_imdb() {
  using namespace imdb_data;
  return {{"imdb", "Large Movie Review Dataset: imdb:FOLDER or imdb:ARCHIVE.tar.gz"},
          load,
          fingerprint,
          nullptr,
          {"neg", "pos"}};
}

}  // namespace hone
