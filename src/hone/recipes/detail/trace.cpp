#include "hone/recipes/detail/trace.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

std::string kept_lines(const std::filesystem::path& path, std::int64_t steps) {
  std::string kept;
  if (steps == 0 || !std::filesystem::exists(path)) return kept;
  for (const std::string& line : split(read_file(path), '\n')) {
    const auto json = parse_json_or_null(line);
    // A torn last line was of a step that is done again.
    if (!json.is_object() || json.value("step", steps + 1) > steps) break;
    kept += line + "\n";
  }
  return kept;
}

}  // namespace

Trace::Trace(const std::filesystem::path& path, std::int64_t steps_kept) : path_(path) {
  const std::string kept = kept_lines(path, steps_kept);
  file_.reset(std::fopen(path.c_str(), "we"));
  if (!file_ || std::fwrite(kept.data(), 1, kept.size(), file_.get()) != kept.size())
    throw Error(ErrorCode::io,
                fmt::format("{}: cannot write: {}", path.string(), std::strerror(errno)),
                "choose another file with --trace");
}

void Trace::write(const StepReport& step) {
  const std::string line = ordered_object({{"step", step.step},
                                           {"loss", step.loss},
                                           {"grad_norm", step.grad_norm},
                                           {"lr", step.lr},
                                           {"tokens", step.tokens},
                                           {"seconds", step.seconds}}) +
                           "\n";
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() ||
      std::fflush(file_.get()) != 0)
    throw Error(ErrorCode::io,
                fmt::format("{}: cannot write: {}", path_.string(), std::strerror(errno)));
}

}  // namespace hone
