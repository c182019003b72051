// The folder that a training run writes into: whose it is, and whether it may be written.
#pragma once

#include <filesystem>
#include <optional>

#include "hone/core/file.hpp"
#include "hone/recipes/train_run.hpp"

namespace hone {

class RunFolder {
public:
  // Looks and locks what is there, and writes nothing. `adapter` is a folder that is read ("":
  // none). Throws Error(invalid_argument) where `out` is a file, what is read, or holds another
  // run, and Error(not_found) where there is no run to resume.
  RunFolder(const TrainRequest& request, const std::filesystem::path& adapter,
            const RunWatcher& watcher);

  // Whether a checkpoint is there to go on from.
  bool resumes() const { return resumes_; }
  std::filesystem::path last() const { return request_.out / "last"; }

  // Creates and locks it; whether it was created.
  bool open();
  // Of the run that is replaced nothing must be taken for this one's, should this one be killed.
  void remove_old_run() const;

private:
  bool holds_run() const;
  void refuse_other_files() const;

  const TrainRequest& request_;
  bool resumes_ = false;
  std::optional<FolderLock> lock_;
};

// Of the run that a request starts anew: refuses another that is in its folder, or removes what
// that left (overwrite), before anything that belongs to the run is written beside it. Throws as
// RunFolder.
void begin_anew(const TrainRequest& request);

}  // namespace hone
