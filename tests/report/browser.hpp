// Pages as a browser shows them.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "hone/report/resources.hpp"

#define REQUIRE_PLOTLY()                              \
  if (hone::embedded::plotly().empty())               \
  GTEST_SKIP() << "built without plotly.js (Debian: " \
                  "python3-plotly)"

namespace hone_test {

using hone::read_file;

inline constexpr const char* hostile =
    "</script><script>document.title='taken'</script><img src=x "
    "onerror=\"document.title='taken'\"><!--";

inline std::string find_chromium() {
  const char* variable = std::getenv("PATH");
  std::string path = variable == nullptr ? "" : variable;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
      const auto file = std::filesystem::path(path.substr(begin, end - begin)) / name;
      std::error_code ignored;
      if (std::filesystem::exists(file, ignored)) return file.string();
    }
    begin = end + 1;
  }
  return "";
}

struct Browsed {
  std::string dom;
  std::string log;
};

// The page as a browser has it after its scripts ran, and what it logged.
inline Browsed browse(const std::filesystem::path& page, const std::filesystem::path& scratch) {
  const std::string dom = (scratch / "dom.html").string(), log = (scratch / "log.txt").string();
  const std::string command = fmt::format(
      "timeout 100 '{}' --headless=new --no-sandbox --disable-gpu --no-first-run "
      "--user-data-dir='{}' --virtual-time-budget=10000 --enable-logging=stderr --v=0 "
      "--dump-dom 'file://{}' >'{}' 2>'{}'",
      find_chromium(), (scratch / "profile").string(), page.string(), dom, log);
  if (std::system(command.c_str()) != 0) ADD_FAILURE() << "the browser failed: " << read_file(log);
  return {read_file(dom), read_file(log)};
}

inline std::string run_chromium(const std::string& arguments,
                                const std::filesystem::path& scratch) {
  const std::string out = (scratch / "out.txt").string();
  const std::string command = fmt::format(
      "timeout 100 '{}' --headless=new --no-sandbox --disable-gpu --no-first-run --hide-scrollbars "
      "--user-data-dir='{}' {} >'{}' 2>/dev/null",
      find_chromium(), (scratch / "profile").string(), arguments, out);
  if (std::system(command.c_str()) != 0) ADD_FAILURE() << "the browser failed: " << command;
  return read_file(out);
}

}  // namespace hone_test
