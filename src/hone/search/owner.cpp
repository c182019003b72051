#include "hone/search/owner.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace hone {
namespace {

std::string first_word(const std::string& path) {
  std::ifstream in(path);
  std::string word;
  in >> word;
  return word;
}

// The clock ticks from the machine's start to the process's: field 22 of /proc/PID/stat. "" where
// there is no such process, or it has ended and nobody has asked how.
std::string start_of(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/stat");
  std::stringstream all;
  all << in.rdbuf();
  const std::string text = all.str();
  // The program's name, in brackets, may hold anything.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return "";
  std::istringstream rest(text.substr(name_end + 1));
  std::string word;
  for (int field = 3; field <= 22 && rest >> word; ++field)
    if (field == 3 && (word == "Z" || word == "X")) return "";
  return word;
}

// The machine and its container, within which numbers of processes mean something.
const std::string& machine() {
  static const std::string name = [] {
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    std::error_code error;
    const std::filesystem::path space = std::filesystem::read_symlink("/proc/self/ns/pid", error);
    std::string text = fmt::format("{}/{}/{}", host.data(),
                                   first_word("/proc/sys/kernel/random/boot_id"), space.string());
    return text;
  }();
  return name;
}

}  // namespace

std::string new_owner() {
  static std::atomic<int> count{0};
  const std::string pid = std::to_string(getpid());
  return fmt::format("{}/{}/{}/{}", machine(), pid, start_of(pid), ++count);
}

bool is_of_this_machine(const std::string& owner) { return owner.starts_with(machine() + "/"); }

bool has_ended(const std::string& owner) {
  if (!is_of_this_machine(owner)) return false;
  const std::string rest = owner.substr(machine().size() + 1);
  const std::size_t slash = rest.find('/');
  const std::size_t next = rest.find('/', slash + 1);
  if (slash == std::string::npos || next == std::string::npos) return false;
  return start_of(rest.substr(0, slash)) != rest.substr(slash + 1, next - slash - 1);
}

}  // namespace hone
