#include "hone/data/fetch.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>

#include <curl/curl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "hone/core/error.hpp"
#include "hone/core/lazy_library.hpp"
#include "hone/core/version.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// curl.h checks the types of these two by macros of the same names.
#undef curl_easy_setopt
#undef curl_easy_getinfo
constexpr LazyLibrary curl_library("libcurl.so.4");
HONE_LAZY_FUNCTION(curl_library, curl_global_init);
HONE_LAZY_FUNCTION(curl_library, curl_easy_init);
HONE_LAZY_FUNCTION(curl_library, curl_easy_cleanup);
HONE_LAZY_FUNCTION(curl_library, curl_easy_setopt);
HONE_LAZY_FUNCTION(curl_library, curl_easy_getinfo);
HONE_LAZY_FUNCTION(curl_library, curl_easy_perform);
HONE_LAZY_FUNCTION(curl_library, curl_easy_strerror);

constexpr long connect_seconds = 30;
// A transfer that moves less than this for this long is given up.
constexpr long stalled_bytes_per_second = 16;
constexpr long stalled_seconds = 60;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

struct CloseCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

// What the callbacks of one transfer see.
struct Transfer {
  std::FILE* file = nullptr;
  std::int64_t start = 0;
  std::int64_t total = 0;
  const Progress* progress = nullptr;
  std::exception_ptr stopped;
  int write_error = 0;
};

std::size_t receive(const char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t written = std::fwrite(data, size, count, transfer.file);
  if (written != count) transfer.write_error = errno;
  return written * size;
}

int report(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (!*transfer.progress) return 0;
  try {
    (*transfer.progress)(transfer.start + received, transfer.total);
    return 0;
  } catch (...) {
    transfer.stopped = std::current_exception();
    return 1;
  }
}

[[noreturn]] void fail_disk(const fs::path& path, const char* what, int reason) {
  throw Error(ErrorCode::io, fmt::format("{}: {}: {}", path.string(), what, std::strerror(reason)),
              reason == ENOSPC ? "free some space or choose another place" : "");
}

std::int64_t size_or_zero(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

void set_options(CURL* curl, const RemoteFile& remote, Transfer& transfer, char* reason) {
  curl_easy_setopt(curl, CURLOPT_URL, remote.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, connect_seconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, stalled_bytes_per_second);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, stalled_seconds);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, (std::string("hone/") + version).c_str());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, report);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(transfer.start));
}

// One attempt from the end of the partial file. Returns false when the server cannot continue there
// and the file has to be begun again.
bool transfer_once(const RemoteFile& remote, const fs::path& partial, const Progress& progress) {
  Transfer transfer;
  transfer.start = size_or_zero(partial);
  transfer.total = remote.bytes;
  transfer.progress = &progress;
  const File file(std::fopen(partial.c_str(), transfer.start > 0 ? "ab" : "wb"));
  if (!file) fail_disk(partial, "cannot create", errno);
  transfer.file = file.get();

  const std::unique_ptr<CURL, CloseCurl> curl(curl_easy_init());
  if (!curl) throw Error(ErrorCode::internal, "libcurl cannot be started");
  char reason[CURL_ERROR_SIZE] = {};
  set_options(curl.get(), remote, transfer, reason);
  const CURLcode code = curl_easy_perform(curl.get());
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);

  if (transfer.stopped) std::rethrow_exception(transfer.stopped);
  if (transfer.write_error != 0) fail_disk(partial, "cannot write", transfer.write_error);
  if (transfer.start > 0 && (code == CURLE_RANGE_ERROR || status == 416)) return false;
  if (code == CURLE_HTTP_RETURNED_ERROR)
    throw Error(ErrorCode::io, fmt::format("{}: the server answered {}", remote.url, status),
                "try again later, or fetch the file by other means and give its path");
  if (code != CURLE_OK)
    throw Error(
        ErrorCode::io,
        fmt::format("{}: {}", remote.url, reason[0] != '\0' ? reason : curl_easy_strerror(code)),
        "check the network and run the command again: it continues where it stopped");
  if (std::fflush(file.get()) != 0 || ::fsync(::fileno(file.get())) != 0)
    fail_disk(partial, "cannot flush", errno);
  return true;
}

}  // namespace

const RemoteFile& imdb_remote() {
  static const RemoteFile remote{"aclImdb_v1.tar.gz",
                                 "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                                 "7c2ac02c03563afcf9b574c7e56c153a", 84125825};
  return remote;
}

std::string md5_of_file(const fs::path& path) {
  const File file(std::fopen(path.c_str(), "rb"));
  if (!file) fail_disk(path, "cannot open", errno);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  if (EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr) != 1)
    throw Error(ErrorCode::unsupported, "this OpenSSL does not offer MD5");
  char buffer[1 << 16];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, file.get()))
    EVP_DigestUpdate(context.get(), buffer, count);
  if (std::ferror(file.get()) != 0) fail_disk(path, "cannot read", errno);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(context.get(), digest, &length);
  std::string text;
  for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

void fetch(const RemoteFile& remote, const fs::path& destination, const Progress& progress) {
  static std::once_flag started;
  std::call_once(started, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  std::error_code error;
  if (fs::exists(destination, error) && md5_of_file(destination) == remote.md5) return;
  const fs::path partial = destination.string() + ".partial";
  if (destination.has_parent_path()) fs::create_directories(destination.parent_path(), error);
  if (error) fail_disk(destination.parent_path(), "cannot create", error.value());
  if (remote.bytes > 0 && size_or_zero(partial) > remote.bytes) fs::remove(partial);
  const bool complete = remote.bytes > 0 && size_or_zero(partial) == remote.bytes;
  try {
    if (!complete && !transfer_once(remote, partial, progress)) {
      fs::remove(partial);
      transfer_once(remote, partial, progress);
    }
  } catch (...) {
    // There is nothing in it to continue from.
    if (size_or_zero(partial) == 0) fs::remove(partial, error);
    throw;
  }
  if (const std::string sum = md5_of_file(partial); sum != remote.md5) {
    const std::int64_t size = size_or_zero(partial);
    fs::remove(partial);
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: the checksum is {} ({} bytes); expected {} ({} bytes)", remote.url,
                            sum, size, remote.md5, remote.bytes),
                "run the command again; if it repeats, the file at that address has changed");
  }
  fs::rename(partial, destination, error);
  if (error) fail_disk(destination, "cannot rename into place", error.value());
}

}  // namespace hone
