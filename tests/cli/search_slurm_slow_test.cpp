// A search as an array job of a real Slurm: three nodes, of which one is cancelled, one requeued
// and one loses its power meanwhile.
#include <set>

#include "cli/slurm_cluster.hpp"
#include "hone/core/json.hpp"
#include "hone/search/study.hpp"
#include "search/postgres_server.hpp"

namespace hone_test {
namespace {

constexpr int trials = 40;

// Each computing is noted before it is told, with a value that no other has.
const char* const objective = R"sh(count=0
while read -r line; do
  trial=${line#*\"trial\": }
  trial=${trial%%,*}
  awk "BEGIN { for (i = 0; i < 3000000; ++i) s += sin(i * $trial); print s }" > work.$$
  count=$((count + 1))
  value=$(($$ * 1000 + count))
  echo "$trial $value $SLURMD_NODENAME $(uname -n)" >> computed
  echo "{\"values\": [$value], \"user_attrs\": {\"node\": \"$SLURMD_NODENAME\", \"cpus\": $SLURM_CPUS_PER_TASK}}"
done
)sh";

class SlurmRun {
public:
  SlurmRun() {
    scratch_.write("objective.sh", objective);
    scratch_.write("s.toml",
                   fmt::format("recipe = 'search'\nname = 's'\ndirections = ['minimize']\n"
                               "objective_command = ['sh', 'objective.sh']\nsampler = 'random'\n"
                               "trials = {}\njobs = 3\nlease = 4\n[space]\nx = {{ low = 0.0, high "
                               "= 1.0 }}\n[slurm]\ncpus = 2\nmemory = '10M'\ntime = 10\n",
                               trials));
    // (Where the server is they learn from a file: another machine, for all that hone knows.)
    url_ = server_.new_database();
    const std::size_t port = url_.rfind(':'), slash = url_.rfind('/');
    ::setenv(
        "PGSERVICEFILE",
        scratch_
            .write("services",
                   fmt::format("[studies]\nhost=127.0.0.1\nport={}\nuser=hone\ndbname={}\n",
                               url_.substr(port + 1, slash - port - 1), url_.substr(slash + 1)))
            .c_str(),
        1);
  }
  ~SlurmRun() { ::unsetenv("PGSERVICEFILE"); }

  Outcome search() const {
    return run_hone(scratch_, {"search", "s.toml", "--slurm", "--study",
                               "postgresql:///?service=studies#s", "--json", "submitted.json"});
  }
  std::string job() const {
    return hone::parse_json(hone::read_file((scratch_.path() / "submitted.json").string()))
        .at("slurm")
        .at("job")
        .text();
  }

  // Waits for so many told trials, as long as that takes; returns all.
  std::vector<hone::Trial> wait_for(int told) const {
    const auto storage = hone::open_storage({.url = url_, .read_only = true});
    hone::Study study(*storage, hone::Study::find(*storage, "s"));
    for (int i = 0; i < 3000 && study.count_finished() < told; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      study.refresh();
    }
    EXPECT_GE(study.count_finished(), told) << SlurmCluster::says("squeue") << logs();
    return study.trials();
  }

  // Of a task of the job, or "".
  std::string node_of(int task) const {
    return SlurmCluster::says(fmt::format("squeue -h -t running -o %N -j {}_{}", job(), task));
  }
  std::string logs() const {
    return SlurmCluster::says(fmt::format("cat '{}'/runs/s/slurm-*.out", scratch_.path().string()));
  }

  void check(const std::vector<hone::Trial>& all, std::size_t lost) const {
    std::map<std::int64_t, std::set<double>> computed;
    std::size_t count = 0;
    std::set<std::string> nodes;
    std::ifstream in(scratch_.path() / "computed");
    std::int64_t number = 0;
    double value = 0;
    for (std::string node, host; in >> number >> value >> node >> host; ++count) {
      EXPECT_EQ(node, host);
      EXPECT_TRUE(computed[number].insert(value).second);
    }
    ASSERT_EQ(all.size(), static_cast<std::size_t>(trials));
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i].number, static_cast<std::int64_t>(i));
      EXPECT_EQ(all[i].state, hone::TrialState::complete) << i;
      ASSERT_EQ(all[i].values.size(), 1u);
      EXPECT_TRUE(computed[all[i].number].contains(all[i].values[0])) << i;
      nodes.insert(all[i].user_attributes.at("node").text());
      EXPECT_EQ(all[i].user_attributes.at("cpus"), hone::Json(2));
    }
    EXPECT_GE(nodes.size(), 2u);
    EXPECT_LE(count, trials + lost);
    std::printf("%zu trials by %zu nodes, %zu computed\n", all.size(), nodes.size(), count);
  }

private:
  ScratchDirectory scratch_;
  PostgresServer server_;
  std::string url_;
};

TEST(SearchSlurm, CancelledRequeuedAndLostTasksLoseNothing) {
  if (!PostgresServer::is_installed()) GTEST_SKIP() << "PostgreSQL is not installed";
  if (const std::string why = SlurmCluster::missing(); !why.empty()) GTEST_SKIP() << why;
  SlurmCluster cluster(3, 2);
  const SlurmRun run;
  const Outcome outcome = run.search();
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string job = run.job();
  EXPECT_NE(outcome.out.find("job " + job + ": 3 workers"), std::string::npos) << outcome.out;

  run.wait_for(5);
  EXPECT_EQ(SlurmCluster::says("scancel " + job + "_0"), "");
  run.wait_for(10);
  EXPECT_EQ(SlurmCluster::says("scontrol requeue " + job + "_1"), "");
  run.wait_for(15);
  const std::string node = run.node_of(2);
  ASSERT_FALSE(node.empty()) << SlurmCluster::says("squeue") << run.logs();
  cluster.kill_node(node);
  // (Slurm would find out by itself, in a while.) Its task is requeued.
  EXPECT_EQ(SlurmCluster::says("scontrol update state=down reason=power nodename=" + node), "");
  run.wait_for(trials);
  // All workers end by themselves.
  for (int i = 0; i < 600 && !SlurmCluster::says("squeue -h").empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(SlurmCluster::says("squeue -h"), "");
  run.check(run.wait_for(trials), 3);
  for (const char* wrong : {"fail", "defect", "another machine"})
    EXPECT_EQ(run.logs().find(wrong), std::string::npos) << run.logs();

  // Nothing is left to submit.
  const Outcome again = run.search();
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out.find("job "), std::string::npos) << again.out;
}

}  // namespace
}  // namespace hone_test
