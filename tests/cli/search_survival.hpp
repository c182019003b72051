// A search whose worker processes, coordinator and server are killed while it runs, and what must
// hold of it at its end.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <thread>
#include <tuple>

#include "cli/program.hpp"
#include "hone/core/error.hpp"
#include "hone/search/study.hpp"
#include "search/postgres_server.hpp"

namespace hone_test {

struct Survival {
  std::string storage;  // its URL
  int workers = 4;
  int trials = 60;
  int kills = 5;              // of workers, by SIGKILL
  int coordinator_kills = 1;  // as well
  int restarts = 0;           // of the server
  PostgresServer* server = nullptr;
};

class SurvivalRun {
public:
  explicit SurvivalRun(const Survival& plan) : plan_(plan) {
    // Each computing of a trial is noted before it is told, with a value that no other has.
    scratch_.write("objective.sh", R"(exec 2> /dev/null
count=0
while read -r line; do
  trial=${line#*\"trial\": }
  trial=${trial%%,*}
  sleep 0.0$((trial % 4))
  count=$((count + 1))
  value=$(($$ * 100000 + count))
  echo "$trial $value" >> computed
  echo "{\"values\": [$value]}"
done
)");
    scratch_.write("s.toml",
                   "recipe = 'search'\n"
                   "directions = ['minimize']\n"
                   "objective_command = ['sh', 'objective.sh']\n"
                   "sampler = 'tpe'\n"
                   "[space]\n"
                   "x = { low = 0.0, high = 1.0 }\n"
                   "kind = ['a', 'b']\n"
                   "n = { low = 1, high = 9, when = { kind = ['b'] } }\n");
  }

  ~SurvivalRun() {
    // (After what threw in a run.)
    if (coordinator_ <= 0) return;
    ::kill(coordinator_, SIGKILL);
    ::waitpid(coordinator_, nullptr, 0);
  }
  SurvivalRun(const SurvivalRun&) = delete;
  SurvivalRun& operator=(const SurvivalRun&) = delete;

  void run() {
    const auto begin = std::chrono::steady_clock::now();
    start();
    int killed = 0, coordinators = 0, restarts = 0;
    std::optional<hone::Study> study;
    std::unique_ptr<hone::Storage> storage;
    while (true) {
      if (!study) {
        try {
          storage = hone::open_storage({.url = plan_.storage, .read_only = true});
          study.emplace(*storage, hone::Study::find(*storage, "s"));
        } catch (const hone::Error&) {
          // It has not begun.
        }
      } else {
        study->refresh();
        note_told(study->trials());
      }
      const int told = static_cast<int>(told_.size());
      if (told >= plan_.trials) break;
      if (std::chrono::steady_clock::now() - begin > std::chrono::minutes(20)) {
        ADD_FAILURE() << "it does not end: " << told << " trials told";
        break;
      }
      const auto due = [&](int done, int all) {
        return done < all && told >= (done + 1) * plan_.trials / (all + 1);
      };
      if (due(killed, plan_.kills) && kill_worker()) ++killed;
      if (due(restarts, plan_.restarts))
        plan_.server->restart(restarts++ % 2 == 0 ? "fast" : "immediate");
      if (due(coordinators, plan_.coordinator_kills)) {
        ++coordinators;
        ::kill(coordinator_, SIGKILL);
        check_end(SIGKILL);
        start();
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    check_end(0);
    EXPECT_EQ(killed, plan_.kills);
    EXPECT_EQ(coordinators, plan_.coordinator_kills);
    EXPECT_EQ(restarts, plan_.restarts);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (study) study->refresh();
    if (study) check(study->trials());
    check_replay();
    std::printf(
        "%d workers, %d trials, %d kills, %d restarts: %.1f s, %.0f trials/s, %zu computed\n",
        plan_.workers, plan_.trials, killed + coordinators, restarts, seconds,
        plan_.trials / seconds, computed_);
  }

private:
  // `hone search` with its workers; all say what goes wrong in one file.
  void start() {
    const std::string jobs = std::to_string(plan_.workers), trials = std::to_string(plan_.trials);
    const std::string study = plan_.storage + "#s";
    coordinator_ = ::fork();
    if (coordinator_ != 0) return;
    if (::chdir(scratch_.path().c_str()) != 0) ::_exit(126);
    const int err = ::open("errors", O_WRONLY | O_CREAT | O_APPEND, 0600);
    const int out = ::open("/dev/null", O_WRONLY);
    ::dup2(out, 1);
    ::dup2(err, 2);
    ::execl(HONE_PROGRAM, "hone", "search", "s.toml", "--study", study.c_str(), "--jobs",
            jobs.c_str(), "--trials", trials.c_str(), nullptr);
    ::_exit(127);
  }

  void check_end(int signal) {
    int status = 0;
    ::waitpid(coordinator_, &status, 0);
    coordinator_ = -1;
    if (signal != 0)
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
    else
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
          << status << hone::read_file((scratch_.path() / "errors").string());
  }

  bool kill_worker() {
    std::ifstream in("/proc/" + std::to_string(coordinator_) + "/task/" +
                     std::to_string(coordinator_) + "/children");
    std::vector<pid_t> children;
    for (pid_t child; in >> child;) children.push_back(child);
    if (children.empty()) return false;
    victim_ = victim_ * 1664525u + 1013904223u;
    return ::kill(children[(victim_ >> 8) % children.size()], SIGKILL) == 0;
  }

  // What was told once stays for ever.
  void note_told(const std::vector<hone::Trial>& trials) {
    for (const hone::Trial& trial : trials) {
      if (!trial.is_finished()) continue;
      const auto facts = std::tuple(trial.state, trial.values, trial.complete);
      const auto [at, is_new] = told_.emplace(trial.number, facts);
      if (!is_new) EXPECT_EQ(at->second, facts) << "trial " << trial.number << " has changed";
    }
  }

  void check(const std::vector<hone::Trial>& trials) {
    std::map<std::int64_t, std::set<double>> computed;
    std::ifstream in(scratch_.path() / "computed");
    std::int64_t number = 0;
    double value = 0;
    while (in >> number >> value) {
      ++computed_;
      EXPECT_TRUE(computed[number].insert(value).second);
    }
    std::set<std::int64_t> numbers;
    ASSERT_EQ(trials.size(), static_cast<std::size_t>(plan_.trials));
    for (const hone::Trial& trial : trials) {
      EXPECT_TRUE(numbers.insert(trial.number).second);
      EXPECT_EQ(trial.state, hone::TrialState::complete) << trial.number;
      ASSERT_EQ(trial.values.size(), 1u);
      EXPECT_TRUE(computed[trial.number].contains(trial.values[0])) << trial.number;
      EXPECT_EQ(trial.parameters.size(), trial.find("n") == nullptr ? 2u : 3u);
    }
    EXPECT_EQ(*numbers.rbegin(), plan_.trials - 1);
    EXPECT_EQ(told_.size(), trials.size());
    // Only what a killed process had computed and not told is computed again.
    const int lost = plan_.kills + plan_.coordinator_kills * plan_.workers;
    EXPECT_LE(computed_, static_cast<std::size_t>(plan_.trials + lost));
    const std::string said = hone::read_file((scratch_.path() / "errors").string());
    for (const char* wrong : {"error", "locked", "held", "could not", "internal"})
      EXPECT_EQ(said.find(wrong), std::string::npos) << wrong << ":\n" << said;
  }

  // Whoever died in between: what each sampler knew is there, and leads to the same values.
  void check_replay() {
    const Outcome again = run_hone(scratch_, {"study", "replay", plan_.storage + "#s"});
    EXPECT_EQ(again.code, 0) << again.out << again.err;
    EXPECT_NE(again.out.find(std::to_string(plan_.trials) + " trials sampled again: all"),
              std::string::npos)
        << again.out;
  }

  Survival plan_;
  ScratchDirectory scratch_;
  pid_t coordinator_ = -1;
  unsigned victim_ = 12345;
  std::map<std::int64_t,
           std::tuple<hone::TrialState, std::vector<double>, std::optional<hone::Time>>>
      told_;
  std::size_t computed_ = 0;
};

}  // namespace hone_test
