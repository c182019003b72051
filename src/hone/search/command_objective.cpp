#include "hone/search/command_objective.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/search/python_json.hpp"

namespace hone {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t longest_line = std::size_t{16} << 20;  // bytes

// A child with a pipe to its input and one from its output.
class Program {
public:
  Program(const std::vector<std::string>& command, const std::filesystem::path& folder) {
    std::array<int, 2> in{}, out{}, failure{};
    if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0 ||
        pipe2(failure.data(), O_CLOEXEC) != 0)
      throw Error(ErrorCode::io, fmt::format("no pipe to '{}': {}", command[0], strerror(errno)));
    std::vector<char*> arguments;
    for (const std::string& one : command) arguments.push_back(const_cast<char*>(one.c_str()));
    arguments.push_back(nullptr);
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) {
      // It does not outlive the worker, however that ends.
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(127);
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      // (What is ignored here would be ignored there.)
      std::signal(SIGPIPE, SIG_DFL);
      // Ctrl-C is for the worker.
      setpgid(0, 0);
      if (!folder.empty() && chdir(folder.c_str()) != 0) report_and_exit(failure[1]);
      execvp(arguments[0], arguments.data());
      report_and_exit(failure[1]);
    }
    close(in[0]);
    close(out[1]);
    close(failure[1]);
    input_ = in[1];
    output_ = out[0];
    int reason = pid_ < 0 ? errno : 0;
    if (pid_ > 0 && ::read(failure[0], &reason, sizeof reason) != sizeof reason) reason = 0;
    close(failure[0]);
    if (reason == 0) return;
    end();
    throw Error(
        ErrorCode::io,
        fmt::format("objective_command: '{}' cannot be started: {}", command[0], strerror(reason)),
        "is the program there, and may it be run?");
  }
  ~Program() { end(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // False: it has ended.
  bool write_line(std::string line) {
    line += '\n';
    for (std::size_t done = 0; done < line.size();) {
      const ssize_t count = write(input_, line.data() + done, line.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      done += static_cast<std::size_t>(count);
    }
    return true;
  }

  // Nothing: it has ended, or it is later than `latest`.
  std::optional<std::string> read_line(TrialWatcher& watcher,
                                       std::optional<Clock::time_point> latest) {
    while (!latest || Clock::now() < *latest) {
      const std::size_t end = buffer_.find('\n');
      if (end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return line;
      }
      pollfd waiting{output_, POLLIN, 0};
      const int ready = poll(&waiting, 1, 200);
      if (ready == 0) watcher.check();
      if (ready <= 0) continue;
      std::array<char, 65536> bytes;
      const ssize_t count = ::read(output_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return std::nullopt;
      buffer_.append(bytes.data(), static_cast<std::size_t>(count));
      if (buffer_.size() > longest_line && buffer_.find('\n') == std::string::npos)
        throw Error(ErrorCode::bad_format, fmt::format("a line of more than {} MiB has no end",
                                                       longest_line / 1024 / 1024));
    }
    return std::nullopt;
  }

  // What it has said and nobody has asked for.
  bool says_more() const {
    pollfd waiting{output_, POLLIN, 0};
    return !buffer_.empty() || (poll(&waiting, 1, 0) > 0 && (waiting.revents & POLLIN) != 0);
  }

  // How it ended: "exit status 3", "signal 9 (Killed)".
  std::string end() {
    if (pid_ <= 0) return "";
    close(input_);
    close(output_);
    int status = 0;
    // One that does not end when its input does is ended, with what it has started.
    for (int wait = 0; waitpid(pid_, &status, WNOHANG) == 0; ++wait) {
      if (wait == 100) kill(-pid_, SIGTERM);
      if (wait == 200) kill(-pid_, SIGKILL);
      usleep(10000);
    }
    pid_ = 0;
    return WIFSIGNALED(status)
               ? fmt::format("signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)))
               : fmt::format("exit status {}", WEXITSTATUS(status));
  }

private:
  [[noreturn]] static void report_and_exit(int pipe) {
    const int reason = errno;
    (void)!write(pipe, &reason, sizeof reason);
    _exit(127);
  }

  pid_t pid_ = 0;
  int input_ = -1, output_ = -1;
  std::string buffer_;
};

Telling failure(const std::string& reason) {
  return {.state = TrialState::fail, .user_attributes = {{error_attribute, reason}}};
}

// A number, or one of the words that stand for those that are not finite.
double number_of(const Json& json) {
  if (json.is_string()) {
    const std::string& text = json.text();
    if (text == "NaN" || text == "Infinity" || text == "-Infinity")
      return parse_python_json(text, "a value").get<double>();
  }
  return json.get<double>();
}

void take_extras(const Json& answer, Telling& telling) {
  if (const Json* constraints = answer.find_member("constraints")) {
    if (constraints->is_array()) {
      for (std::size_t i = 0; i < constraints->size(); ++i)
        telling.constraints[std::to_string(i)] = number_of((*constraints)[i]);
    } else {
      for (const auto& [name, value] : constraints->items())
        telling.constraints[name] = number_of(value);
    }
  }
  if (const Json* attributes = answer.find_member("user_attrs"))
    for (const auto& [name, value] : attributes->items()) telling.user_attributes[name] = value;
}

class CommandObjective : public Objective {
public:
  CommandObjective(std::vector<std::string> command, std::filesystem::path folder,
                   double stop_patience)
      : command_(std::move(command)), folder_(std::move(folder)), stop_patience_(stop_patience) {}

  Telling compute(const Trial& trial, TrialWatcher& watcher) override {
    // An answer too many would be taken for that of the next question, and so on for ever.
    const bool says_more = program_ != nullptr && program_->says_more();
    if (says_more) program_.reset();
    if (program_ == nullptr) program_ = std::make_unique<Program>(command_, folder_);
    try {
      Telling telling = converse(trial, watcher);
      if (says_more)
        telling.user_attributes["hone:note"] =
            "the program had said more after its last answer: it was started again";
      return telling;
    } catch (const Error& error) {
      // In the middle of a line, perhaps: the next trial gets a fresh program.
      program_.reset();
      if (error.code() != ErrorCode::bad_format) throw;
      return failure(fmt::format("objective_command: {}", error.message()));
    }
  }

private:
  Telling converse(const Trial& trial, TrialWatcher& watcher) {
    Json params = Json::object();
    for (const TrialParameter& one : trial.parameters) params[one.name()] = one.value();
    // (As it is documented, the number first: a shell may read it so.)
    if (!program_->write_line(
            fmt::format(R"({{"trial": {}, "params": {}}})", trial.number, to_python_json(params))))
      return end_of_program(watcher);
    std::optional<Clock::time_point> latest;  // for the answer, once it was told to stop
    while (true) {
      const std::optional<std::string> line = program_->read_line(watcher, latest);
      if (!line && latest && Clock::now() >= *latest) {
        program_.reset();
        return {.state = TrialState::pruned,
                .user_attributes = {
                    {"hone:note", fmt::format("told to stop, the program said nothing for {:g} s "
                                              "and was ended",
                                              stop_patience_)}}};
      }
      if (!line) return end_of_program(watcher);
      const Json answer = parse_python_json(*line, "an answer of the program");
      if (const Json* echo = answer.find_member("trial");
          echo != nullptr && *echo != Json(trial.number))
        throw Error(ErrorCode::bad_format, fmt::format("an answer to trial {}: asked is trial {}",
                                                       echo->dump(), trial.number));
      Telling telling;
      if (answer.contains("step")) {
        const bool stop =
            watcher.report(answer.at("step").get<std::int64_t>(), number_of(answer.at("value")));
        if (stop && !latest)
          latest = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(stop_patience_));
        if (!program_->write_line(Json::object({{"stop", stop}}).dump()))
          return end_of_program(watcher);
        continue;
      }
      take_extras(answer, telling);
      if (const Json* error = answer.find_member("error")) {
        telling.state = TrialState::fail;
        telling.user_attributes[error_attribute] =
            error->is_string() ? error->text() : error->dump();
        return telling;
      }
      if (latest) {
        telling.state = TrialState::pruned;
        return telling;
      }
      for (const Json& value : answer.at("values").elements())
        telling.values.push_back(number_of(value));
      return telling;
    }
  }

  Telling end_of_program(TrialWatcher& watcher) {
    const std::string how = program_->end();
    program_.reset();
    // Whoever ends a job as a whole signals this process too, perhaps a moment later: that is no
    // failure of the trial.
    for (int wait = 0; wait < 25; ++wait) {
      watcher.check();
      usleep(20000);
    }
    return failure(fmt::format("objective_command: the program ended ({})", how));
  }

  std::vector<std::string> command_;
  std::filesystem::path folder_;
  double stop_patience_;
  std::unique_ptr<Program> program_;
};

}  // namespace

std::unique_ptr<Objective> command_objective(std::vector<std::string> command,
                                             const std::filesystem::path& folder,
                                             double stop_patience) {
  if (command.empty() || command.front().empty())
    throw Error(ErrorCode::invalid_argument, "objective_command names no program",
                "objective_command = [\"program\", \"argument\"]");
  // A program that ended is found by what a write returns.
  std::signal(SIGPIPE, SIG_IGN);
  return std::make_unique<CommandObjective>(std::move(command), folder, stop_patience);
}

}  // namespace hone
