#include "hone/cli/detail/interrupt.hpp"

#include <csignal>
#include <string_view>

#include <unistd.h>

namespace hone {
namespace {

volatile std::sig_atomic_t raised = 0;
volatile std::sig_atomic_t silent = 0;

void on_signal(int number) {
  raised = 1;
  // The next one does what it always does.
  std::signal(number, SIG_DFL);
  if (silent != 0) return;
  constexpr std::string_view text =
      "\nstopping: this step ends, then the run is saved (again: at once)\n";
  const auto ignored = ::write(STDERR_FILENO, text.data(), text.size());
  static_cast<void>(ignored);
}

}  // namespace

void catch_interrupts(bool quiet) {
  silent = quiet ? 1 : 0;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  // (nohup has it ignored.)
  if (std::signal(SIGHUP, on_signal) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
}

bool interrupted() { return raised != 0; }

}  // namespace hone
