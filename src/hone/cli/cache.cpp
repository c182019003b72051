// hone cache: what is kept between runs, how large it is, and how to let it go.
#include <algorithm>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/data/disk_caches.hpp"
#include "hone/report/numbers.hpp"
#include "hone/report/terminal_table.hpp"

namespace hone {
namespace {

struct KeptFile {
  std::filesystem::path path;
  std::uintmax_t bytes;
};

// Files of a cache, and what a run that was killed left of one. Nothing else in its folder is
// touched.
std::vector<KeptFile> kept_files(const DiskCache& cache) {
  std::vector<KeptFile> files;
  std::error_code none;
  for (const auto& entry :
       std::filesystem::directory_iterator(cache_directory() / cache.folder, none)) {
    const bool own = entry.path().filename().string().find(cache.extension) != std::string::npos;
    if (own && entry.is_regular_file(none)) files.push_back({entry.path(), entry.file_size(none)});
  }
  return files;
}

std::vector<DiskCache> chosen_caches(const CommandInput& input) {
  const auto given = input.arguments.find("CACHE");
  if (given == input.arguments.end() || given->second.empty())
    return {disk_caches.begin(), disk_caches.end()};
  std::vector<std::string> known;
  for (const DiskCache& cache : disk_caches) known.emplace_back(cache.folder);
  std::vector<DiskCache> chosen;
  for (const std::string& name : given->second) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end())
      throw UsageError(fmt::format("unknown cache '{}'", printable(name, 100)),
                       did_you_mean(name, known));
    chosen.push_back(disk_caches[static_cast<std::size_t>(found - known.begin())]);
  }
  return chosen;
}

CommandResult run_cache(const CommandInput& input) {
  const std::string action = input.argument("ACTION");
  if (action != "list" && action != "clear")
    throw UsageError(fmt::format("unknown action '{}'", printable(action, 100)),
                     "hone cache list or hone cache clear");
  const bool clear = action == "clear";
  TerminalTable table(
      {{"cache", Align::left}, {"files", Align::right}, {"size", Align::right}, {"", Align::left}});
  Json results = Json::array();
  std::uintmax_t all = 0;
  for (const DiskCache& cache : chosen_caches(input)) {
    std::int64_t count = 0;
    std::uintmax_t bytes = 0;
    for (const KeptFile& file : kept_files(cache)) {
      std::error_code error;
      // (Another process may have let it go, or made it anew: whoever reads one makes it again.)
      if (clear && !std::filesystem::remove(file.path, error)) {
        if (!error) continue;
        throw Error(ErrorCode::io,
                    fmt::format("{}: cannot be removed: {}", file.path.string(), error.message()),
                    "it belongs to another user, or its folder is read-only");
      }
      ++count;
      bytes += file.bytes;
    }
    all += bytes;
    table.add_row({cache.folder, std::to_string(count), format_bytes(static_cast<double>(bytes)),
                   cache.holds});
    results.push_back({{"cache", cache.folder},
                       {"holds", cache.holds},
                       {"files", count},
                       {"bytes", static_cast<std::int64_t>(bytes)}});
  }
  console().print(table.render(console().style(), 0));
  console().print(fmt::format("{}{} in {}\n", format_bytes(static_cast<double>(all)),
                              clear ? " let go" : "", cache_directory().string()));
  return {0, {{"folder", cache_directory().string()}, {"caches", results}}};
}

}  // namespace

Command command_cache() {
  Command command{{"cache", "shows what is kept between runs, or lets it go", {}}};
  command.arguments = {{"ACTION", "list or clear"},
                       {"CACHE", "tokens, tokenizers (default: all)", false, true}};
  command.examples = {"hone cache list", "hone cache clear tokens"};
  command.run = run_cache;
  return command;
}

}  // namespace hone
