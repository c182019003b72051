// Where the shared material (IMDb, vocabulary, parity traces) lies, and how a test that needs it
// skips when it is not there.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace hone_test {

inline std::filesystem::path shared_directory() {
  const char* set = std::getenv("HONE_SHARED");
  return set != nullptr ? std::filesystem::path(set)
                        : std::filesystem::path(HONE_SOURCE_DIR) / ".." / "shared";
}

}  // namespace hone_test

#define HONE_REQUIRE_SHARED(relative)                                                   \
  const std::filesystem::path shared_path = hone_test::shared_directory() / (relative); \
  if (!std::filesystem::exists(shared_path))                                            \
  GTEST_SKIP() << "needs " << shared_path                                               \
               << "; set HONE_SHARED to the folder with the shared material"
