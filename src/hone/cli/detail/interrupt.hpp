#pragma once

namespace hone {

// From now on the first Ctrl-C (or SIGTERM) only raises a flag, said on stderr; the second ends the
// process at once. `quiet`: it is not said.
void catch_interrupts(bool quiet = false);
bool interrupted();

}  // namespace hone
