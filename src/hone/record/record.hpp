// A record: append-only JSON lines that say what a run measured. Reports are drawn from records
// alone. Every line is an object with an "event"; each event is a struct (run_events.hpp,
// training_events.hpp, transform_events.hpp, point_events.hpp) whose description writes and reads
// it (fields.hpp).
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/record/fields.hpp"

namespace hone {

class Record {
public:
  // Creates the file, or appends to it with `append` (a torn last line of a killed run is cut off).
  explicit Record(const std::filesystem::path& path, bool append = false);
  // Writes one line and hands it to the operating system at once: a killed process loses nothing.
  void write(const Json& line);
  template <RecordEvent T>
  void write(const T& event) {
    write(to_line(event));
  }
  const std::filesystem::path& path() const { return path_; }

  // All lines of a record; a torn last line is ignored, any other broken line is Error(bad_format).
  static std::vector<Json> read(const std::filesystem::path& path);

private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

// Now, as records have it: 2025-01-31T12:00:00Z.
std::string utc_now();
// What the machine is: {cpu, cores, threads, isa}; and {hone, compiler, libraries...}.
Json describe_machine();
Json describe_versions();

}  // namespace hone
