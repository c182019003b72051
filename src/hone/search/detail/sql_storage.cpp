#include "hone/search/detail/sql_storage.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/search/detail/sql_schema.hpp"
#include "hone/search/detail/sql_time.hpp"
#include "hone/search/python_json.hpp"

namespace hone {
namespace {

std::int64_t number_of(StudyId id) { return static_cast<std::int64_t>(id); }
std::int64_t number_of(TrialId id) { return static_cast<std::int64_t>(id); }

// Numbers that are not finite are words in a column of their own.
const char* kind_of(double value) {
  if (std::isnan(value)) return "NAN";
  if (std::isinf(value)) return value > 0 ? "INF_POS" : "INF_NEG";
  return "FINITE";
}
SqlValue finite_part(double value) {
  return std::isfinite(value) ? SqlValue(value) : SqlValue(std::monostate{});
}
double read_number(const SqlRow& row, int value, int kind) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::string_view text = row.text(kind);
  if (text == "INF_POS") return infinity;
  if (text == "INF_NEG") return -infinity;
  if (text == "NAN" || row.is_null(value)) return std::numeric_limits<double>::quiet_NaN();
  return row.real(value);
}

SqlValue time_value(const std::optional<Time>& time) {
  return time ? SqlValue(print_sql_time(*time)) : SqlValue(std::monostate{});
}

}  // namespace

SqlStorage::SqlStorage(std::unique_ptr<SqlConnection> connection, bool create)
    : connection_(std::move(connection)) {
  bool ready = false;
  connection_->transact(SqlTransaction::read, [&] { ready = has_schema(*connection_); });
  if (ready) return;
  if (!create)
    throw Error(ErrorCode::not_found, fmt::format("{}: holds no studies", url()),
                "hone study list URL shows what is there");
  // Two processes may come at the same time: who is second finds them made.
  connection_->transact(SqlTransaction::durable, [&] {
    connection_->lock_study(0);
    if (!has_schema(*connection_)) create_schema(*connection_);
  });
}

std::vector<StudyData> SqlStorage::read_studies() {
  std::vector<StudyData> all;
  std::unordered_map<std::int64_t, std::size_t> places;
  connection_->run("SELECT study_id, study_name FROM studies ORDER BY study_id", {},
                   [&](const SqlRow& row) {
                     places[row.integer(0)] = all.size();
                     all.push_back({StudyId{row.integer(0)}, std::string(row.text(1)), {}});
                   });
  const auto find = [&](std::int64_t id) -> StudyData* {
    const auto at = places.find(id);
    return at == places.end() ? nullptr : &all[at->second];
  };
  connection_->run("SELECT study_id, direction FROM study_directions ORDER BY study_id, objective",
                   {}, [&](const SqlRow& row) {
                     if (StudyData* study = find(row.integer(0)))
                       study->directions.push_back(row.text(1) == "MAXIMIZE" ? Direction::maximize
                                                                             : Direction::minimize);
                   });
  for (const bool user : {true, false})
    connection_->run(
        user ? "SELECT study_id, key, value_json FROM study_user_attributes"
             : "SELECT study_id, key, value_json FROM study_system_attributes",
        {}, [&](const SqlRow& row) {
          if (StudyData* study = find(row.integer(0)))
            (user ? study->user_attributes : study->system_attributes)[std::string(row.text(1))] =
                parse_python_json(row.text(2), url());
        });
  return all;
}

std::vector<StudyData> SqlStorage::studies() {
  std::vector<StudyData> all;
  connection_->transact(SqlTransaction::read, [&] { all = read_studies(); });
  return all;
}

StudyData SqlStorage::study(StudyId study) {
  for (StudyData& one : studies())
    if (one.id == study) return one;
  throw Error(ErrorCode::not_found,
              fmt::format("{}: there is no study with id {}", url(), number_of(study)),
              "it was deleted");
}

