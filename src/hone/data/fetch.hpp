// Downloads of published data sets: resumed, checked, complete or not there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "hone/data/progress.hpp"

namespace hone {

struct RemoteFile {
  std::string name;  // file name it gets
  std::string url;
  std::string md5;         // as its authors publish it, lower-case hexadecimal
  std::int64_t bytes = 0;  // 0: unknown
};

// The archive of the Large Movie Review Dataset, from its authors.
const RemoteFile& imdb_remote();

// Downloads to `destination` (a file) unless it is already there with the right checksum. The bytes
// gather in destination + ".partial", which a later call continues; the file takes its name only
// once the checksum is right. Progress is in bytes. Throws Error(io) for network and disk, naming
// URL and reason (what arrived stays for the next call), Error(bad_format) for a wrong checksum
// (nothing stays).
void fetch(const RemoteFile& remote, const std::filesystem::path& destination,
           const Progress& progress = {});

// Lower-case hexadecimal MD5 of a file, as data sets publish it; no protection against forgery.
std::string md5_of_file(const std::filesystem::path& path);

}  // namespace hone
