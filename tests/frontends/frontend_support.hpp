// What the tests of the frontends share.
#pragma once

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"

namespace hone_test {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(HONE_SOURCE_DIR) / "tests" / "frontends" / "fixtures" / name;
}

// A folder of its own for each test, removed with it.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hone-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

private:
  std::filesystem::path path_;
};

inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// While it lives, files cannot grow beyond `limit` bytes: writing more fails as on a full disk.
class FullDisk {
public:
  explicit FullDisk(rlim_t limit) {
    before_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit small{limit, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, before_);
  }

private:
  rlimit old_{};
  void (*before_)(int) = nullptr;
};

// Runs `body`, which must throw hone::Error with this code and all of these texts in its message.
template <typename Body>
void expect_error(hone::ErrorCode code, const std::vector<std::string>& texts, const Body& body) {
  try {
    body();
  } catch (const hone::Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.message();
    for (const std::string& text : texts)
      EXPECT_NE(error.message().find(text), std::string::npos)
          << "expected '" << text << "' in: " << error.message();
    return;
  }
  ADD_FAILURE() << "no error was thrown";
}

// Value i of a fixture's tensor (scripts/make_frontend_fixtures.py).
inline float fixture_value(std::int64_t i, float shift = 0.0f) {
  return static_cast<float>(i % 13 - 6) / 8.0f + shift;
}

}  // namespace hone_test
