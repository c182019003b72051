#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <list>
#include <thread>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/interrupt.hpp"
#include "hone/cli/detail/search_progress.hpp"
#include "hone/cli/detail/study_tables.hpp"
#include "hone/cli/detail/watch.hpp"
#include "hone/core/error.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/recipes/search_run.hpp"
#include "hone/recipes/slurm.hpp"
#include "hone/search/export.hpp"

namespace hone {
namespace {

// One `hone worker` of this program, that ends with it.
class WorkerProcess {
public:
  WorkerProcess(const std::string& study, std::int64_t threads, double timeout) {
    std::vector<std::string> words{
        "hone", "worker", "--study", study, "--quiet", "--threads", std::to_string(threads)};
    if (timeout > 0) words.insert(words.end(), {"--timeout", fmt::format("{}", timeout)});
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) throw Error(ErrorCode::io, "no process for a worker", "are there too many?");
    if (pid_ != 0) return;
    // Ctrl-C is for this process, which ends its workers.
    setpgid(0, 0);
    // It ends with this process however that ends: started again, it has its number of workers.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(127);
    execv("/proc/self/exe", arguments.data());
    _exit(127);
  }
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }

  // Nothing while it runs; else how it ended: 0, an exit code, or minus a signal.
  std::optional<int> ended() {
    if (pid_ <= 0) return status_;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == 0) return std::nullopt;
    pid_ = 0;
    status_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    return status_;
  }

private:
  pid_t pid_ = 0;
  int status_ = 0;
};

std::int64_t threads_each(std::int64_t jobs) {
  return std::max<std::int64_t>(1, core_count() / jobs);
}

