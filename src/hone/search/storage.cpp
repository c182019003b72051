#include "hone/search/storage.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

const StorageKind& kind_of(const std::string& url, const std::string& text) {
  const std::string scheme = url.substr(0, url.find(':'));
  std::string known;
  for (const StorageKind& kind : storage_table()) {
    if (kind.name == scheme && url.find(':') != std::string::npos) return kind;
    known += (known.empty() ? "" : ", ") + kind.name + ":";
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("'{}' does not say where a study is kept", text),
              fmt::format("it begins with one of {}: sqlite:runs/s.db#NAME", known));
}

}  // namespace

std::unique_ptr<Storage> open_storage(const StorageOpening& opening) {
  return kind_of(opening.url, opening.url).open(opening);
}

bool is_of_one_machine(const std::string& url) { return kind_of(url, url).is_of_one_machine(url); }

StudyAddress parse_study_address(const std::string& text) {
  StudyAddress address;
  // (Names of studies may have more of them.)
  const std::size_t hash = text.find('#');
  address.url = text.substr(0, hash);
  if (hash != std::string::npos) address.name = text.substr(hash + 1);
  // Optuna's: a third slash ends an empty host, a fourth begins an absolute path.
  const std::string optuna = "sqlite:///";
  if (address.url.starts_with(optuna)) address.url = "sqlite:" + address.url.substr(optuna.size());
  // SQLAlchemy names a driver: postgresql+psycopg2://...
  const std::size_t colon = address.url.find(':');
  const std::size_t plus = address.url.find('+');
  if (plus != std::string::npos && colon != std::string::npos && plus < colon)
    address.url.erase(plus, colon - plus);
  kind_of(address.url, text);
  return address;
}

}  // namespace hone
