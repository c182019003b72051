#include "hone/record/record.hpp"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <unistd.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/version.hpp"

namespace hone {

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

Record::Record(const std::filesystem::path& path, bool append) : path_(path) {
  if (append && std::filesystem::exists(path)) {
    const std::string content = read_file(path);
    const std::size_t keep = content.rfind('\n') + 1;  // npos + 1 == 0: no whole line
    if (keep != content.size()) std::filesystem::resize_file(path, keep);
  }
  file_.reset(std::fopen(path.c_str(), append ? "ae" : "we"));
  if (!file_)
    throw Error(ErrorCode::io,
                fmt::format("{}: cannot create: {}", path.string(), std::strerror(errno)));
}

void Record::write(const Json& line) {
  const std::string text = line.dump() + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() ||
      std::fflush(file_.get()) != 0)
    throw Error(ErrorCode::io,
                fmt::format("{}: cannot write: {}", path_.string(), std::strerror(errno)));
}

std::vector<Json> Record::read(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  std::vector<Json> lines;
  std::size_t begin = 0;
  for (std::size_t number = 1; begin < content.size(); ++number) {
    const std::size_t end = content.find('\n', begin);
    if (end == std::string::npos) break;  // torn by a kill: the line was never complete
    const auto line = std::string_view(content).substr(begin, end - begin);
    Json value = parse_json_or_null(line);
    if (!value.is_object() || !value.contains("event"))
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: line {}: expected a JSON object with an \"event\"",
                              path.string(), number),
                  "a record is the file record.jsonl of a run");
    lines.push_back(std::move(value));
    begin = end + 1;
  }
  return lines;
}

Json describe_machine() {
  std::string cpu = "unknown";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) {
      cpu = std::string(trim(std::string_view(line).substr(line.find(':') + 1)));
      break;
    }
  }
  std::string isa = "portable";
#if defined(__x86_64__)
  isa = __builtin_cpu_supports("avx512f") ? "AVX-512" : "AVX2";
#elif defined(__aarch64__)
  isa = "NEON";
#endif
  return {{"cpu", cpu}, {"cores", core_count()}, {"threads", thread_count()}, {"isa", isa}};
}

Json describe_versions() {
  return {{"hone", version}, {"compiler", fmt::format("{} {}", compiler_name, __VERSION__)}};
}

}  // namespace hone
