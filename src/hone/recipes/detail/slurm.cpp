#include "hone/recipes/slurm.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

bool is_one_line(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string shell_word(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// A value as sbatch reads it from a script: quoted where it is more than one word.
std::string directive(const std::string& name, const std::string& value) {
  std::string quoted;
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  const bool plain = value.find_first_of(" \t\"'\\#") == std::string::npos;
  return fmt::format("#SBATCH --{}={}\n", name, plain ? value : "\"" + quoted + "\"");
}

std::string own_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

struct Said {
  int status = 0;  // as of waitpid
  std::string out, err;
};

std::string read_all(int file) {
  std::string text;
  lseek(file, 0, SEEK_SET);
  std::array<char, 4096> bytes;
  for (ssize_t count = 0; (count = read(file, bytes.data(), bytes.size())) > 0;)
    text.append(bytes.data(), static_cast<std::size_t>(count));
  close(file);
  return std::string(trim(text));
}

Said run_program(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  // (Files: nobody has to read two pipes in turn.)
  const int out = memfd_create("said", MFD_CLOEXEC);
  const int err = memfd_create("said", MFD_CLOEXEC);
  std::array<int, 2> failure{};
  if (out < 0 || err < 0 || pipe2(failure.data(), O_CLOEXEC) != 0)
    throw Error(ErrorCode::io, fmt::format("{}: {}", words[0], std::strerror(errno)));
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execvp(arguments[0], arguments.data());
    const int reason = errno;
    (void)!write(failure[1], &reason, sizeof reason);
    _exit(127);
  }
  int reason = pid < 0 ? errno : 0;
  close(failure[1]);
  if (pid > 0 && read(failure[0], &reason, sizeof reason) != sizeof reason) reason = 0;
  close(failure[0]);
  Said said;
  if (pid > 0) waitpid(pid, &said.status, 0);
  said.out = read_all(out);
  said.err = read_all(err);
  if (reason != 0)
    throw Error(ErrorCode::io,
                fmt::format("{} cannot be started: {}", words[0], std::strerror(reason)),
                "--slurm is for a machine with Slurm's commands (package slurm-client); without: "
                "hone worker --study STUDY on each machine");
  return said;
}

}  // namespace

const std::vector<OptionSpec>& slurm_options() {
  static const std::vector<OptionSpec> specs{
      {.name = "partition", .default_value = "", .help = "empty: the cluster's default"},
      {.name = "time",
       .default_value = "",
       .help = "of a task, as sbatch --time takes it; empty: the partition's"},
      {.name = "cpus",
       .type = OptionType::integer,
       .default_value = std::int64_t{1},
       .help = "cores of a task; a worker uses what it was given",
       .minimum = 1},
      {.name = "memory",
       .default_value = "",
       .help = "of a task, as sbatch --mem takes it; empty: the partition's"},
      {.name = "one_machine",
       .type = OptionType::boolean,
       .default_value = false,
       .help = "all tasks run on this machine: a study may be kept where others do not reach it; "
               "a task elsewhere ends with an error"}};
  return specs;
}

void check_slurm(const SlurmSettings& settings) {
  for (const char* key : {"partition", "time", "memory"})
    if (const std::string text = settings.options.text_or(key, "");
        !is_one_line(text) || text.find(' ') != std::string::npos)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("key '{}': '{}' is not one word", key, printable(text)));
  for (const std::string& line : settings.extra)
    if (!is_one_line(line) || !line.starts_with('-'))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("key 'extra': '{}' is no option of sbatch", printable(line)),
                  "extra = [\"--account=me\", \"--exclude=node7\"]");
}

void check_reach(const SearchSettings& settings) {
  const StudyAddress address = parse_study_address(settings.study);
  if (address.url.starts_with("memory:"))
    throw Error(ErrorCode::invalid_argument,
                "memory: is of one process, and tasks of Slurm are others",
                "--study postgresql://HOST/DB#NAME");
  if (!is_of_one_machine(address.url) || settings.slurm.options.boolean_or("one_machine", false))
    return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{} is for processes of one machine, and tasks of Slurm run on several",
                          address.url.substr(0, address.url.find(':')) == "sqlite"
                              ? "an SQLite file"
                              : "a server at this machine's own address"),
              "keep it on a server that all nodes reach: --study postgresql://HOST/DB#NAME; where "
              "all tasks run on this machine: [slurm] one_machine = true");
}

