#include "hone/search/worker.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/search/owner.hpp"

namespace hone {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Tells while trials are computed that their process lives, from a thread of its own. The thread
// wakes four times a lease, whenever trials begin and end: nobody waits for it.
class Beating {
public:
  Beating(Storage* storage, double lease) {
    if (storage == nullptr) return;
    thread_ = std::thread([this, storage, lease] {
      std::unique_lock lock(mutex_);
      while (!end_.wait_for(lock, std::chrono::duration<double>(lease / 4), [&] { return done_; }))
        if (trial_) beat(*storage, lock);
    });
  }
  ~Beating() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    end_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  Beating(const Beating&) = delete;
  Beating& operator=(const Beating&) = delete;

  void begin(const Trial& trial) {
    const std::lock_guard lock(mutex_);
    trial_ = Computed{trial.id, trial.system_attributes.at(owner_attribute).text()};
    lost_ = false;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    trial_.reset();
  }
  // Somebody else has the trial.
  bool lost() const { return lost_; }

private:
  struct Computed {
    TrialId id{};
    std::string owner;
  };

  void beat(Storage& storage, std::unique_lock<std::mutex>& lock) {
    const Computed trial = *trial_;
    lock.unlock();
    bool own = true;
    try {
      own = storage.change_trial(trial.id, {.expected_state = TrialState::running,
                                            .expected_owner = trial.owner,
                                            .heartbeat = true});
    } catch (const Error&) {
      // The storage cannot be had: the worker itself finds out when it tells something.
    }
    lock.lock();
    // (It may have been told meanwhile.)
    if (!own && trial_ && trial_->id == trial.id) lost_ = true;
  }

  std::mutex mutex_;
  std::condition_variable end_;
  bool done_ = false;
  std::optional<Computed> trial_;
  std::atomic<bool> lost_{false};
  std::thread thread_;
};

class Watching : public TrialWatcher {
public:
  Watching(Study& study, const Trial& trial, const Stopper* stopper, const WorkerSettings& settings,
           const WorkerEvents& events, const Beating& beating)
      : study_(study),
        trial_(trial),
        stopper_(stopper),
        settings_(settings),
        events_(events),
        beating_(beating) {}

  bool report(std::int64_t step, double value) override {
    check();
    if (!study_.report(trial_, step, value)) {
      taken_ = true;
      return true;
    }
    if (events_.reported) events_.reported(trial_, step, value);
    if (stopper_ == nullptr || study_.data().directions.size() != 1) return beating_.lost();
    study_.refresh();
    const std::vector<Trial>& all = study_.trials();
    const Trial& own = all.at(static_cast<std::size_t>(trial_.number));
    return beating_.lost() || stopper_->stop({own, step, study_.data().directions.front(), all,
                                              settings_.stopper_options});
  }

  bool is_lost() const override { return taken_ || beating_.lost(); }

  void check() override {
    if (events_.should_stop && events_.should_stop())
      throw Error(ErrorCode::interrupted, "the worker was asked to stop");
  }

private:
  Study& study_;
  const Trial& trial_;
  const Stopper* stopper_;
  const WorkerSettings& settings_;
  const WorkerEvents& events_;
  const Beating& beating_;
  bool taken_ = false;
};

// So many of a worker in a row: what it computes does not work.
constexpr int most_failures = 10;

// The results of the first trial that had the same values and is complete; nothing where none had.
std::optional<Telling> earlier_results(const Study& study, const Trial& trial) {
  const auto has_same = [&](const Trial& other) {
    if (other.state != TrialState::complete || other.number == trial.number ||
        other.parameters.size() != trial.parameters.size())
      return false;
    return std::all_of(trial.parameters.begin(), trial.parameters.end(),
                       [&](const TrialParameter& one) {
                         const TrialParameter* found = other.find(one.name());
                         return found != nullptr && found->value() == one.value();
                       });
  };
  const std::vector<Trial>& all = study.trials();
  const auto found = std::find_if(all.begin(), all.end(), has_same);
  if (found == all.end()) return std::nullopt;
  Telling telling{.values = found->values, .user_attributes = found->user_attributes};
  telling.user_attributes[reused_attribute] = found->number;
  for (const auto& [name, value] : found->system_attributes)
    if (name.starts_with("constraints")) telling.system_attributes[name] = value;
  return telling;
}

}  // namespace

WorkerResult work(Study& study, Storage* beats, Objective& objective,
                  const WorkerSettings& settings, const WorkerEvents& events) {
  const auto sampling =
      find_member(sampler_table(), settings.sampler, "sampler").make(settings.sampler_options);
  const Stopper* stopper = settings.stopper.empty()
                               ? nullptr
                               : &find_member(stopper_table(), settings.stopper, "stopper");
  const std::string owner = new_owner();
  Beating beating(beats, settings.lease);
  const Clock::time_point begin = Clock::now();
  WorkerResult result;
  int failures = 0;
  const auto should_stop = [&] { return events.should_stop && events.should_stop(); };
  while (true) {
    if (should_stop()) throw Error(ErrorCode::interrupted, "the worker was asked to stop");
    std::optional<Trial> trial = study.take_over(owner, settings.lease);
    const bool taken_over = trial.has_value();
    if (!trial) {
      if (study.count_finished() >= settings.trials) return result;
      if (settings.timeout > 0 && seconds_since(begin) >= settings.timeout) {
        result.end = WorkerEnd::timed_out;
        return result;
      }
      // Those that others compute may fail: only then more are begun than are missing. (A trial
      // that was asked for by hand may never end.)
      trial = study.ask({.space = settings.space,
                         .sampling = *sampling,
                         .seed = settings.seed,
                         .owner = owner,
                         .budget = settings.trials,
                         .within_budget = true});
      if (!trial && study.count_computed_now() == 0 && study.count_finished() < settings.trials) {
        result.end = WorkerEnd::exhausted;
        return result;
      }
      if (!trial) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        continue;
      }
    }
    if (events.began) events.began(*trial, taken_over);
    Telling telling;
    std::optional<Telling> earlier;
    if (settings.reuse) earlier = earlier_results(study, *trial);
    if (earlier) {
      telling = std::move(*earlier);
    } else {
      beating.begin(*trial);
      Watching watching(study, *trial, stopper, settings, events, beating);
      telling = objective.compute(*trial, watching);
      beating.end();
    }
    const std::size_t objectives = study.data().directions.size();
    if (telling.state == TrialState::complete && telling.values.size() != objectives)
      telling = {
          .state = TrialState::fail,
          .user_attributes = {{error_attribute, fmt::format("{} values for {} objectives",
                                                            telling.values.size(), objectives)}}};
    if (study.tell(*trial, std::move(telling))) ++result.computed;
    study.refresh();
    const Trial& told = study.trials().at(static_cast<std::size_t>(trial->number));
    if (events.ended) events.ended(told);
    failures = told.state == TrialState::fail ? failures + 1 : 0;
    if (failures == most_failures) {
      const auto reason = told.user_attributes.find(error_attribute);
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("{} trials in a row failed, the last (trial {}): {}", failures, told.number,
                      reason == told.user_attributes.end() || !reason->second.is_string()
                          ? "no reason is known"
                          : printable(reason->second.text(), 300)),
          "mend what is computed; the same command goes on from here");
    }
  }
}

}  // namespace hone
