#include "hone/cli/detail/program.hpp"

int main(int argc, char** argv) { return hone::run_program(argc, argv); }