StudyId SqlStorage::create_study(const std::string& name,
                                 const std::vector<Direction>& directions) {
  std::int64_t id = 0;
  connection_->transact(SqlTransaction::durable, [&] {
    connection_->lock_study(0);
    bool is_there = false;
    connection_->run("SELECT study_id FROM studies WHERE study_name = $1", {name},
                     [&](const SqlRow&) { is_there = true; });
    if (is_there)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: there is a study named '{}' already", url(), name));
    connection_->run("INSERT INTO studies (study_name) VALUES ($1) RETURNING study_id", {name},
                     [&](const SqlRow& row) { id = row.integer(0); });
    for (std::size_t i = 0; i < directions.size(); ++i)
      connection_->run(
          "INSERT INTO study_directions (study_id, objective, direction) VALUES ($1, $2, $3)",
          {id, static_cast<std::int64_t>(i),
           std::string(directions[i] == Direction::maximize ? "MAXIMIZE" : "MINIMIZE")});
  });
  return StudyId{id};
}

void SqlStorage::delete_study(StudyId study) {
  const SqlValue id = number_of(study);
  connection_->transact(SqlTransaction::durable, [&] {
    connection_->lock_study(number_of(study));
    for (const char* table : {"trial_heartbeats", "trial_intermediate_values", "trial_params",
                              "trial_values", "trial_user_attributes", "trial_system_attributes"})
      connection_->run(fmt::format("DELETE FROM {} WHERE trial_id IN (SELECT trial_id FROM trials "
                                   "WHERE study_id = $1)",
                                   table),
                       {id});
    for (const char* table : {"trials", "study_user_attributes", "study_system_attributes",
                              "study_directions", "studies"})
      connection_->run(fmt::format("DELETE FROM {} WHERE study_id = $1", table), {id});
  });
}

void SqlStorage::set_study_attributes(StudyId study, const Attributes& user,
                                      const Attributes& system) {
  connection_->transact(SqlTransaction::durable, [&] {
    for (const bool users : {true, false})
      for (const auto& [key, value] : users ? user : system)
        connection_->run(users ? "INSERT INTO study_user_attributes (study_id, key, value_json) "
                                 "VALUES ($1, $2, $3) ON CONFLICT (study_id, key) DO UPDATE SET "
                                 "value_json = excluded.value_json"
                               : "INSERT INTO study_system_attributes (study_id, key, value_json) "
                                 "VALUES ($1, $2, $3) ON CONFLICT (study_id, key) DO UPDATE SET "
                                 "value_json = excluded.value_json",
                         {number_of(study), key, to_python_json(value)});
  });
}

ParameterPtr SqlStorage::intern(std::string_view name, std::string_view distribution) {
  // Trials mostly have the parameters of the trial before, in its order: no text is hashed then.
  for (const std::size_t guess : {last_ + 1, std::size_t{0}}) {
    if (guess >= read_.size()) continue;
    const auto& [parameter, text] = texts_.at(read_[guess]);
    if (parameter->name != name || text != distribution) continue;
    last_ = guess;
    return parameter;
  }
  std::string key(name);
  key += '\n';
  key += distribution;
  ParameterPtr& found = parameters_[key];
  if (found == nullptr) {
    found = std::make_shared<SearchParameter>(
        SearchParameter{std::string(name), distribution_from_optuna(distribution)});
    texts_.emplace(found.get(), std::pair(found, std::string(distribution)));
    last_ = read_.size();
    read_.push_back(found.get());
  }
  return found;
}

const std::string& SqlStorage::text_of(const ParameterPtr& parameter) {
  const auto found = texts_.find(parameter.get());
  if (found != texts_.end()) return found->second.second;
  std::string text = to_optuna(parameter->distribution);
  parameters_.emplace(parameter->name + '\n' + text, parameter);
  return texts_.emplace(parameter.get(), std::pair(parameter, std::move(text)))
      .first->second.second;
}

// Trials whose parts are read: one range of ids, with those of other studies left out.
struct SqlStorage::Loading {
  explicit Loading(std::vector<Trial>& all) : trials(all) {}

  std::vector<Trial>& trials;
  std::unordered_map<std::int64_t, std::size_t> places = {};  // by id
  std::int64_t first = 0, last = -1;                          // ids

