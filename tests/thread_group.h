#pragma once

#include <barrier>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "executor/process_group.h"
#include "graph/error.h"
#include "tests/host_channel.h"

namespace headrace {

// Processes that are threads: what a transport does, without one. Their messages go between
// memories of the host, or between devices that have queues.
class ThreadGroups {
 public:
  explicit ThreadGroups(int size, bool between_queues = false)
      : between_queues_(between_queues),
        meeting_(size),
        slots_(static_cast<size_t>(size)),
        plans_(static_cast<size_t>(size)) {}

  // The ways of all channels that were made, in their order.
  const std::vector<std::shared_ptr<HostPipe>>& pipes() const { return pipes_; }

  // Runs work(group of that rank) on a thread per rank and waits for all; rethrows the first error.
  void run(const std::function<void(ProcessGroup&)>& work) {
    std::vector<std::thread> threads;
    std::vector<std::exception_ptr> errors(slots_.size());
    for (size_t r = 0; r < slots_.size(); ++r)
      threads.emplace_back([&, r] {
        Group group(*this, static_cast<int>(r));
        try {
          work(group);
        } catch (...) {
          errors[r] = std::current_exception();
          meeting_.arrive_and_drop();
        }
      });
    for (auto& thread : threads) thread.join();
    for (const auto& error : errors)
      if (error) std::rethrow_exception(error);
  }

 private:
  // Messages of one plan that were started, by their ends and tag.
  struct Mail {
    std::mutex mutex;
    std::map<std::tuple<int, int, int>, const RemoteMessage*> sends, receives;
    std::vector<std::vector<size_t>> done;
    std::map<const RemoteMessage*, std::pair<int, size_t>> owner;
  };

  class Messages : public MessageQueue {
   public:
    Messages(std::shared_ptr<Mail> mail, int rank, std::vector<RemoteMessage> messages)
        : mail_(std::move(mail)), rank_(rank), messages_(std::move(messages)) {
      const std::lock_guard lock(mail_->mutex);
      for (size_t m = 0; m < messages_.size(); ++m) mail_->owner[&messages_[m]] = {rank_, m};
    }

    void start(size_t message) override {
      const std::lock_guard lock(mail_->mutex);
      const RemoteMessage& mine = messages_[message];
      const auto key = mine.sends ? std::tuple(rank_, mine.peer, mine.tag)
                                  : std::tuple(mine.peer, rank_, mine.tag);
      auto& own = mine.sends ? mail_->sends : mail_->receives;
      auto& other = mine.sends ? mail_->receives : mail_->sends;
      const auto it = other.find(key);
      if (it == other.end()) {
        HEADRACE_CHECK(own.emplace(key, &mine).second, "started twice");
        return;
      }
      const RemoteMessage& theirs = *it->second;
      HEADRACE_CHECK(mine.bytes == theirs.bytes);
      if (mine.sends)
        std::memcpy(theirs.data, mine.data, mine.bytes);
      else
        std::memcpy(mine.data, theirs.data, mine.bytes);
      for (const RemoteMessage* each : {&mine, &theirs}) {
        const auto [rank, index] = mail_->owner.at(each);
        mail_->done[static_cast<size_t>(rank)].push_back(index);
      }
      other.erase(it);
    }

    void poll(std::vector<size_t>& done) override {
      const std::lock_guard lock(mail_->mutex);
      auto& mine = mail_->done[static_cast<size_t>(rank_)];
      done.insert(done.end(), mine.begin(), mine.end());
      mine.clear();
    }

   private:
    std::shared_ptr<Mail> mail_;
    int rank_;
    std::vector<RemoteMessage> messages_;
  };

  class Group : public ProcessGroup {
   public:
    Group(ThreadGroups& all, int rank) : all_(all), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return static_cast<int>(all_.slots_.size()); }

    void broadcast(void* data, size_t bytes, int root) override {
      all_.slots_[static_cast<size_t>(rank_)] = data;
      all_.meeting_.arrive_and_wait();
      if (rank_ != root && bytes > 0)
        std::memcpy(data, all_.slots_[static_cast<size_t>(root)], bytes);
      all_.meeting_.arrive_and_wait();
    }

    void sum(std::span<double> values) override {
      const std::vector<double> mine(values.begin(), values.end());
      all_.slots_[static_cast<size_t>(rank_)] = const_cast<double*>(mine.data());
      all_.meeting_.arrive_and_wait();
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = 0;
        for (const void* slot : all_.slots_) values[i] += static_cast<const double*>(slot)[i];
      }
      all_.meeting_.arrive_and_wait();
    }

    bool between_queues() const override { return all_.between_queues_; }

    std::unique_ptr<MessageQueue> messages(const std::vector<RemoteMessage>& messages) override {
      HEADRACE_CHECK(!all_.between_queues_);
      if (rank_ == 0) {
        auto mail = std::make_shared<Mail>();
        mail->done.resize(all_.slots_.size());
        for (auto& plan : all_.plans_) plan = mail;
      }
      all_.meeting_.arrive_and_wait();
      auto mail = all_.plans_[static_cast<size_t>(rank_)];
      all_.meeting_.arrive_and_wait();
      return std::make_unique<Messages>(std::move(mail), rank_, messages);
    }

    std::vector<std::unique_ptr<PeerChannel>> channels(
        const std::vector<PeerChannelEnds>& ends) override {
      HEADRACE_CHECK(all_.between_queues_);
      const size_t made = all_.pipes_.size();
      all_.meeting_.arrive_and_wait();
      if (rank_ == 0)
        for (size_t c = 0; c < ends.size(); ++c)
          all_.pipes_.push_back(std::make_shared<HostPipe>());
      all_.meeting_.arrive_and_wait();
      std::vector<std::unique_ptr<PeerChannel>> channels(ends.size());
      for (size_t c = 0; c < ends.size(); ++c) {
        HEADRACE_CHECK((ends[c].lane != nullptr) == (rank_ == ends[c].from || rank_ == ends[c].to));
        if (ends[c].lane != nullptr)
          channels[c] = std::make_unique<HostChannel>(all_.pipes_[made + c], ends[c].lane);
      }
      return channels;
    }

   private:
    ThreadGroups& all_;
    int rank_;
  };

  const bool between_queues_;
  std::barrier<> meeting_;
  std::vector<void*> slots_;
  std::vector<std::shared_ptr<Mail>> plans_;
  std::vector<std::shared_ptr<HostPipe>> pipes_;
};

}  // namespace headrace
