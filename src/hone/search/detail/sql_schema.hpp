// The tables of Optuna's studies (its schema 12, alembic version v3.2.0.a).
#pragma once

#include "hone/search/detail/sql_connection.hpp"

namespace hone {

// Whether the database holds studies; false: it is empty. Throws Error(unsupported) for studies of
// another schema, Error(bad_format) for tables of something else, or some that are missing.
bool has_schema(SqlConnection& connection);
void create_schema(SqlConnection& connection);

}  // namespace hone
