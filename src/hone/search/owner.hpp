// Who runs a trial: one process, named so that others can tell whether it still lives.
#pragma once

#include <string>

namespace hone {

// "HOST/BOOT/NAMESPACE/PID/START/NUMBER": the machine since it was started, the process, and a
// number that makes two owners of one process different.
std::string new_owner();

// Whether the process is known to have ended. One that cannot be asked (another machine or
// container) is not known to: there, leases tell.
bool has_ended(const std::string& owner);
// Whether it can be asked.
bool is_of_this_machine(const std::string& owner);

}  // namespace hone
