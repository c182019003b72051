// The archive of the Large Movie Review Dataset, read as it is.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace hone {

struct NamedText {
  std::string name;  // file name without its folders
  std::string text;
};

// One split of the data set: the texts of its folders neg and pos, each sorted by file name.
struct ReviewFolders {
  std::vector<NamedText> negative;
  std::vector<NamedText> positive;
};

// Streams a tar archive (plain or compressed) and keeps [aclImdb/]SPLIT/{neg,pos}/*.txt. Throws
// Error(bad_format) naming the archive and the entry for a path that is absolute or holds "..", for
// links and devices, for a text above 4 MB or given twice, for an archive that is cut short.
ReviewFolders read_imdb_archive(const std::filesystem::path& path, const std::string& split);

}  // namespace hone
