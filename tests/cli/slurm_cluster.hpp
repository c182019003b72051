// A Slurm of the tests' own: a controller and nodes on this machine, in a folder that goes with it.
// Each node is a host of its own name (a UTS namespace), so that workers take it for one.
#pragma once

#include <sys/prctl.h>

#include <fstream>
#include <map>
#include <random>
#include <stdexcept>

#include "cli/program.hpp"

namespace hone_test {

class SlurmCluster {
public:
  // Empty, or why it cannot be: tests skip.
  static std::string missing() {
    for (const char* program : {"/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd"})
      if (!std::filesystem::exists(program)) return fmt::format("{} is not installed", program);
    return geteuid() == 0 ? "" : "only root gives nodes names of their own";
  }

  SlurmCluster(int nodes, int cpus) {
    write_configuration(nodes, cpus);
    ::setenv("SLURM_CONF", file("slurm.conf").c_str(), 1);
    start({"/usr/sbin/munged", "--foreground", "--force", "--key-file=" + file("munge.key"),
           "--socket=" + file("munge.socket"), "--pid-file=" + file("munge.pid"),
           "--log-file=" + file("munge.log"), "--seed-file=" + file("munge.seed")});
    wait_until("munged listens", [&] { return std::filesystem::exists(file("munge.socket")); });
    start({"/usr/sbin/slurmctld", "-D", "-c", "-f", file("slurm.conf")});
    for (int node = 1; node <= nodes; ++node) start_node(fmt::format("n{}", node));
    wait_until("all nodes are idle",
               [&] { return says("sinfo -h -N -t idle -o %N | wc -l") == std::to_string(nodes); });
  }
  ~SlurmCluster() {
    for (const auto& [name, pid] : nodes_) kill_all_of(pid);
    for (const pid_t pid : services_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    ::unsetenv("SLURM_CONF");
  }
  SlurmCluster(const SlurmCluster&) = delete;
  SlurmCluster& operator=(const SlurmCluster&) = delete;

  void start_node(const std::string& name) {
    nodes_[name] = spawn({"unshare", "--uts", "sh", "-c",
                          fmt::format("hostname {} && exec /usr/sbin/slurmd -D -c -f '{}' -N {}",
                                      name, file("slurm.conf"), name)});
  }
  // As a machine that loses its power: whatever runs on it is gone.
  void kill_node(const std::string& name) {
    kill_all_of(nodes_.at(name));
    nodes_.erase(name);
  }

  // What a command prints, trimmed.
  static std::string says(const std::string& command) {
    std::string text;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
    ::pclose(pipe);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
    return text;
  }

private:
  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }

  void write_configuration(int nodes, int cpus) const {
    std::random_device random;
    std::string key;
    for (int i = 0; i < 256; ++i) key += static_cast<char>(random() & 0xff);
    folder_.write("munge.key", key);
    std::filesystem::permissions(file("munge.key"), std::filesystem::perms::owner_read);
    // (The service that proves who one is wants a path that all may pass, and none may write to.)
    std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
    const int port = 21000 + static_cast<int>(random() % 9000);
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    std::string text = fmt::format(
        "ClusterName=tests\nSlurmctldHost={0}(127.0.0.1)\nSlurmctldPort={1}\n"
        "SlurmUser=root\nSlurmdUser=root\nAuthType=auth/munge\n"
        "AuthInfo=socket={2}/munge.socket,cred_expire=5\n"
        "SlurmctldPidFile={2}/slurmctld.pid\nSlurmdPidFile={2}/slurmd.%n.pid\n"
        "StateSaveLocation={2}/state\nSlurmdSpoolDir={2}/spool.%n\n"
        "SlurmctldLogFile={2}/slurmctld.log\nSlurmdLogFile={2}/slurmd.%n.log\n"
        "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\n"
        "SwitchType=switch/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n"
        "JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n"
        "JobCompType=jobcomp/none\nSlurmdParameters=config_overrides\nReturnToService=2\n"
        "KillWait=5\nSlurmdTimeout=20\nSchedulerParameters=sched_interval=2\n",
        host.data(), port, folder_.path().string());
    std::string names;
    for (int node = 1; node <= nodes; ++node) {
      text += fmt::format(
          "NodeName=n{0} NodeAddr=127.0.0.1 Port={1} CPUs={2} RealMemory=1000 State=UNKNOWN\n",
          node, port + node, cpus);
      names += fmt::format("{}n{}", node == 1 ? "" : ",", node);
      std::filesystem::create_directories(file(fmt::format("spool.n{}", node)));
    }
    std::filesystem::create_directories(file("state"));
    text += fmt::format("PartitionName=all Nodes={} Default=YES State=UP MaxTime=60\n", names);
    folder_.write("slurm.conf", text);
  }

  // They end with the test, however that ends.
  pid_t spawn(std::vector<std::string> words) const {
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(file("output").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  void start(std::vector<std::string> words) { services_.push_back(spawn(std::move(words))); }

  static std::string host_of(const std::string& pid) {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/" + pid + "/ns/uts", error).string();
  }
  static void kill_all_of(pid_t node) {
    const std::string host = host_of(std::to_string(node));
    std::error_code error;
    if (!host.empty() && host != host_of("self"))
      for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") == std::string::npos && host_of(name) == host)
          ::kill(std::stoi(name), SIGKILL);
      }
    ::kill(node, SIGKILL);
    ::waitpid(node, nullptr, 0);
  }

  void wait_until(const std::string& what, const std::function<bool()>& holds) const {
    for (int i = 0; i < 300; ++i) {
      if (holds()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    throw std::runtime_error(fmt::format("not within half a minute: {}\n{}", what,
                                         says("tail -n 5 " + folder_.path().string() + "/*.log")));
  }

  ScratchDirectory folder_;
  std::vector<pid_t> services_;
  std::map<std::string, pid_t> nodes_;
};

}  // namespace hone_test
