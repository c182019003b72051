// The trace of a run: one JSON line a step, for comparing runs number by number.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "hone/train/trainer.hpp"

namespace hone {

class Trace {
public:
  // Creates the file; above 0, keeps the lines of the first `steps_kept` steps of the one there (of
  // the run that is continued).
  Trace(const std::filesystem::path& path, std::int64_t steps_kept);
  // Doubles are written such that they read back to the same bits.
  void write(const StepReport& step);

private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace hone
