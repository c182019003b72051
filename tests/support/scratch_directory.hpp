// A folder of its own for a test, removed at the end; HONE_CACHE points into it meanwhile.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

namespace hone_test {

class ScratchDirectory {
public:
  ScratchDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hone-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    const char* before = std::getenv("HONE_CACHE");
    cache_before_ = before != nullptr ? before : "";
    ::setenv("HONE_CACHE", (path_ / "cache").c_str(), 1);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    if (cache_before_.empty())
      ::unsetenv("HONE_CACHE");
    else
      ::setenv("HONE_CACHE", cache_before_.c_str(), 1);
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }

  const std::filesystem::path& path() const { return path_; }
  // Writes a file (and its folders) and returns its path.
  std::string write(const std::string& name, std::string_view content) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file.string();
  }

private:
  std::filesystem::path path_;
  std::string cache_before_;
};

}  // namespace hone_test
