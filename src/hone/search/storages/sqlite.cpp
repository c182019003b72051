// Studies in a file, by SQLite: any number of processes of one machine.
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <unordered_map>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/search/detail/patience.hpp"
#include "hone/search/detail/sql_storage.hpp"

namespace hone {
namespace {
namespace sqlite_storage {

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

// What ends when another process is done.
struct Busy {};
// A program was killed while it wrote: its half transaction has to be taken back before anyone can
// read.
struct Unfinished {};

// A database in WAL mode as it lies on disk. At rest it is whole without its -wal file.
struct FileState {
  bool at_rest = false;
  std::int64_t size = 0, seconds = 0, nanoseconds = 0;
  ino_t file = 0;

  bool operator==(const FileState&) const = default;

  static FileState of(const std::string& path) {
    struct stat main {
    }, wal{};
    if (stat(path.c_str(), &main) != 0) return {};
    std::array<char, 20> header{};
    std::ifstream(path, std::ios::binary).read(header.data(), header.size());
    const bool writes_ahead = header[18] == 2 && header[19] == 2;
    const bool has_more = stat((path + "-wal").c_str(), &wal) == 0 && wal.st_size > 0;
    return {writes_ahead && !has_more, main.st_size, main.st_mtim.tv_sec, main.st_mtim.tv_nsec,
            main.st_ino};
  }
};

// "file:" and the path, as a URI that says that nobody writes.
std::string immutable_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path)
    uri += c == '%' || c == '?' || c == '#' ? fmt::format("%{:02x}", c) : std::string(1, c);
  return uri + "?immutable=1";
}

class Row : public SqlRow {
public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
  bool is_null(int column) const override {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
  }
  std::int64_t integer(int column) const override {
    return sqlite3_column_int64(statement_, column);
  }
  double real(int column) const override { return sqlite3_column_double(statement_, column); }
  std::string_view text(int column) const override {
    const auto* bytes = sqlite3_column_text(statement_, column);
    return {reinterpret_cast<const char*>(bytes),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

private:
  sqlite3_stmt* statement_;
};

class SqliteConnection : public SqlConnection {
public:
  SqliteConnection(std::filesystem::path path, const StorageOpening& opening)
      : path_(std::move(path)), patience_(opening.patience) {
    read_only_ = opening.read_only;
    if (read_only_) return;
    open(path_,
         opening.create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE);
    // Readers and the one writer do not wait for each other.
    Patience patience(patience_);
    for (bool done = false; !done;) {
      try {
        execute("PRAGMA journal_mode = WAL");
        execute("PRAGMA synchronous = NORMAL");
        done = true;
      } catch (const Busy&) {
        if (!patience.wait()) give_up();
      }
    }
  }

  std::string url() const override { return "sqlite:" + path_.string(); }

  std::set<std::string> tables() override {
    std::set<std::string> names;
    SqlConnection::run("SELECT name FROM sqlite_master WHERE type = 'table'", {},
                       [&](const SqlRow& row) { names.insert(std::string(row.text(0))); });
    return names;
  }

  SqlTypes types() override {
    return {{"T_KEY", "INTEGER"},         {"T_TIME", "DATETIME"},
            {"T_REAL", "FLOAT"},          {"T_DIRECTION", "VARCHAR(8)"},
            {"T_STATE", "VARCHAR(8)"},    {"T_VALUE_KIND", "VARCHAR(7)"},
            {"T_STEP_KIND", "VARCHAR(7)"}};
  }

  void run(std::string_view sql, std::span<const SqlValue> values, const SqlRows& rows) override {
    Statement& statement = statements_[std::string(sql)];
    if (statement == nullptr) {
      sqlite3_stmt* made = nullptr;
      // $1 is a name to SQLite, which it counts as it meets it; ?1 is the first value.
      std::string own(sql);
      std::replace(own.begin(), own.end(), '$', '?');
      check(sqlite3_prepare_v3(database_.get(), own.data(), static_cast<int>(own.size()),
                               SQLITE_PREPARE_PERSISTENT, &made, nullptr));
      statement.reset(made);
    }
    sqlite3_stmt* run = statement.get();
    for (std::size_t i = 0; i < values.size(); ++i) bind(run, static_cast<int>(i) + 1, values[i]);
    struct Reset {
      sqlite3_stmt* statement;
      ~Reset() { sqlite3_reset(statement); }
    } reset{run};
    const Row row(run);
    while (true) {
      const int code = sqlite3_step(run);
      if (code == SQLITE_DONE) return;
      if (code != SQLITE_ROW) check(code);
      if (rows) rows(row);
    }
  }

  void transact(SqlTransaction kind, const std::function<void()>& work) override {
    if (read_only_) {
      // Reading in WAL mode makes files beside the database, and leaves them. What is at rest is
      // read without, if nobody came meanwhile.
      const FileState before = FileState::of(path_);
      statements_.clear();
      if (before.at_rest) {
        open(immutable_uri(path_), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
        std::exception_ptr thrown;
        try {
          work();
        } catch (...) {
          thrown = std::current_exception();
        }
        if (FileState::of(path_) == before) {
          if (thrown) std::rethrow_exception(thrown);
          return;
        }
        statements_.clear();
      }
      open(path_, SQLITE_OPEN_READONLY);
    }
    Patience patience(patience_);
    while (true) {
      try {
        // A transaction that only reads never waits, and one that writes says so at once: it cannot
        // find later that what it has read is old.
        if (kind != SqlTransaction::read) set_durable(kind == SqlTransaction::durable);
        execute(kind == SqlTransaction::read ? "BEGIN" : "BEGIN IMMEDIATE");
        work();
        execute("COMMIT");
        return;
      } catch (const Busy&) {
        roll_back();
        if (!patience.wait()) give_up();
      } catch (const Unfinished&) {
        // (As whoever opens it next would do. The study itself is not written to.)
        statements_.clear();
        open(path_, SQLITE_OPEN_READWRITE);
        execute("PRAGMA query_only = 1");
      } catch (...) {
        roll_back();
        throw;
      }
    }
  }

  void lock_study(std::int64_t) override {}
  void lock_trial(std::int64_t) override {}

private:
  void open(const std::string& path, int mode) {
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &opened, mode | SQLITE_OPEN_NOMUTEX, nullptr);
    database_.reset(opened);
    if (code != SQLITE_OK) fail(code, "cannot be opened");
    sqlite3_extended_result_codes(opened, 1);
  }

  void set_durable(bool durable) {
    if (durable == durable_) return;
    execute(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    durable_ = durable;
  }

  void execute(const char* sql) {
    check(sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr));
  }

  void roll_back() {
    if (sqlite3_get_autocommit(database_.get()) == 0)
      sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }

  static void bind(sqlite3_stmt* statement, int at, const SqlValue& value) {
    if (const auto* integer = std::get_if<std::int64_t>(&value))
      sqlite3_bind_int64(statement, at, *integer);
    else if (const auto* real = std::get_if<double>(&value))
      sqlite3_bind_double(statement, at, *real);
    else if (const auto* text = std::get_if<std::string>(&value))
      sqlite3_bind_text(statement, at, text->data(), static_cast<int>(text->size()), SQLITE_STATIC);
    else
      sqlite3_bind_null(statement, at);
  }

  void check(int code) {
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
    if (read_only_ && code == SQLITE_READONLY_ROLLBACK) throw Unfinished{};
    const int primary = code & 0xff;
    // (A protocol error: others opened it at the same time, many times in a row.)
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_PROTOCOL)
      throw Busy{};
    fail(code, "");
  }

  [[noreturn]] void give_up() {
    throw Error(ErrorCode::io,
                fmt::format("{}: another program has held it for {:g} s", url(), patience_),
                "end that program, or its transaction; nothing was written");
  }

  [[noreturn]] void fail(int code, const std::string& what) {
    std::string reason =
        database_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database_.get());
    const int system = database_ == nullptr ? 0 : sqlite3_system_errno(database_.get());
    const int primary = code & 0xff;
    if (system != 0 && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN))
      reason += fmt::format(" ({})", std::strerror(system));
    const std::string message =
        fmt::format("{}: {}{}{}", url(), what, what.empty() ? "" : ": ", reason);
    switch (primary) {
      case SQLITE_NOTADB:
      case SQLITE_CORRUPT:
        throw Error(ErrorCode::bad_format, message, "a study is an SQLite database");
      case SQLITE_FULL:
      case SQLITE_IOERR:
        throw Error(ErrorCode::io, message,
                    "is the disk full? make room and start again: what was told is kept");
      case SQLITE_CANTOPEN:
      case SQLITE_READONLY:
      case SQLITE_PERM:
        throw Error(ErrorCode::io, message, "is the folder there, and may it be written to?");
      default: throw Error(ErrorCode::internal, message);
    }
  }

  std::filesystem::path path_;
  double patience_;
  bool read_only_ = false;
  std::unique_ptr<sqlite3, CloseDatabase> database_;
  std::unordered_map<std::string, Statement> statements_;  // gone before the database
  bool durable_ = false;
};

std::unique_ptr<Storage> open(const StorageOpening& opening) {
  const std::filesystem::path path = opening.url.substr(opening.url.find(':') + 1);
  if (path.empty())
    throw Error(ErrorCode::invalid_argument, fmt::format("'{}' names no file", opening.url),
                "sqlite:runs/s.db");
  if (!std::filesystem::exists(path)) {
    if (!opening.create || opening.read_only)
      throw Error(ErrorCode::not_found, fmt::format("{}: there is no such file", opening.url));
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  }
  return std::make_unique<SqlStorage>(std::make_unique<SqliteConnection>(path, opening),
                                      opening.create && !opening.read_only);
}

}  // namespace sqlite_storage
}  // namespace

StorageKind storage_sqlite() {
  using namespace sqlite_storage;
  StorageKind kind{{"sqlite", "a file: any number of processes of one machine"}};
  kind.open = open;
  kind.is_of_one_machine = [](const std::string&) { return true; };
  return kind;
}

}  // namespace hone