  void add(std::int64_t id, std::size_t place) {
    first = places.empty() ? id : std::min(first, id);
    last = places.empty() ? id : std::max(last, id);
    places[id] = place;
  }
  Trial* find(std::int64_t id) {
    // Rows of one trial mostly follow each other.
    if (id == found_id_) return found_;
    const auto at = places.find(id);
    found_id_ = id;
    found_ = at == places.end() ? nullptr : &trials[at->second];
    return found_;
  }

private:
  std::int64_t found_id_ = -1;
  Trial* found_ = nullptr;
};

void SqlStorage::load(Loading& loading) {
  if (loading.places.empty()) return;
  const std::array<SqlValue, 2> range{loading.first, loading.last};
  const auto read = [&](const char* sql, const auto& take) {
    connection_->run(sql, range, [&](const SqlRow& row) {
      if (Trial* trial = loading.find(row.integer(0))) take(*trial, row);
    });
  };
  // Of many trials the table is read as it lies: it is in that order, and an index would only give
  // reasons to sort it. (A sign hides the index.)
  constexpr std::size_t many = 100;
  read(loading.places.size() >= many
           ? "SELECT trial_id, param_name, distribution_json, param_value FROM trial_params "
             "WHERE +trial_id BETWEEN $1 AND $2 ORDER BY param_id"
           : "SELECT trial_id, param_name, distribution_json, param_value FROM trial_params "
             "WHERE trial_id BETWEEN $1 AND $2 ORDER BY param_id",
       [&](Trial& trial, const SqlRow& row) {
         trial.parameters.push_back({intern(row.text(1), row.text(2)), row.real(3)});
       });
  read(
      "SELECT trial_id, value, value_type FROM trial_values WHERE trial_id BETWEEN $1 AND $2 "
      "ORDER BY trial_id, objective",
      [](Trial& trial, const SqlRow& row) { trial.values.push_back(read_number(row, 1, 2)); });
  read(
      "SELECT trial_id, step, intermediate_value, intermediate_value_type "
      "FROM trial_intermediate_values WHERE trial_id BETWEEN $1 AND $2",
      [](Trial& trial, const SqlRow& row) {
        trial.intermediate[row.integer(1)] = read_number(row, 2, 3);
      });
  read(
      "SELECT trial_id, key, value_json FROM trial_user_attributes "
      "WHERE trial_id BETWEEN $1 AND $2",
      [&](Trial& trial, const SqlRow& row) {
        trial.user_attributes[std::string(row.text(1))] = parse_python_json(row.text(2), url());
      });
  read(
      "SELECT trial_id, key, value_json FROM trial_system_attributes "
      "WHERE trial_id BETWEEN $1 AND $2",
      [&](Trial& trial, const SqlRow& row) {
        trial.system_attributes[std::string(row.text(1))] = parse_python_json(row.text(2), url());
      });
}

void SqlStorage::refresh(StudyId study, std::vector<Trial>& trials) {
  // Those that may have changed: ranges of ids, with gaps where reading them twice would cost more.
  constexpr std::int64_t largest_gap = 16;
  struct Range {
    std::int64_t first, last;
  };
  std::vector<Range> ranges;
  std::int64_t newest = 0;
  for (const Trial& trial : trials) {
    newest = number_of(trial.id);
    if (trial.is_finished()) continue;
    if (!ranges.empty() && newest - ranges.back().last <= largest_gap)
      ranges.back().last = newest;
    else
      ranges.push_back({newest, newest});
  }
  std::unordered_map<std::int64_t, std::size_t> open;
  if (!ranges.empty())
    for (std::size_t i = 0; i < trials.size(); ++i)
      if (!trials[i].is_finished()) open[number_of(trials[i].id)] = i;
  // (Ids are 32-bit numbers in PostgreSQL.)
  ranges.push_back({newest + 1, std::numeric_limits<std::int32_t>::max()});

  std::vector<Trial> changed, added;
  connection_->transact(SqlTransaction::read, [&] {
    changed.clear();
    added.clear();
    for (const Range& range : ranges) {
      std::vector<Trial>& found = range.first > newest ? added : changed;
      const std::size_t before = found.size();
      connection_->run(
          "SELECT trial_id, state, datetime_start, datetime_complete FROM trials "
          "WHERE study_id = $1 AND trial_id BETWEEN $2 AND $3 ORDER BY trial_id",
          {number_of(study), range.first, range.last}, [&](const SqlRow& row) {
            if (range.first <= newest && !open.contains(row.integer(0))) return;
            Trial& trial = found.emplace_back();
            trial.id = TrialId{row.integer(0)};
            trial.state = trial_state(std::string(row.text(1)));
            if (!row.is_null(2)) trial.start = parse_sql_time(row.text(2));
            if (!row.is_null(3)) trial.complete = parse_sql_time(row.text(3));
          });
      Loading loading(found);
      for (std::size_t i = before; i < found.size(); ++i) loading.add(number_of(found[i].id), i);
      load(loading);
    }
  });
  for (Trial& trial : changed) {
    const std::size_t place = open.at(number_of(trial.id));
    trial.number = trials[place].number;
    trials[place] = std::move(trial);
  }
  trials.reserve(trials.size() + added.size());
  for (Trial& trial : added) {
    trial.number = static_cast<std::int64_t>(trials.size());
    trials.push_back(std::move(trial));
  }
}