// Starts the workers, starts those again that were killed, shows what the study does meanwhile.
// Returns whether the time was up.
bool run_workers(const SearchSettings& settings, OpenStudy& open, SearchProgress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  const double timeout = settings.worker.timeout;
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const auto is_up = [&] { return timeout > 0 && seconds() >= timeout; };
  // A worker that ends with an error says so itself, and would do so again.
  constexpr int most_restarts = 1000;
  int restarts = 0;
  std::list<WorkerProcess> workers;
  const auto start = [&] {
    workers.emplace_back(settings.study, threads_each(settings.jobs),
                         timeout > 0 ? timeout - seconds() : 0);
  };
  for (std::int64_t i = 0; i < settings.jobs && !is_up(); ++i) start();
  std::optional<int> failed;
  while (!workers.empty()) {
    if (interrupted()) throw Error(ErrorCode::interrupted, "stopped; what was told is kept");
    for (auto worker = workers.begin(); worker != workers.end();) {
      const std::optional<int> code = worker->ended();
      if (!code) {
        ++worker;
        continue;
      }
      worker = workers.erase(worker);
      if (*code < 0 && !is_up() && ++restarts <= most_restarts)
        start();
      else if (*code != 0)
        failed = *code;
    }
    open.study->refresh();
    progress.update(*open.study);
    if (!workers.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  if (failed && open.study->count_finished() < settings.worker.trials)
    throw Error(ErrorCode::io, fmt::format("a worker ended with exit status {}", *failed),
                "what it said stands above; the same command goes on from here");
  return is_up() && open.study->count_finished() < settings.worker.trials;
}

// Leaves the trials that are missing to tasks of Slurm.
Json submit(const SearchSettings& settings, const OpenStudy& open) {
  const std::int64_t missing = settings.worker.trials - open.study->count_finished();
  const std::int64_t tasks = std::min(settings.jobs, missing);
  const SlurmSubmission submission = submit_to_slurm(settings, tasks);
  console().print(fmt::format(
      "job {}: {} worker{}, by {}\n"
      "watch it:  squeue -j {}; hone study show {}\n"
      "they say:  {}\n"
      "stop it:   scancel {}; the same command goes on from there, and shows the end\n",
      submission.job, tasks, tasks == 1 ? "" : "s", submission.script.string(), submission.job,
      fmt::format("{}#{}", open.storage->url(), open.study->data().name), submission.logs,
      submission.job));
  Json json = study_json(*open.study);
  json["slurm"] = {
      {"job", submission.job}, {"tasks", tasks}, {"script", submission.script.string()}};
  return json;
}

// More trials at a time than cores would each be slower than one after the other.
SearchSettings fit_to_machine(SearchSettings settings) {
  const std::int64_t cores = core_count();
  if (settings.is_of_networks() && settings.jobs > cores) {
    console().note(fmt::format("{} jobs on {} cores: {} at a time, which is no slower",
                               settings.jobs, cores, cores));
    settings.jobs = cores;
  }
  return settings;
}

// The whole of one study. Returns it as JSON.
Json run_study(const SearchSettings& asked, bool slurm) {
  if (asked.jobs > 1 && asked.study.starts_with("memory:"))
    throw UsageError("memory: is of one process: it has one job",
                     "--jobs 1, or --study sqlite:FILE");
  const SearchSettings settings = slurm ? asked : fit_to_machine(asked);
  OpenStudy open = begin_search(settings, console_watcher());
  console().finish();
  if (slurm && open.study->count_finished() < settings.worker.trials) return submit(settings, open);
  SearchProgress progress(*open.study, settings.worker.trials);
  std::string end;
  if (settings.jobs == 1) {
    WorkerEvents events = progress.events(*open.study);
    events.should_stop = interrupted;
    const WorkerResult result = run_worker(open, events, settings.worker.timeout, trial_watcher());
    if (result.end == WorkerEnd::exhausted) end = "nothing is left to try";
    if (result.end == WorkerEnd::timed_out) end = "the time is up";
  } else if (run_workers(settings, open, progress)) {
    end = "the time is up";
  }
  console().finish();
  open.study->refresh();
  if (!end.empty()) console().note(end);
  const Json test = finish_search(open, console_watcher());
  console().finish();
  console().print(describe_study(*open.study, console().style()));
  if (test.is_array()) console().print(describe_test(test));
  return study_json(*open.study);
}

CommandResult run_search(const CommandInput& input) {
  if (input.options.boolean_or("show", false)) {
    if (!input.settings.empty())
      throw UsageError("--set changes nothing with --show", "leave one of them out");
    const std::string text = search_text(input.argument("SEARCH"));
    console().print(text);
    return {0, {{"search", text}}};
  }
  TextSettings changes = input.settings;
  for (const char* flag : {"trials", "jobs", "timeout", "study"})
    if (input.options.contains(flag))
      changes.emplace_back(flag, to_string(input.options.values().at(flag)));
  const std::vector<SearchSettings> studies = load_search(input.argument("SEARCH"), changes);
  const bool slurm = input.options.boolean_or("slurm", false);
  for (const SearchSettings& settings : studies) {
    if (slurm) check_reach(settings);
    check_search(settings);
  }
  catch_interrupts();
  Json all = Json::array();
  for (const SearchSettings& settings : studies) {
    for (const std::string& note : settings.notes) console().note("left out: " + note);
    if (studies.size() > 1) console().note("study " + settings.name);
    all.push_back(run_study(settings, slurm));
  }
  return {0, studies.size() == 1 ? all[0] : Json{{"studies", all}}};
}

}  // namespace

Command command_search() {
  Command command{
      {"search", "tries what a search file varies, best first; goes on where it was stopped", {}}};
  command.arguments = {{"SEARCH", "a TOML file (docs/search.md), or one that hone brings"}};
  command.options = {
      {.name = "trials",
       .type = OptionType::integer,
       .default_value = {},
       .help = "finished trials that the study shall have, earlier ones among them",
       .minimum = 1},
      {.name = "jobs",
       .type = OptionType::integer,
       .default_value = {},
       .help = "worker processes at the same time",
       .minimum = 1,
       .maximum = 1024},
      {.name = "timeout",
       .type = OptionType::real,
       .default_value = {},
       .help = "seconds after which no trial is begun",
       .minimum = 0},
      {.name = "study",
       .default_value = {},
       .help = "where it is kept: sqlite:FILE#NAME, postgresql://HOST/DB#NAME, memory:"},
      {.name = "show",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "print the search file as hone reads it (one of MASE's in hone's words), and end"},
      {.name = "slurm",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "its workers are tasks of an array job of Slurm, as [slurm] of the file says"}};
  command.settings_note =
      "Any key of the search file, in place of its own value: --set sampler=tpe, --set seed=1.";
  command.examples = {
      "hone search nas.toml --trials 32",
      "hone search nas.toml --jobs 2 --study sqlite:runs/nas.db#nas",
      "hone search nas.toml --slurm --jobs 8 --study postgresql://host/studies#nas"};
  command.run = run_search;
  return command;
}

}  // namespace hone
