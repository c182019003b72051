// Reading what cannot be mapped.
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "hone/core/file.hpp"

namespace hone_test {
namespace {

TEST(MapFile, APipeIsReadToItsEnd) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string text = "what came through\n";
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  const hone::MappedFile file = hone::map_file("/proc/self/fd/" + std::to_string(ends[0]));
  ::close(ends[0]);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()), text);
}

}  // namespace
}  // namespace hone_test
