// Workers of a search as tasks of Slurm: an array job of `hone worker`.
//
//   [slurm]
//   partition = "cpu"
//   time = "2:00:00"
//   cpus = 4
//   memory = "8G"
//   extra = ["--account=me"]
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hone/recipes/search_settings.hpp"

namespace hone {

// Keys of [slurm] beside the list `extra`.
const std::vector<OptionSpec>& slurm_options();

// Throws Error(invalid_argument) for what cannot stand in a script.
void check_slurm(const SlurmSettings& settings);
// The same for a study that tasks on other machines cannot reach.
void check_reach(const SearchSettings& settings);

struct SlurmJob {
  std::string program;         // hone, as the nodes find it
  std::filesystem::path logs;  // folder of what tasks say
  std::string machine;         // where the study is made: its own name
  std::int64_t tasks = 1;
  double timeout = 0;  // of each worker, seconds; 0: none
};
// The script that sbatch takes; `settings.study` and the folder are those that tasks use.
std::string slurm_script(const SearchSettings& settings, const SlurmJob& job);

struct SlurmSubmission {
  std::string job;               // its id
  std::filesystem::path script;  // where it is kept
  std::string logs;              // files, with a * for each task
};
// Writes the script into the study's folder and submits it. Throws Error(io) when sbatch cannot be
// run or refuses it, with what it said.
SlurmSubmission submit_to_slurm(const SearchSettings& settings, std::int64_t tasks);

}  // namespace hone
