// Studies in a database.
#pragma once

#include <memory>
#include <unordered_map>

#include "hone/search/detail/sql_connection.hpp"
#include "hone/search/storage.hpp"

namespace hone {

class SqlStorage : public Storage {
public:
  // Makes the tables where there are none and `create` says so; otherwise throws Error(not_found).
  SqlStorage(std::unique_ptr<SqlConnection> connection, bool create);

  std::string url() const override { return connection_->url(); }
  std::vector<StudyData> studies() override;
  StudyId create_study(const std::string& name, const std::vector<Direction>& directions) override;
  void delete_study(StudyId study) override;
  void set_study_attributes(StudyId study, const Attributes& user,
                            const Attributes& system) override;
  StudyData study(StudyId study) override;
  void refresh(StudyId study, std::vector<Trial>& trials) override;
  std::optional<Trial> create_trial(StudyId study, const Trial& trial,
                                    std::optional<std::int64_t> most, bool heartbeat) override;
  bool change_trial(TrialId trial, const TrialChange& change) override;
  std::vector<Heartbeat> heartbeats(StudyId study) override;

private:
  struct Loading;
  std::vector<StudyData> read_studies();
  void load(Loading& loading);
  void write_parts(std::int64_t trial, const TrialChange& change);
  ParameterPtr intern(std::string_view name, std::string_view distribution);
  const std::string& text_of(const ParameterPtr& parameter);

  std::unique_ptr<SqlConnection> connection_;
  // Parameters by name and distribution as text, and back: few, shared by all trials.
  std::unordered_map<std::string, ParameterPtr> parameters_;
  std::unordered_map<const SearchParameter*, std::pair<ParameterPtr, std::string>> texts_;
  std::vector<const SearchParameter*> read_;  // those that were read, as they were met
  std::size_t last_ = 0;                      // the place of the last one in it
};

}  // namespace hone
