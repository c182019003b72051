// What studies in a database need of it. Their SQL is what SQLite and PostgreSQL both take.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace hone {

// A row of a result, while it is looked at.
class SqlRow {
public:
  virtual ~SqlRow() = default;
  virtual bool is_null(int column) const = 0;
  virtual std::int64_t integer(int column) const = 0;
  virtual double real(int column) const = 0;
  virtual std::string_view text(int column) const = 0;
};

using SqlValue = std::variant<std::monostate, std::int64_t, double, std::string>;
using SqlRows = std::function<void(const SqlRow& row)>;
// What the database calls T_KEY, T_TIME, T_REAL, T_DIRECTION, T_STATE, T_VALUE_KIND, T_STEP_KIND.
using SqlTypes = std::map<std::string, std::string>;

enum class SqlTransaction {
  read,     // one snapshot
  write,    // it stays whatever process ends
  durable,  // the same, and the machine may fail: on disk when it ends
};

class SqlConnection {
public:
  virtual ~SqlConnection() = default;
  virtual std::string url() const = 0;

  virtual std::set<std::string> tables() = 0;
  // Makes what create_schema's types need, and names them.
  virtual SqlTypes types() = 0;

  // $1, $2, ... stand for `values`. Texts are few: each is prepared once.
  virtual void run(std::string_view sql, std::span<const SqlValue> values, const SqlRows& rows) = 0;
  void run(std::string_view sql, std::initializer_list<SqlValue> values = {},
           const SqlRows& rows = {}) {
    run(sql, std::span(values.begin(), values.size()), rows);
  }
  // Does `work` in one transaction; of work that throws nothing is done. Where the database cannot
  // be had for a while all of `work` is done again: it must have no other effects.
  virtual void transact(SqlTransaction kind, const std::function<void()>& work) = 0;
  // Exclude other writes to it until the transaction ends, where transactions do not exclude each
  // other by themselves. Study 0: making studies.
  virtual void lock_study(std::int64_t study) = 0;
  virtual void lock_trial(std::int64_t trial) = 0;
};

}  // namespace hone