// What a trial has beside its own row.
void SqlStorage::write_parts(std::int64_t trial, const TrialChange& change) {
  // Rows of parameters, several a statement.
  constexpr std::size_t rows_at_once = 32;
  for (std::size_t i = 0; i < change.parameters.size();) {
    const std::size_t count =
        change.parameters.size() - i >= rows_at_once ? rows_at_once : std::size_t{1};
    std::string sql =
        "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES ";
    std::vector<SqlValue> values;
    values.reserve(4 * count);
    for (std::size_t k = 0; k < count; ++k, ++i) {
      const TrialParameter& one = change.parameters[i];
      const std::size_t first = values.size();
      sql += fmt::format("{}(${}, ${}, ${}, ${})", k == 0 ? "" : ", ", first + 1, first + 2,
                         first + 3, first + 4);
      values.insert(values.end(),
                    {SqlValue(trial), one.name(), one.internal, text_of(one.parameter)});
    }
    connection_->run(sql, values, {});
  }
  for (const auto& [step, value] : change.intermediate)
    connection_->run(
        "INSERT INTO trial_intermediate_values "
        "(trial_id, step, intermediate_value, intermediate_value_type) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (trial_id, step) DO UPDATE SET "
        "intermediate_value = excluded.intermediate_value, "
        "intermediate_value_type = excluded.intermediate_value_type",
        {trial, step, finite_part(value), std::string(kind_of(value))});
  for (const auto& [key, value] : change.user_attributes)
    connection_->run(
        "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES ($1, $2, $3) "
        "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json",
        {trial, key, to_python_json(value)});
  for (const auto& [key, value] : change.system_attributes)
    connection_->run(
        "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES ($1, $2, $3) "
        "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json",
        {trial, key, to_python_json(value)});
  for (std::size_t i = 0; i < change.values.size(); ++i)
    connection_->run(
        "INSERT INTO trial_values (trial_id, objective, value, value_type) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (trial_id, objective) DO UPDATE SET "
        "value = excluded.value, value_type = excluded.value_type",
        {trial, static_cast<std::int64_t>(i), finite_part(change.values[i]),
         std::string(kind_of(change.values[i]))});
  if (change.heartbeat)
    connection_->run(
        "INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES ($1, CURRENT_TIMESTAMP) "
        "ON CONFLICT (trial_id) DO UPDATE SET heartbeat = excluded.heartbeat",
        {trial});
}

