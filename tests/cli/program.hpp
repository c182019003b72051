// Runs the hone program as a user would and keeps what it printed.
#pragma once

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {

struct Outcome {
  int code = -1;    // exit code, or -1
  int signal = 0;   // that ended it
  std::string out;  // stdout
  std::string err;  // stderr
};

inline hone::Json json_of(const ScratchDirectory& scratch, const std::string& file) {
  return hone::parse_json(hone::read_file(scratch.path() / file));
}

class Program {
public:
  // Starts `hone WORDS...` in the scratch folder. `input` is its standard input; `out` replaces the
  // file its standard output goes to.
  Program(const ScratchDirectory& scratch, std::vector<std::string> words,
          const std::string& input = "", const std::string& out = "")
      : out_(out.empty() ? (scratch.path() / "stdout").string() : out),
        err_((scratch.path() / "stderr").string()) {
    const std::string in = scratch.write("stdin", input);
    words.insert(words.begin(), HONE_PROGRAM);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    process_ = ::fork();
    if (process_ != 0) return;
    const auto redirect = [](const std::string& path, int flags, int to) {
      const int file = ::open(path.c_str(), flags, 0600);
      ::dup2(file, to);
      ::close(file);
    };
    redirect(in, O_RDONLY, 0);
    redirect(out_, O_WRONLY | O_CREAT | O_TRUNC, 1);
    redirect(err_, O_WRONLY | O_CREAT | O_TRUNC, 2);
    if (::chdir(scratch.path().c_str()) != 0) ::_exit(126);
    ::execv(HONE_PROGRAM, arguments.data());
    ::_exit(127);
  }

  // Waits until `ready` holds (or the program ended, or half a minute passed), then sends a signal.
  void signal_when(const std::function<bool()>& ready, int number) const {
    for (int i = 0; i < 6000 && !ready(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ::kill(process_, number);
  }

  Outcome wait() const {
    int status = 0;
    ::waitpid(process_, &status, 0);
    Outcome outcome;
    if (WIFEXITED(status)) outcome.code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
    if (std::filesystem::is_regular_file(out_)) outcome.out = hone::read_file(out_);
    outcome.err = hone::read_file(err_);
    return outcome;
  }

private:
  pid_t process_ = -1;
  std::string out_, err_;
};

inline hone::Json read_json(const std::filesystem::path& path) {
  return hone::parse_json(hone::read_file(path), path.string());
}

inline Outcome run_hone(const ScratchDirectory& scratch, std::vector<std::string> words,
                        const std::string& input = "") {
  return Program(scratch, std::move(words), input).wait();
}

// The lines of a file that are complete.
inline std::size_t complete_lines(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return 0;
  const std::string content = hone::read_file(path);
  return static_cast<std::size_t>(std::count(content.begin(), content.end(), '\n'));
}

// A tiny model on a few embedded reviews: milliseconds a step. Settings in `more` take the place of
// its own.
inline std::vector<std::string> train_words(const std::string& out,
                                            std::vector<std::string> more = {}) {
  std::vector<std::string> words{"train", "bert-tiny", "--data",    "reviews",
                                 "--out", out,         "--threads", "1"};
  for (const char* setting : {"num_hidden_layers=1", "hidden_size=32", "intermediate_size=64",
                              "data.samples=240", "data.test_samples=40"})
    if (std::none_of(more.begin(), more.end(), [&](const std::string& word) {
          const std::string key(setting, std::strchr(setting, '=') + 1);
          return word.rfind(key, 0) == 0;
        }))
      words.insert(words.end(), {"--set", setting});
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace hone_test
