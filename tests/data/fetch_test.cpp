// Downloads against a small HTTP server in this process.
#include "hone/data/fetch.hpp"

#include <atomic>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hone/core/file.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone {
namespace {

// Serves one file on 127.0.0.1, a connection at a time.
class Server {
public:
  explicit Server(std::string content) : content_(std::move(content)) {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    stop_ = true;
    ::shutdown(socket_, SHUT_RDWR);
    ::close(socket_);
    thread_.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/file.bin"; }

  std::atomic<bool> ranges = true;         // whether it can begin in the middle
  std::atomic<std::size_t> cut_after = 0;  // hangs up after this many bytes of body; 0: never
  std::atomic<int> status = 0;             // answers every request with this
  std::atomic<std::size_t> last_start = 0;
  std::atomic<int> requests = 0;

private:
  void serve() {
    while (!stop_) {
      const int client = ::accept(socket_, nullptr, nullptr);
      if (client < 0) continue;
      std::string request;
      char buffer[1024];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t count = ::recv(client, buffer, sizeof buffer, 0);
        if (count <= 0) break;
        request.append(buffer, static_cast<std::size_t>(count));
      }
      answer(client, request);
      ::close(client);
    }
  }
  void answer(int client, const std::string& request) {
    ++requests;
    std::size_t start = 0;
    const std::size_t range = request.find("Range: bytes=");
    if (range != std::string::npos && ranges) start = std::stoul(request.substr(range + 13));
    last_start = start;
    std::string reply;
    if (status != 0) {
      reply = "HTTP/1.1 " + std::to_string(status) + " No\r\nContent-Length: 0\r\n\r\n";
    } else if (start != 0) {
      reply = "HTTP/1.1 206 Partial\r\nContent-Range: bytes " + std::to_string(start) + "-" +
              std::to_string(content_.size() - 1) + "/" + std::to_string(content_.size()) +
              "\r\nContent-Length: " + std::to_string(content_.size() - start) + "\r\n\r\n";
    } else {
      reply = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(content_.size()) + "\r\n\r\n";
    }
    if (status == 0)
      reply += content_.substr(start, cut_after == 0 ? std::string::npos : cut_after.load());
    std::size_t sent = 0;
    while (sent < reply.size()) {
      const ssize_t count = ::send(client, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<std::size_t>(count);
    }
  }

  std::string content_;
  int socket_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class Fetch : public testing::Test {
protected:
  Fetch() {
    for (int i = 0; i < 300000; ++i) content_ += static_cast<char>(i * 7 + i / 251);
    scratch_.write("expected", content_);
    server_ = std::make_unique<Server>(content_);
    remote_ = {"file.bin", server_->url(), md5_of_file(scratch_.path() / "expected"),
               static_cast<std::int64_t>(content_.size())};
    destination_ = scratch_.path() / "below" / "file.bin";
    partial_ = destination_.string() + ".partial";
  }
  void expect_complete() {
    EXPECT_EQ(read_file(destination_), content_);
    EXPECT_FALSE(std::filesystem::exists(partial_));
  }

  hone_test::ScratchDirectory scratch_;
  std::string content_;
  std::unique_ptr<Server> server_;
  RemoteFile remote_;
  std::filesystem::path destination_;
  std::filesystem::path partial_;
};

TEST_F(Fetch, BringsTheFileOnce) {
  std::int64_t last = 0;
  fetch(remote_, destination_, [&](std::int64_t done, std::int64_t total) {
    EXPECT_GE(done, last);
    EXPECT_EQ(total, 300000);
    last = done;
  });
  EXPECT_EQ(last, 300000);
  expect_complete();
  fetch(remote_, destination_);
  EXPECT_EQ(server_->requests, 1) << "what is there is not fetched again";
}

TEST_F(Fetch, ContinuesWhereItStopped) {
  server_->cut_after = 100000;
  EXPECT_ERROR(fetch(remote_, destination_), ErrorCode::io, remote_.url,
               "continues where it stopped");
  EXPECT_FALSE(std::filesystem::exists(destination_));
  const auto arrived = std::filesystem::file_size(partial_);
  EXPECT_EQ(arrived, 100000u);
  server_->cut_after = 0;
  std::int64_t first = -1;
  fetch(remote_, destination_,
        [&](std::int64_t done, std::int64_t) { first = first < 0 ? done : first; });
  EXPECT_EQ(server_->last_start, arrived);
  EXPECT_GE(first, static_cast<std::int64_t>(arrived));
  expect_complete();
}

TEST_F(Fetch, BeginsAgainWhereTheServerCannotContinue) {
  scratch_.write("below/file.bin.partial", content_.substr(0, 5000));
  server_->ranges = false;
  fetch(remote_, destination_);
  expect_complete();
}

TEST_F(Fetch, ACompletePartialFileOnlyNeedsItsName) {
  scratch_.write("below/file.bin.partial", content_);
  fetch(remote_, destination_);
  EXPECT_EQ(server_->requests, 0);
  expect_complete();
}

TEST_F(Fetch, AFailureBeforeTheFirstByteLeavesNothing) {
  server_->status = 404;
  EXPECT_ERROR(fetch(remote_, destination_), ErrorCode::io, "answered 404");
  EXPECT_FALSE(std::filesystem::exists(partial_));
  remote_.url = "http://127.0.0.1:1/file.bin";
  EXPECT_ERROR(fetch(remote_, destination_), ErrorCode::io, remote_.url);
  EXPECT_FALSE(std::filesystem::exists(partial_));
}

TEST_F(Fetch, AWrongChecksumLeavesNothing) {
  remote_.md5 = std::string(32, '0');
  EXPECT_ERROR(fetch(remote_, destination_), ErrorCode::bad_format, "expected 00000000");
  EXPECT_FALSE(std::filesystem::exists(destination_));
  EXPECT_FALSE(std::filesystem::exists(partial_));
}

TEST_F(Fetch, ADamagedPartialFileIsNoticedAndDropped) {
  scratch_.write("below/file.bin.partial", std::string(5000, 'x'));
  EXPECT_ERROR(fetch(remote_, destination_), ErrorCode::bad_format, "the checksum is");
  EXPECT_FALSE(std::filesystem::exists(partial_));
  fetch(remote_, destination_);
  expect_complete();
  scratch_.write("below/file.bin", "other bytes");
  scratch_.write("below/file.bin.partial", content_ + "more than there is");
  fetch(remote_, destination_);
  expect_complete();
}

TEST_F(Fetch, NetworkErrorsAreClear) {
  server_->status = 404;
  EXPECT_ERROR(fetch(remote_, destination_), ErrorCode::io, "the server answered 404");
  remote_.url = "http://127.0.0.1:1/file.bin";
  EXPECT_ERROR(fetch(remote_, destination_), ErrorCode::io,
               "http://127.0.0.1:1/file.bin: ", "network");
  remote_.url = "file:///etc/passwd";
  EXPECT_ERROR(fetch(remote_, destination_), ErrorCode::io, "file:///etc/passwd");
  EXPECT_FALSE(std::filesystem::exists(destination_));
}

TEST_F(Fetch, ProgressCanStopIt) {
  struct Stop {};
  EXPECT_THROW(fetch(remote_, destination_, [](std::int64_t, std::int64_t) { throw Stop(); }),
               Stop);
  fetch(remote_, destination_);
  expect_complete();
}

TEST_F(Fetch, FoldersThatCannotBeMadeAreNamed) {
  scratch_.write("wall", "");
  EXPECT_ERROR(fetch(remote_, scratch_.path() / "wall" / "file.bin"), ErrorCode::io, "wall");
}

TEST(FetchImdb, IsTheAuthorsArchive) {
  EXPECT_EQ(imdb_remote().bytes, 84125825);
  EXPECT_EQ(imdb_remote().md5.size(), 32u);
  EXPECT_TRUE(imdb_remote().url.starts_with("https://ai.stanford.edu/"));
}

}  // namespace
}  // namespace hone
