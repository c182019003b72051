#include "hone/search/detail/sql_schema.hpp"

#include <array>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

constexpr std::int64_t schema_version = 12;
const char* const alembic_version = "v3.2.0.a";
// What the column `library_version` says: the schema is that of this version.
const char* const library_version = "5.0.0";

struct Table {
  const char* name;
  const char* key;  // its column that counts by itself; "": none
  const char* columns;
  const char* of;  // the table that its rows belong to: its column OF_id; "": none
};

// Words in capitals that begin with T_ are types, which databases name differently.
constexpr std::array<Table, 13> tables{{
    {"alembic_version", "", "version_num VARCHAR(32) NOT NULL, PRIMARY KEY (version_num)", ""},
    {"version_info", "",
     "version_info_id INTEGER NOT NULL, schema_version INTEGER, library_version VARCHAR(256), "
     "PRIMARY KEY (version_info_id), CHECK (version_info_id = 1)",
     ""},
    {"studies", "study_id", "study_name VARCHAR(512) NOT NULL", ""},
    {"study_directions", "study_direction_id",
     "direction T_DIRECTION NOT NULL, study_id INTEGER NOT NULL, objective INTEGER NOT NULL, "
     "UNIQUE (study_id, objective)",
     "study"},
    {"study_user_attributes", "study_user_attribute_id",
     "study_id INTEGER, key VARCHAR(512), value_json TEXT, UNIQUE (study_id, key)", "study"},
    {"study_system_attributes", "study_system_attribute_id",
     "study_id INTEGER, key VARCHAR(512), value_json TEXT, UNIQUE (study_id, key)", "study"},
    {"trials", "trial_id",
     "number INTEGER, study_id INTEGER, state T_STATE NOT NULL, datetime_start T_TIME, "
     "datetime_complete T_TIME",
     "study"},
    {"trial_heartbeats", "trial_heartbeat_id",
     "trial_id INTEGER NOT NULL, heartbeat T_TIME NOT NULL, UNIQUE (trial_id)", "trial"},
    {"trial_intermediate_values", "trial_intermediate_value_id",
     "trial_id INTEGER NOT NULL, step INTEGER NOT NULL, intermediate_value T_REAL, "
     "intermediate_value_type T_STEP_KIND NOT NULL, UNIQUE (trial_id, step)",
     "trial"},
    {"trial_params", "param_id",
     "trial_id INTEGER, param_name VARCHAR(512), param_value T_REAL, distribution_json TEXT, "
     "UNIQUE (trial_id, param_name)",
     "trial"},
    {"trial_user_attributes", "trial_user_attribute_id",
     "trial_id INTEGER, key VARCHAR(512), value_json TEXT, UNIQUE (trial_id, key)", "trial"},
    {"trial_system_attributes", "trial_system_attribute_id",
     "trial_id INTEGER, key VARCHAR(512), value_json TEXT, UNIQUE (trial_id, key)", "trial"},
    {"trial_values", "trial_value_id",
     "trial_id INTEGER NOT NULL, objective INTEGER NOT NULL, value T_REAL, "
     "value_type T_VALUE_KIND NOT NULL, UNIQUE (trial_id, objective)",
     "trial"},
}};

std::string with_types(std::string text, const SqlTypes& types) {
  for (const auto& [word, type] : types)
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at))
      text.replace(at, word.size(), type);
  return text;
}

[[noreturn]] void refuse(SqlConnection& connection, const std::string& what,
                         const std::string& hint) {
  throw Error(ErrorCode::unsupported, fmt::format("{}: {}", connection.url(), what), hint);
}

}  // namespace

bool has_schema(SqlConnection& connection) {
  const std::set<std::string> present = connection.tables();
  if (present.empty()) return false;
  if (!present.contains("version_info") || !present.contains("studies"))
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: holds tables, but no studies", connection.url()),
                "studies need a database of their own");
  std::int64_t version = -1;
  std::string alembic, library;
  connection.run("SELECT schema_version, library_version FROM version_info", {},
                 [&](const SqlRow& row) {
                   version = row.integer(0);
                   library = row.text(1);
                 });
  if (present.contains("alembic_version"))
    connection.run("SELECT version_num FROM alembic_version", {},
                   [&](const SqlRow& row) { alembic = row.text(0); });
  if (version == -1)
    throw Error(
        ErrorCode::bad_format,
        fmt::format("{}: is half-written: it has no version of its tables", connection.url()),
        "delete it, or take a copy from before");
  if (version > schema_version || alembic > alembic_version)
    refuse(connection,
           fmt::format("its tables are newer (schema {}, {}, written by {} {}); hone reads schema "
                       "{}, {}",
                       version, alembic, "Optuna", library, schema_version, alembic_version),
           "use a newer hone");
  if (version < schema_version || alembic != alembic_version)
    refuse(connection,
           fmt::format("its tables are older (schema {}, {}); hone reads schema {}, {}", version,
                       alembic, schema_version, alembic_version),
           "bring it up to date with: optuna storage upgrade --storage URL");
  for (const Table& table : tables)
    if (!present.contains(table.name))
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: is half-written: the table '{}' is missing", connection.url(),
                              table.name),
                  "delete it, or take a copy from before");
  return true;
}

void create_schema(SqlConnection& connection) {
  const SqlTypes types = connection.types();
  for (const Table& table : tables) {
    std::string columns = table.columns;
    const std::string key = table.key;
    if (!key.empty()) columns = key + " T_KEY NOT NULL, " + columns + ", PRIMARY KEY (" + key + ")";
    if (const std::string of = table.of; !of.empty())
      columns += fmt::format(", FOREIGN KEY ({0}_id) REFERENCES {1} ({0}_id)", of,
                             of == "study" ? "studies" : "trials");
    connection.run(with_types(fmt::format("CREATE TABLE {} ({})", table.name, columns), types));
  }
  connection.run("CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name)");
  connection.run("CREATE INDEX ix_trials_study_id ON trials (study_id)");
  connection.run("INSERT INTO alembic_version VALUES ($1)", {std::string(alembic_version)});
  connection.run("INSERT INTO version_info VALUES (1, $1, $2)",
                 {schema_version, std::string(library_version)});
}

}  // namespace hone
