#include "hone/recipes/detail/run_folder.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/frontends/adapter.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// Folders of adapters beside the one that was trained, and nothing else in them.
void remove_other_adapters(const fs::path& out) {
  std::error_code ignored;
  std::vector<fs::path> adapters;
  for (const fs::directory_entry& entry : fs::directory_iterator(out, ignored)) {
    if (entry.is_symlink() || !entry.is_directory() || !is_adapter(entry.path())) continue;
    const fs::directory_iterator files(entry.path(), ignored);
    if (std::all_of(begin(files), end(files), [](const fs::directory_entry& file) {
          return is_adapter_file(file.path().filename().string());
        }))
      adapters.push_back(entry.path());
  }
  for (const fs::path& adapter : adapters) fs::remove_all(adapter, ignored);
}

void remove_parts(const fs::path& out) {
  std::error_code ignored;
  for (const char* part : {"last", "best", "record.jsonl"}) fs::remove_all(out / part, ignored);
  remove_other_adapters(out);
}

bool has_checkpoint(const fs::path& out) { return fs::exists(out / "last" / "hone_state.json"); }

void check_place(const TrainRequest& request, const fs::path& adapter) {
  const fs::path& out = request.out;
  if (out.empty())
    throw Error(ErrorCode::invalid_argument, "no folder for the results", "give --out DIR");
  if (fs::exists(out) && !fs::is_directory(out))
    throw Error(ErrorCode::invalid_argument, out.string() + ": is a file, expected a folder",
                "choose another place with --out");
  std::error_code ignored;
  if (!request.resume && fs::equivalent(out, request.model, ignored))
    throw Error(ErrorCode::invalid_argument, out.string() + ": is the model that is read",
                "choose another folder with --out");
  if (!request.resume && !adapter.empty() && fs::equivalent(out, adapter, ignored))
    throw Error(ErrorCode::invalid_argument, out.string() + ": is the adapter that is read",
                "choose another folder with --out");
}

}  // namespace

RunFolder::RunFolder(const TrainRequest& request, const fs::path& adapter,
                     const RunWatcher& watcher)
    : request_(request) {
  check_place(request, adapter);
  const fs::path& out = request.out;
  if (fs::exists(out)) lock_.emplace(out);
  if (!request.resume) {
    refuse_other_files();
    return;
  }
  if (!holds_run())
    throw Error(ErrorCode::not_found, out.string() + ": holds no run to resume",
                "check --out, or leave out --resume to start anew");
  resumes_ = has_checkpoint(out);
  // A run that was killed early left no weights: these are not its own.
  if (!resumes_ && holds_weights(out))
    throw Error(ErrorCode::not_found, out.string() + ": holds a model, but no run to resume",
                "check --out, or replace it with --overwrite");
  if (!resumes_ && watcher.say)
    watcher.say("no checkpoint was saved before the run ended: starting anew");
}

bool RunFolder::open() {
  std::error_code failed;
  const bool created = fs::create_directories(request_.out, failed);
  if (failed)
    throw Error(
        ErrorCode::io,
        fmt::format("{}: cannot create the folder: {}", request_.out.string(), failed.message()),
        "choose another place with --out");
  if (!lock_) {
    lock_.emplace(request_.out);
    refuse_other_files();  // another run may have begun and ended meanwhile
  }
  return created;
}

bool RunFolder::holds_run() const {
  return fs::exists(request_.out / "record.jsonl") || has_checkpoint(request_.out);
}

void RunFolder::refuse_other_files() const {
  const fs::path& out = request_.out;
  if (!fs::exists(out) || fs::is_empty(out) || request_.overwrite) return;
  throw Error(
      ErrorCode::invalid_argument,
      holds_run() ? out.string() + ": already holds a run" : out.string() + ": is not empty",
      holds_run()
          ? "continue it with --resume, replace it with --overwrite, or choose another --out"
          : "choose another --out, or write into it with --overwrite");
}

void RunFolder::remove_old_run() const {
  remove_parts(request_.out);
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(request_.out, ignored)) {
    if (is_model_file(entry.path().filename().string())) fs::remove(entry.path(), ignored);
  }
}

void begin_anew(const TrainRequest& request) {
  const RunFolder folder(request, {}, {});
  if (fs::exists(request.out)) folder.remove_old_run();
}

void remove_run(const fs::path& out) {
  if (!fs::exists(out)) return;
  const FolderLock lock(out);
  remove_parts(out);
}

void clear_out(const fs::path& out, const std::set<std::string>& keep) {
  remove_run(out);
  std::error_code ignored;
  for (const char* part : {"training", "masked"})
    if (keep.count(part) == 0) fs::remove_all(out / part, ignored);
}

}  // namespace hone