std::optional<Trial> SqlStorage::create_trial(StudyId study, const Trial& trial,
                                              std::optional<std::int64_t> most, bool heartbeat) {
  const TrialChange parts{.values = trial.values,
                          .parameters = trial.parameters,
                          .intermediate = trial.intermediate,
                          .user_attributes = trial.user_attributes,
                          .system_attributes = trial.system_attributes,
                          .heartbeat = heartbeat};
  std::optional<Trial> made;
  // (What runs is told again by whoever runs it; what was told must not be lost.)
  connection_->transact(
      trial.state == TrialState::running ? SqlTransaction::write : SqlTransaction::durable, [&] {
        made.reset();
        connection_->lock_study(number_of(study));
        bool is_there = false;
        connection_->run("SELECT study_id FROM studies WHERE study_id = $1", {number_of(study)},
                         [&](const SqlRow&) { is_there = true; });
        if (!is_there)
          throw Error(ErrorCode::not_found,
                      fmt::format("{}: there is no study with id {}", url(), number_of(study)),
                      "it was deleted");
        std::int64_t count = 0;
        connection_->run(
            "SELECT number FROM trials WHERE study_id = $1 ORDER BY trial_id DESC LIMIT 1",
            {number_of(study)},
            [&](const SqlRow& row) { count = row.is_null(0) ? -1 : row.integer(0) + 1; });
        // (A number is the count of the trials before: not every program writes it.)
        if (count < 0)
          connection_->run("SELECT COUNT(*) FROM trials WHERE study_id = $1", {number_of(study)},
                           [&](const SqlRow& row) { count = row.integer(0); });
        if (most && count > *most) return;
        Trial copy = trial;
        copy.number = count;
        connection_->run(
            "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) "
            "VALUES ($1, $2, $3, $4, $5) RETURNING trial_id",
            {count, number_of(study), std::string(to_string(trial.state)), time_value(trial.start),
             time_value(trial.complete)},
            [&](const SqlRow& row) { copy.id = TrialId{row.integer(0)}; });
        write_parts(number_of(copy.id), parts);
        made = std::move(copy);
      });
  return made;
}

bool SqlStorage::change_trial(TrialId id, const TrialChange& change) {
  const std::int64_t trial = number_of(id);
  bool done = false;
  connection_->transact(change.durable ? SqlTransaction::durable : SqlTransaction::write, [&] {
    done = false;
    connection_->lock_trial(trial);
    std::optional<TrialState> state;
    connection_->run("SELECT state FROM trials WHERE trial_id = $1", {trial},
                     [&](const SqlRow& row) { state = trial_state(std::string(row.text(0))); });
    if (!state)
      throw Error(ErrorCode::not_found,
                  fmt::format("{}: there is no trial with id {}", url(), trial),
                  "its study was deleted");
    if (*state != TrialState::running && *state != TrialState::waiting) return;
    if (change.expected_state && *change.expected_state != *state) return;
    if (change.expected_owner) {
      std::optional<Json> owner;
      connection_->run(
          "SELECT value_json FROM trial_system_attributes WHERE trial_id = $1 AND key = $2",
          {trial, std::string(owner_attribute)},
          [&](const SqlRow& row) { owner = parse_python_json(row.text(0), url()); });
      if (!owner || *owner != Json(*change.expected_owner)) return;
    }
    write_parts(trial, change);
    if (change.state || change.start || change.complete)
      connection_->run(
          "UPDATE trials SET state = $2, datetime_start = COALESCE($3, datetime_start), "
          "datetime_complete = COALESCE($4, datetime_complete) WHERE trial_id = $1",
          {trial, std::string(to_string(change.state.value_or(*state))), time_value(change.start),
           time_value(change.complete)});
    done = true;
  });
  return done;
}

std::vector<Heartbeat> SqlStorage::heartbeats(StudyId study) {
  std::vector<Heartbeat> all;
  connection_->transact(SqlTransaction::read, [&] {
    all.clear();
    connection_->run(
        "SELECT trials.trial_id, heartbeat, CURRENT_TIMESTAMP FROM trials "
        "JOIN trial_heartbeats ON trial_heartbeats.trial_id = trials.trial_id "
        "WHERE study_id = $1 AND state = 'RUNNING'",
        {number_of(study)}, [&](const SqlRow& row) {
          const auto age = parse_sql_time(row.text(2)) - parse_sql_time(row.text(1));
          all.push_back({TrialId{row.integer(0)}, std::chrono::duration<double>(age).count()});
        });
  });
  return all;
}

}  // namespace hone
