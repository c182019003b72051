// A PostgreSQL server of the tests' own, in a folder that goes with it.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {

class PostgresServer {
public:
  // The folder of its programs; empty where it is not installed.
  static std::filesystem::path programs() {
    std::error_code error;
    for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", error))
      if (std::filesystem::exists(version.path() / "bin/initdb")) return version.path() / "bin";
    return {};
  }
  static bool is_installed() { return !programs().empty(); }

  PostgresServer() {
    // A server that root starts refuses to run.
    if (geteuid() == 0) {
      user_ = "runuser -u postgres -- ";
      run_or_fail(fmt::format("chown postgres '{}'", folder()));
    }
    run_or_fail(fmt::format("{}{}/initdb -D '{}/data' -A trust -U hone --no-sync > '{}/initdb.log'",
                            user_, programs().string(), folder(), folder()));
    start();
  }
  ~PostgresServer() { stop("immediate"); }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  void stop(const std::string& mode) {
    run_command(fmt::format("{}{}/pg_ctl -D '{}/data' -m {} stop > /dev/null 2>&1", user_,
                            programs().string(), folder(), mode));
  }
  // On the port that it had.
  void restart(const std::string& mode) {
    stop(mode);
    for (int i = 0; i < 50; ++i) {
      if (try_start()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    throw std::runtime_error("the server does not start again:\n" +
                             hone::read_file(folder() + "/log"));
  }

  std::string new_database() {
    const std::string name = fmt::format("d{}", ++databases_);
    run_or_fail(
        fmt::format("{}/createdb -h 127.0.0.1 -p {} -U hone {}", programs().string(), port_, name));
    return fmt::format("postgresql://hone@127.0.0.1:{}/{}", port_, name);
  }

  // One for all tests of a program.
  static PostgresServer& shared() {
    static PostgresServer server;
    return server;
  }

private:
  // Below those that the kernel gives to a connection's own end (from 32768): a process that asks
  // for a server which is away would at times be connected to itself, and hold the server's port.
  static constexpr int first_port = 10000, ports = 22000;

  // On a port of its own. Processes of several tests come at the same time: each tries ports until
  // one is free.
  void start() {
    for (int i = 0; i < 50; ++i) {
      port_ = first_port + (getpid() * 7 + i * 131) % ports;
      if (try_start()) return;
    }
    throw std::runtime_error("the server does not start: " + folder() + "/log");
  }
  bool try_start() {
    return run_command(fmt::format(
               "{}{}/pg_ctl -D '{}/data' -w -l '{}/log' -o \"-k '{}' -p {} -c "
               "listen_addresses=127.0.0.1 -c shared_buffers=16MB\" start > /dev/null 2>&1",
               user_, programs().string(), folder(), folder(), folder(), port_)) == 0;
  }
  std::string folder() const { return folder_.path().string(); }
  static int run_command(const std::string& line) { return std::system(line.c_str()); }
  static void run_or_fail(const std::string& line) { ASSERT_EQ(run_command(line), 0) << line; }

  ScratchDirectory folder_;
  std::string user_;
  int port_ = 0;
  int databases_ = 0;
};

}  // namespace hone_test