std::string slurm_script(const SearchSettings& settings, const SlurmJob& job) {
  const Options& options = settings.slurm.options;
  for (const std::string& text : {settings.name, settings.study, settings.folder, job.logs.string(),
                                  job.program, job.machine})
    if (!is_one_line(text))
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("'{}' cannot stand in a script: it has control characters", printable(text)));
  std::string logs;  // (sbatch reads % in it.)
  for (const char c : (job.logs / "slurm-").string()) logs += c == '%' ? "%%" : std::string(1, c);
  std::string script = "#!/bin/sh\n";
  script += directive("job-name", settings.name);
  script += directive("array", fmt::format("0-{}", job.tasks - 1));
  script += directive("ntasks", "1");
  script += directive("cpus-per-task", std::to_string(options.integer_or("cpus", 1)));
  for (const auto& [key, flag] :
       {std::pair{"partition", "partition"}, {"time", "time"}, {"memory", "mem"}})
    if (const std::string text = options.text_or(key, ""); !text.empty())
      script += directive(flag, text);
  script += directive("chdir", settings.folder);
  script += directive("output", logs + "%A_%a.out");
  script += "#SBATCH --open-mode=append\n#SBATCH --requeue\n";
  for (const std::string& line : settings.slurm.extra) script += "#SBATCH " + line + "\n";
  script += "\n";
  if (options.boolean_or("one_machine", false))
    script += fmt::format(
        "if [ \"$(uname -n)\" != {0} ]; then\n"
        "  echo \"error: this task runs on $(uname -n), and the study is kept on \"{0} >&2\n"
        "  exit 1\n"
        "fi\n",
        shell_word(job.machine));
  script +=
      "# In the place of the shell: signals of Slurm reach the worker, which saves its trial. The\n"
      "# trial stays as it is, and another worker goes on with it when its lease has ended.\n";
  script += fmt::format("exec {} worker --study {} --threads \"$SLURM_CPUS_PER_TASK\"{}\n",
                        shell_word(job.program), shell_word(settings.study),
                        job.timeout > 0 ? fmt::format(" --timeout {}", job.timeout) : "");
  return script;
}

SlurmSubmission submit_to_slurm(const SearchSettings& settings, std::int64_t tasks) {
  const fs::path folder = fs::absolute(settings.place);
  fs::create_directories(folder);
  const fs::path script = folder / "slurm.sh";
  write_file_atomically(script,
                        slurm_script(settings, {.program = fs::read_symlink("/proc/self/exe"),
                                                .logs = folder,
                                                .machine = own_name(),
                                                .tasks = tasks,
                                                .timeout = settings.worker.timeout}));
  // (The study's address may hold a password.)
  chmod(script.c_str(), 0700);
  const Said said = run_program({"sbatch", "--parsable", script.string()});
  std::string reason = said.err;
  for (std::size_t at = 0; (at = reason.find('\n', at)) != std::string::npos;)
    reason.replace(at, 1, "; ");
  if (!WIFEXITED(said.status) || WEXITSTATUS(said.status) != 0)
    throw Error(ErrorCode::io,
                fmt::format("sbatch did not take {}: {}", script.string(),
                            reason.empty() ? "it said nothing" : printable(reason, 500)),
                "[slurm] of the search file has its options; the study is there, and the same "
                "command goes on from here");
  // "id", or "id;cluster".
  const std::string job = split(said.out, ';').front();
  if (job.empty() || job.find_first_not_of("0123456789") != std::string::npos)
    throw Error(ErrorCode::io, fmt::format("sbatch named no job: '{}'", printable(said.out, 200)));
  return {job, script, (folder / fmt::format("slurm-{}_*.out", job)).string()};
}

}  // namespace hone
