#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/adapter.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/safetensors.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

const char* torch_name(DType dtype) {
  switch (dtype) {
    case DType::f16: return "float16";
    case DType::bf16: return "bfloat16";
    default: return "float32";
  }
}

// transformers loads in the type that the configuration names: it must be the one that is stored.
void set_dtype(Json& config, const TensorStore& parameters) {
  DType dtype = DType::f32;
  for (const std::string& name : parameters.names()) {
    dtype = parameters.at(name).dtype();
    if (dtype == DType::f32) break;
  }
  config["dtype"] = torch_name(dtype);
  if (config.contains("torch_dtype")) config["torch_dtype"] = torch_name(dtype);
}

// The weights come last: a new directory that is unfinished does not load. Weights under other
// names, and files of a tokenizer that are not among the copies, belong to what was there before,
// and so do adapters.
void write_files(const fs::path& directory, const Json& config, const TensorStore& parameters,
                 const std::vector<fs::path>& copies,
                 const std::function<void(const fs::path&)>& more, const SavedForm& form) {
  for (const auto& entry : fs::directory_iterator(directory))
    if (is_adapter_file(entry.path().filename())) fs::remove(entry.path());
  for (const fs::path& file : copies) {
    const fs::path to = directory / file.filename();
    // In place, a file of the directory itself stays as it is.
    if (fs::exists(to) && fs::equivalent(file, to)) continue;
    write_file_atomically(to, read_file(file));
  }
  if (more) more(directory);
  write_file_atomically(directory / "config.json", config.dump(2) + "\n");
  for (const auto& [name, text] : form.texts) write_file_atomically(directory / name, text);
  if (form.write) form.write(directory);
  write_safetensors(directory / form.weights, parameters);
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    std::error_code ignored;
    const bool written = name == form.weights || name == "config.json" ||
                         std::any_of(form.texts.begin(), form.texts.end(),
                                     [&](const auto& text) { return text.first == name; }) ||
                         std::any_of(copies.begin(), copies.end(),
                                     [&](const fs::path& copy) { return copy.filename() == name; });
    const bool of_weights =
        is_weights_file(name) || name == own_facts_file || name == own_graph_file;
    // (Adapters of before went first.)
    if (!written && !is_adapter_file(name) && (more ? of_weights : is_model_file(name)))
      fs::remove(entry.path(), ignored);
  }
}

bool holds_only_files(const fs::path& directory) {
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (!entry.is_regular_file()) return false;
  }
  return true;
}

void flush_directory(const fs::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

// Files of the old directory that the new one does not have and that belong to no model: a second
// name for each, else a copy.
void keep_other_files(const fs::path& from, const fs::path& to) {
  for (const auto& entry : fs::directory_iterator(from)) {
    const fs::path name = entry.path().filename();
    if (fs::exists(to / name) || name.extension() == ".partial" || is_model_file(name)) continue;
    std::error_code refused;
    fs::create_hard_link(entry.path(), to / name, refused);
    if (refused) fs::copy_file(entry.path(), to / name);
  }
}

// Puts `staging` in the place of `directory` in one step; false when the file system cannot.
bool put_in_place(const fs::path& staging, const fs::path& directory) {
  if (!fs::exists(directory)) return ::rename(staging.c_str(), directory.c_str()) == 0;
#if defined(RENAME_EXCHANGE)
  return ::renameat2(AT_FDCWD, staging.c_str(), AT_FDCWD, directory.c_str(), RENAME_EXCHANGE) == 0;
#else
  return false;
#endif
}

// Removes what it guards, unless told otherwise.
class Staging {
public:
  // What an interrupted save left is removed; it holds files only.
  explicit Staging(fs::path path) : path_(std::move(path)) {
    remove();
    std::error_code refused;
    made_ = fs::create_directories(path_, refused) && !refused;
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging() { remove(); }
  bool made() const { return made_; }
  const fs::path& path() const { return path_; }

private:
  void remove() const {
    std::error_code ignored;
    if (!fs::is_directory(fs::symlink_status(path_, ignored))) return;
    for (fs::directory_iterator entry(path_, ignored), end; entry != end; entry.increment(ignored))
      if (!entry->is_directory()) fs::remove(entry->path(), ignored);
    fs::remove(path_, ignored);  // refuses when a folder is left in it
  }
  fs::path path_;
  bool made_ = false;
};

bool save_aside(const fs::path& directory, const Json& config, const TensorStore& parameters,
                const std::vector<fs::path>& copies,
                const std::function<void(const fs::path&)>& more, const SavedForm& form) {
  const bool replaces = fs::exists(directory);
  if (replaces && !holds_only_files(directory)) return false;
  const Staging staging(directory.string() + ".partial");
  if (!staging.made()) return false;
  write_files(staging.path(), config, parameters, copies, more, form);
  if (replaces) keep_other_files(directory, staging.path());
  flush_directory(staging.path());
  if (!put_in_place(staging.path(), directory)) return false;
  flush_directory(directory.parent_path());
  return true;
}

}  // namespace

void save_model_directory(const fs::path& directory, Json config, const TensorStore& parameters,
                          const std::vector<fs::path>& copies,
                          const std::function<void(const fs::path&)>& more, const SavedForm& form) {
  std::error_code failed;
  // An absolute path without symbolic links or a trailing slash: its parent is where it is renamed.
  fs::path place = fs::weakly_canonical(fs::absolute(directory), failed);
  if (place.filename().empty()) place = place.parent_path();
  if (fs::exists(place) && !fs::is_directory(place))
    throw Error(ErrorCode::invalid_argument, directory.string() + ": is a file, expected a folder",
                "choose another place with --out");
  fs::create_directories(place.parent_path(), failed);
  set_dtype(config, parameters);
  if (save_aside(place, config, parameters, copies, more, form)) return;
  fs::create_directories(place, failed);
  if (failed)
    throw Error(
        ErrorCode::io,
        fmt::format("{}: cannot create the folder: {}", directory.string(), failed.message()),
        "choose another place with --out");
  write_files(place, config, parameters, copies, more, form);
}

}  // namespace hone
