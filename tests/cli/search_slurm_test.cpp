// hone search --slurm with a stand-in for sbatch, which runs what it is given.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"

namespace hone_test {
namespace {

using namespace hone;
using testing::HasSubstr;

class SlurmSearch : public testing::Test {
protected:
  SlurmSearch() {
    scratch_.write("o.sh",
                   "while read -r line; do echo '{\"values\": [1], \"user_attrs\": {\"task\": '"
                   "$SLURM_ARRAY_TASK_ID'}}'; done\n");
    write_search("one_machine = true");
    path_ = std::getenv("PATH");
    std::filesystem::create_directories(scratch_.path() / "bin");
    ::setenv("PATH", ((scratch_.path() / "bin").string() + ":" + path_).c_str(), 1);
  }
  ~SlurmSearch() override { ::setenv("PATH", path_.c_str(), 1); }

  void write_search(const std::string& slurm) const {
    scratch_.write("s.toml",
                   "recipe = 'search'\nsampler = 'random'\ndirections = ['minimize']\njobs = 3\n"
                   "trials = 8\nobjective_command = ['sh', 'o.sh']\n[space]\nx = { low = 0.0, high "
                   "= 1.0 }\n[slurm]\n" +
                       slurm + "\n");
  }
  void write_sbatch(const std::string& body) const {
    ::chmod(scratch_.write("bin/sbatch", "#!/bin/sh\n" + body).c_str(), 0700);
  }
  Outcome search(std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"search", "s.toml", "--slurm"};
    words.insert(words.end(), more.begin(), more.end());
    return run_hone(scratch_, words);
  }
  bool has(const std::string& name) const {
    return std::filesystem::exists(scratch_.path() / name);
  }

  ScratchDirectory scratch_;
  std::string path_;
};

TEST_F(SlurmSearch, SubmitsWorkersThatFinishTheStudy) {
  // What Slurm does: the tasks that the script asks for, each with its number and cores.
  write_sbatch(R"([ "$1" = --parsable ] || exit 9
last=$(sed -n 's/^#SBATCH --array=0-//p' "$2")
cores=$(sed -n 's/^#SBATCH --cpus-per-task=//p' "$2")
for task in $(seq 0 "$last"); do
  SLURM_ARRAY_TASK_ID=$task SLURM_CPUS_PER_TASK=$cores sh "$2" > "out.$task" 2>&1 &
done
wait
echo "77;there"
)");
  const Outcome outcome = search({"--json", "said.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("job 77: 3 workers"));
  EXPECT_THAT(outcome.out, HasSubstr("squeue -j 77"));
  const Json said = parse_json(read_file((scratch_.path() / "said.json").string()));
  EXPECT_EQ(said.at("slurm").at("tasks"), Json(3));
  EXPECT_EQ(std::filesystem::path(said.at("slurm").at("script").text()).filename(), "slurm.sh");
  struct stat facts {};
  ASSERT_EQ(::stat((scratch_.path() / "runs/s/slurm.sh").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 077, 0u);  // it may hold a password
  const Json trials = parse_json(
      run_hone(scratch_, {"study", "trials", "sqlite:runs/s/study.db", "--json", "-"}).out);
  ASSERT_EQ(trials.size(), 8u);
  for (const Json& trial : trials) EXPECT_EQ(trial.at("state"), Json("COMPLETE"));
  // It has what it asked for: nothing is submitted again.
  write_sbatch("exit 9");
  EXPECT_EQ(search().code, 0);
  // More than are missing are not asked for.
  write_sbatch("echo 78");
  EXPECT_THAT(search({"--trials", "9"}).out, HasSubstr("job 78: 1 worker,"));
}

TEST_F(SlurmSearch, ATaskOnAnotherMachineDoesNotTouchTheFile) {
  write_sbatch("echo 5");
  ASSERT_EQ(search().code, 0);
  std::string script = read_file((scratch_.path() / "runs/s/slurm.sh").string());
  const std::size_t at = script.find("$(uname -n)");
  ASSERT_NE(at, std::string::npos);
  script.replace(at, 11, "elsewhere");
  const std::string file = scratch_.write("moved.sh", script);
  EXPECT_NE(std::system(fmt::format("SLURM_CPUS_PER_TASK=1 sh '{}' 2> '{}/why'", file,
                                    scratch_.path().string())
                            .c_str()),
            0);
  EXPECT_THAT(read_file((scratch_.path() / "why").string()), HasSubstr("the study is kept on"));
}

TEST_F(SlurmSearch, WhatGoesWrongIsOneError) {
  // Nothing is made where others could not reach it.
  write_search("");
  Outcome outcome = search();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("postgresql://HOST/DB#NAME"));
  EXPECT_FALSE(has("runs"));
  EXPECT_EQ(search({"--study", "memory:", "--jobs", "1"}).code, 1);
  write_search("one_machine = true");
  write_sbatch("echo 'sbatch: error: invalid partition specified: cpu' >&2; exit 1");
  outcome = search();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("invalid partition specified"));
  write_sbatch("echo 'no number'");
  EXPECT_THAT(search().err, HasSubstr("'no number'"));
  std::filesystem::remove(scratch_.path() / "bin/sbatch");
  ::setenv("PATH", (scratch_.path() / "bin").c_str(), 1);
  outcome = search();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("sbatch cannot be started"));
  EXPECT_THAT(outcome.err, HasSubstr("hone worker --study"));
}

}  // namespace
}  // namespace hone_test
