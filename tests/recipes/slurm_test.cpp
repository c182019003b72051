// The script of an array job: what sbatch and a shell read in it.
#include "hone/recipes/slurm.hpp"

#include <gmock/gmock.h>

#include "hone/core/error.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {
namespace {

using namespace hone;
using testing::HasSubstr;
using testing::Not;

SearchSettings settings_with(const std::string& slurm,
                             const std::string& study = "postgresql://host/db#s") {
  const ScratchDirectory scratch;
  const std::string file =
      scratch.write("s.toml",
                    "recipe = 'search'\nname = 's'\ndirections = ['minimize']\n"
                    "objective_command = ['true']\nstudy = '" +
                        study + "'\n[space]\nx = [1, 2]\n" + slurm);
  return load_search(file, {}).front();
}

SlurmJob job() {
  return {.program = "/opt/hone", .logs = "/runs/s", .machine = "head", .tasks = 4};
}

// The directives, and what the shell runs.
std::vector<std::string> directives(const std::string& script) {
  std::vector<std::string> found;
  std::istringstream lines(script);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("#SBATCH ")) found.push_back(line.substr(8));
  return found;
}

TEST(SlurmScript, SaysWhatTheFileSays) {
  const SearchSettings settings = settings_with(
      "[slurm]\npartition = 'cpu'\ntime = '2:00:00'\ncpus = 3\nmemory = '4G'\n"
      "extra = ['--account=me', '--exclude=n1,n2']\n");
  const std::string script = slurm_script(settings, job());
  EXPECT_TRUE(script.starts_with("#!/bin/sh\n#SBATCH "));
  EXPECT_THAT(directives(script),
              testing::UnorderedElementsAre(
                  "--job-name=s", "--array=0-3", "--ntasks=1", "--cpus-per-task=3",
                  "--partition=cpu", "--time=2:00:00", "--mem=4G", "--chdir=" + settings.folder,
                  "--output=/runs/s/slurm-%A_%a.out", "--open-mode=append", "--requeue",
                  "--account=me", "--exclude=n1,n2"));
  // (sbatch reads no directive behind the first command.)
  EXPECT_LT(script.rfind("#SBATCH"), script.find("exec"));
  EXPECT_THAT(script, testing::EndsWith("exec '/opt/hone' worker --study 'postgresql://host/db#s' "
                                        "--threads \"$SLURM_CPUS_PER_TASK\"\n"));
  EXPECT_THAT(script, Not(HasSubstr("uname")));
}

TEST(SlurmScript, LeavesOutWhatTheFileLeavesOut) {
  const std::string script = slurm_script(settings_with(""), job());
  for (const char* flag : {"--partition", "--time", "--mem"})
    EXPECT_THAT(script, Not(HasSubstr(flag)));
  EXPECT_THAT(script, HasSubstr("--cpus-per-task=1\n"));
  SlurmJob with_timeout = job();
  with_timeout.timeout = 90;
  EXPECT_THAT(slurm_script(settings_with(""), with_timeout), testing::EndsWith(" --timeout 90\n"));
}

TEST(SlurmScript, QuotesWhatAShellAndSbatchWouldRead) {
  SearchSettings settings = settings_with("");
  settings.name = "a \"b\"";
  settings.folder = "/my runs";
  settings.study = "postgresql://host/db?x='$(id)'#s";
  SlurmJob odd = job();
  odd.logs = "/my runs/100%";
  const std::string script = slurm_script(settings, odd);
  EXPECT_THAT(script, HasSubstr("#SBATCH --job-name=\"a \\\"b\\\"\"\n"));
  EXPECT_THAT(script, HasSubstr("#SBATCH --chdir=\"/my runs\"\n"));
  EXPECT_THAT(script, HasSubstr("--output=\"/my runs/100%%/slurm-%A_%a.out\"\n"));
  EXPECT_THAT(script, HasSubstr(R"(--study 'postgresql://host/db?x='\''$(id)'\''#s')"));
  settings.folder = "/a\nrm -r /";
  EXPECT_THROW(slurm_script(settings, odd), Error);
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.message() + "\n" + error.hint();
  }
  return "";
}

TEST(SlurmScript, RefusesWhatItCannotSay) {
  for (const char* wrong :
       {"partition = 'a b'", "time = \"1\\n#SBATCH -p x\"", "cpus = 0", "cpu = 1", "extra = ['x']",
        "extra = [\"-p x\\nrm\"]", "memory = '4 G'"})
    EXPECT_THAT(refusal([&] { settings_with(fmt::format("[slurm]\n{}\n", wrong)); }),
                HasSubstr("slurm"))
        << wrong;
}

TEST(SlurmScript, AStudyMustBeWithinReachOfItsTasks) {
  const auto of = [](const std::string& study, const std::string& slurm = "") {
    return refusal([&] { check_reach(settings_with(slurm, study)); });
  };
  const std::string one_machine = "[slurm]\none_machine = true\n";
  EXPECT_EQ(of("postgresql://host/db#s"), "");
  EXPECT_EQ(of("postgresql://me:secret@10.0.0.7:5432/db#s"), "");
  EXPECT_EQ(of("postgresql:///db?service=studies#s"), "");
  for (const char* local :
       {"sqlite:runs/s.db#s", "postgresql://localhost/db#s", "postgresql://127.0.0.1:5/db#s",
        "postgresql:///db#s", "postgresql:///db?host=/run/postgresql#s",
        "postgresql://host/db?hostaddr=127.0.0.1#s"}) {
    EXPECT_THAT(of(local), HasSubstr("postgresql://HOST/DB#NAME")) << local;
    EXPECT_THAT(of(local), HasSubstr("one_machine")) << local;
    EXPECT_EQ(of(local, one_machine), "") << local;
  }
  EXPECT_THAT(of("memory:#s", one_machine), HasSubstr("one process"));
}

}  // namespace
}  // namespace hone_test
