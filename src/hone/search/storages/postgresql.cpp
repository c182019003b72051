// Studies on a PostgreSQL server: any number of processes of any number of machines.
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <tuple>
#include <unordered_map>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/lazy_library.hpp"
#include "hone/core/text.hpp"
#include "hone/search/detail/patience.hpp"
#include "hone/search/detail/sql_storage.hpp"

namespace hone {
namespace {
namespace postgresql_storage {

const LazyLibrary libpq("libpq.so.5");
namespace pq {
HONE_LAZY_FUNCTION(libpq, PQconnectdbParams);
HONE_LAZY_FUNCTION(libpq, PQconninfoParse);
HONE_LAZY_FUNCTION(libpq, PQconninfoFree);
HONE_LAZY_FUNCTION(libpq, PQfinish);
HONE_LAZY_FUNCTION(libpq, PQstatus);
HONE_LAZY_FUNCTION(libpq, PQerrorMessage);
HONE_LAZY_FUNCTION(libpq, PQprepare);
HONE_LAZY_FUNCTION(libpq, PQexecPrepared);
HONE_LAZY_FUNCTION(libpq, PQexec);
HONE_LAZY_FUNCTION(libpq, PQresultStatus);
HONE_LAZY_FUNCTION(libpq, PQresultErrorField);
HONE_LAZY_FUNCTION(libpq, PQclear);
HONE_LAZY_FUNCTION(libpq, PQntuples);
HONE_LAZY_FUNCTION(libpq, PQgetisnull);
HONE_LAZY_FUNCTION(libpq, PQgetvalue);
HONE_LAZY_FUNCTION(libpq, PQgetlength);
HONE_LAZY_FUNCTION(libpq, PQsetNoticeProcessor);
}  // namespace pq

struct CloseConnection {
  void operator()(PGconn* connection) const { pq::PQfinish(connection); }
};
struct ClearResult {
  void operator()(PGresult* result) const { pq::PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ClearResult>;

constexpr double first_patience = 10;  // seconds, for the first connection

// What may go well when it is done again: the server restarts, or another transaction was in the
// way.
struct Again {
  std::string reason;
};

class Row : public SqlRow {
public:
  explicit Row(PGresult* result) : result_(result) {}
  void move_to(int row) { row_ = row; }

  bool is_null(int column) const override { return pq::PQgetisnull(result_, row_, column) != 0; }
  std::int64_t integer(int column) const override { return number<std::int64_t>(column); }
  double real(int column) const override { return number<double>(column); }
  std::string_view text(int column) const override {
    return {pq::PQgetvalue(result_, row_, column),
            static_cast<std::size_t>(pq::PQgetlength(result_, row_, column))};
  }

private:
  template <class T>
  T number(int column) const {
    const std::string_view digits = text(column);
    T value{};
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  }

  PGresult* result_;
  int row_ = 0;
};

// "postgresql://user:secret@host/db": without the secret.
std::string without_password(const std::string& url) {
  const std::size_t at = url.find('@');
  const std::size_t begin = url.find("//");
  const std::size_t colon = begin == std::string::npos ? begin : url.find(':', begin + 2);
  if (at == std::string::npos || colon == std::string::npos || colon > at) return url;
  return url.substr(0, colon) + url.substr(at);
}

class PostgresConnection : public SqlConnection {
public:
  explicit PostgresConnection(const StorageOpening& opening)
      : address_(opening.url), patience_(opening.patience), read_only_(opening.read_only) {
    // An address that was never right is said sooner than a server is given up that was there.
    const double seconds = std::min(patience_, first_patience);
    Patience patience(seconds);
    while (true) {
      try {
        connect();
        return;
      } catch (const Again& again) {
        if (!patience.wait()) give_up(again, seconds);
      }
    }
  }

  std::string url() const override { return without_password(address_); }

  std::set<std::string> tables() override {
    std::set<std::string> names;
    SqlConnection::run("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()", {},
                       [&](const SqlRow& row) { names.insert(std::string(row.text(0))); });
    return names;
  }

  SqlTypes types() override {
    execute(
        "CREATE TYPE studydirection AS ENUM ('NOT_SET', 'MINIMIZE', 'MAXIMIZE'); "
        "CREATE TYPE trialstate AS ENUM ('RUNNING', 'COMPLETE', 'PRUNED', 'FAIL', 'WAITING'); "
        "CREATE TYPE trialvaluetype AS ENUM ('FINITE', 'INF_POS', 'INF_NEG'); "
        "CREATE TYPE trialintermediatevaluetype AS ENUM ('FINITE', 'INF_POS', 'INF_NEG', 'NAN')");
    return {{"T_KEY", "SERIAL"},
            {"T_TIME", "TIMESTAMP"},
            {"T_REAL", "DOUBLE PRECISION"},
            {"T_DIRECTION", "studydirection"},
            {"T_STATE", "trialstate"},
            {"T_VALUE_KIND", "trialvaluetype"},
            {"T_STEP_KIND", "trialintermediatevaluetype"}};
  }

  void run(std::string_view sql, std::span<const SqlValue> values, const SqlRows& rows) override {
    std::string& name = prepared_[std::string(sql)];
    if (name.empty()) {
      std::string made = fmt::format("s{}", prepared_.size());
      check(Result(
          pq::PQprepare(connection_.get(), made.c_str(), std::string(sql).c_str(), 0, nullptr)));
      name = std::move(made);
    }
    std::vector<std::string> texts(values.size());
    std::vector<const char*> pointers;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (const auto* integer = std::get_if<std::int64_t>(&values[i]))
        texts[i] = std::to_string(*integer);
      else if (const auto* real = std::get_if<double>(&values[i]))
        texts[i] = fmt::format("{}", *real);  // the shortest that is read as the same number
      else if (const auto* text = std::get_if<std::string>(&values[i]))
        texts[i] = *text;
      pointers.push_back(std::holds_alternative<std::monostate>(values[i]) ? nullptr
                                                                           : texts[i].c_str());
    }
    const Result result = check(
        Result(pq::PQexecPrepared(connection_.get(), name.c_str(), static_cast<int>(values.size()),
                                  pointers.data(), nullptr, nullptr, 0)));
    if (!rows) return;
    Row row(result.get());
    for (int i = 0; i < pq::PQntuples(result.get()); ++i) {
      row.move_to(i);
      rows(row);
    }
  }

  void transact(SqlTransaction kind, const std::function<void()>& work) override {
    Patience patience(patience_);
    while (true) {
      try {
        if (connection_ == nullptr || pq::PQstatus(connection_.get()) != CONNECTION_OK) connect();
        begin(kind);
        work();
        commit();
        return;
      } catch (const Again& again) {
        roll_back();
        if (!patience.wait()) give_up(again, patience_);
      } catch (...) {
        roll_back();
        throw;
      }
    }
  }

  void lock_study(std::int64_t study) override {
    // Making studies has no row to lock: a number stands for it.
    if (study == 0)
      SqlConnection::run("SELECT pg_advisory_xact_lock(7306928)");
    else
      SqlConnection::run("SELECT study_id FROM studies WHERE study_id = $1 FOR UPDATE", {study});
  }
  void lock_trial(std::int64_t trial) override {
    SqlConnection::run("SELECT trial_id FROM trials WHERE trial_id = $1 FOR UPDATE", {trial});
  }

private:
  void connect() {
    prepared_.clear();
    // What the address says takes the place of what stands before it. A machine that is gone
    // without a word is noticed within a minute.
    const std::array<std::pair<const char*, const char*>, 7> settings{{
        {"connect_timeout", "5"},
        {"keepalives_idle", "20"},
        {"keepalives_interval", "10"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", "50000"},
        {"application_name", "hone"},
        {"dbname", address_.c_str()},
    }};
    std::array<const char*, settings.size() + 1> names{}, values{};
    for (std::size_t i = 0; i < settings.size(); ++i) std::tie(names[i], values[i]) = settings[i];
    connection_.reset(pq::PQconnectdbParams(names.data(), values.data(), 1));
    if (pq::PQstatus(connection_.get()) != CONNECTION_OK) {
      const std::string reason = pq::PQerrorMessage(connection_.get());
      connection_.reset();
      // A wrong name or password does not become right by waiting.
      for (const char* final : {"does not exist", "authentication failed", "no password supplied",
                                "could not translate host name"})
        if (reason.find(final) != std::string::npos)
          throw Error(ErrorCode::io, fmt::format("{}: {}", url(), printable(reason, 300)),
                      "postgresql://USER:PASSWORD@HOST:PORT/DATABASE");
      throw Again{reason};
    }
    pq::PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
    if (read_only_) execute("SET default_transaction_read_only = on");
  }

  void begin(SqlTransaction kind) {
    // A commit whose answer is lost (the server ends between the two) is not known to have failed:
    // the transaction's number tells afterwards.
    ticket_.clear();
    execute(kind == SqlTransaction::read ? "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                                         : "BEGIN");
    if (kind != SqlTransaction::read)
      SqlConnection::run("SELECT pg_current_xact_id()::text", {},
                         [&](const SqlRow& row) { ticket_ = row.text(0); });
  }

  void commit() {
    try {
      execute("COMMIT");
    } catch (const Again&) {
      if (ticket_.empty() || !was_committed()) throw;
    }
  }

  // Asked of a server that is there again.
  bool was_committed() {
    Patience patience(patience_);
    while (true) {
      try {
        connect();
        std::string state;
        SqlConnection::run("SELECT pg_xact_status($1::xid8)", {ticket_}, [&](const SqlRow& row) {
          if (!row.is_null(0)) state = row.text(0);
        });
        // (The server has not noticed yet that nobody waits for its answer.)
        if (state == "in progress") throw Again{"the transaction has not ended"};
        return state == "committed";
      } catch (const Again& again) {
        if (!patience.wait()) give_up(again, patience_);
      }
    }
  }

  void execute(const char* sql) { check(Result(pq::PQexec(connection_.get(), sql))); }

  void roll_back() {
    if (connection_ != nullptr && pq::PQstatus(connection_.get()) == CONNECTION_OK)
      Result(pq::PQexec(connection_.get(), "ROLLBACK"));
  }

  Result check(Result result) {
    const ExecStatusType status = pq::PQresultStatus(result.get());
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return result;
    const std::string reason = pq::PQerrorMessage(connection_.get());
    const char* state =
        result == nullptr ? nullptr : pq::PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
    const std::string code = state == nullptr ? "" : state;
    // Classes 08 (connections), 40 (rolled back for another), 53 (too many), 57 (shut down), and 55
    // (a lock); without a code the connection is lost.
    if (code.empty() || code.starts_with("08") || code.starts_with("40") ||
        code.starts_with("53") || code.starts_with("57") || code.starts_with("55"))
      throw Again{reason};
    throw Error(code.starts_with("42") ? ErrorCode::internal : ErrorCode::io,
                fmt::format("{}: {}", url(), printable(reason, 300)));
  }

  [[noreturn]] void give_up(const Again& again, double seconds) {
    throw Error(ErrorCode::io,
                fmt::format("{}: could not be had for {:.0f} s: {}", url(), seconds,
                            printable(again.reason, 300)),
                "is the server there? what was told is kept");
  }

  std::string address_;
  double patience_;
  bool read_only_;
  std::unique_ptr<PGconn, CloseConnection> connection_;
  std::unordered_map<std::string, std::string> prepared_;  // by SQL: its name
  std::string ticket_;                                     // of the transaction
};

std::unique_ptr<Storage> open(const StorageOpening& opening) {
  return std::make_unique<SqlStorage>(std::make_unique<PostgresConnection>(opening),
                                      opening.create && !opening.read_only);
}

// A server behind a socket file or the loopback interface. What the address leaves out libpq takes
// from the environment; a service's file may name any machine.
bool is_local(const std::string& url) {
  const auto given = [](const char* name) {
    const char* text = std::getenv(name);
    return std::string(text == nullptr ? "" : text);
  };
  std::map<std::string, std::string> values{{"host", given("PGHOST")},
                                            {"hostaddr", given("PGHOSTADDR")},
                                            {"service", given("PGSERVICE")}};
  PQconninfoOption* all = pq::PQconninfoParse(url.c_str(), nullptr);
  if (all == nullptr) return false;  // (Opening it says what is wrong.)
  for (const PQconninfoOption* one = all; one->keyword != nullptr; ++one)
    if (one->val != nullptr && *one->val != '\0') values[one->keyword] = one->val;
  pq::PQconninfoFree(all);
  const std::string& place = values[values["hostaddr"].empty() ? "host" : "hostaddr"];
  if (place.empty()) return values["service"].empty();
  return place.starts_with('/') || place.starts_with('@') || place.starts_with("127.") ||
         place == "localhost" || place == "::1";
}

}  // namespace postgresql_storage
}  // namespace

StorageKind storage_postgresql() {
  using namespace postgresql_storage;
  StorageKind kind{{"postgresql", "a server: processes of any number of machines"}};
  kind.open = open;
  kind.is_of_one_machine = is_local;
  return kind;
}

}  // namespace hone
