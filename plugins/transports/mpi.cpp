// The processes that mpirun started (MPI 3.1, "MPI: A Message-Passing Interface Standard").

#include <mpi.h>

#include "graph/error.h"
#include "plugins/transports/transport.h"

namespace headrace {
namespace {

void check(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw RunError("MPI: {}: {}", what, std::string(text, static_cast<size_t>(length)));
}

// Persistent requests (section 3.9): made once, started every step.
class MpiMessages : public MessageQueue {
 public:
  MpiMessages(MPI_Comm everyone, const std::vector<RemoteMessage>& messages) {
    // Tags of two plans may be equal.
    check(MPI_Comm_dup(everyone, &comm_), "a communicator of its own for a plan");
    requests_.assign(messages.size(), MPI_REQUEST_NULL);
    done_.resize(messages.size());
    for (size_t m = 0; m < messages.size(); ++m) {
      const RemoteMessage& message = messages[m];
      const int bytes = static_cast<int>(message.bytes);
      if (message.sends)
        check(MPI_Send_init(message.data, bytes, MPI_BYTE, message.peer, message.tag, comm_,
                            &requests_[m]),
              "prepare a send");
      else
        check(MPI_Recv_init(message.data, bytes, MPI_BYTE, message.peer, message.tag, comm_,
                            &requests_[m]),
              "prepare a receive");
    }
  }

  ~MpiMessages() override {
    for (MPI_Request& request : requests_) MPI_Request_free(&request);
    MPI_Comm_free(&comm_);
  }

  void start(size_t message) override { check(MPI_Start(&requests_[message]), "start a message"); }

  void poll(std::vector<size_t>& done) override {
    int count = 0;
    check(MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count, done_.data(),
                       MPI_STATUSES_IGNORE),
          "look for messages");
    if (count == MPI_UNDEFINED) return;
    for (int i = 0; i < count; ++i)
      done.push_back(static_cast<size_t>(done_[static_cast<size_t>(i)]));
  }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::vector<MPI_Request> requests_;
  std::vector<int> done_;
};

class MpiGroup : public ProcessGroup {
 public:
  MpiGroup() {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "start");
    if (provided < MPI_THREAD_MULTIPLE)
      throw RunError("MPI: this installation does not support threads (MPI_THREAD_MULTIPLE)");
    check(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "a communicator of its own");
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm_, &rank_);
    MPI_Comm_size(comm_, &size_);
  }

  ~MpiGroup() override {
    MPI_Comm_free(&comm_);
    MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void broadcast(void* data, size_t bytes, int root) override {
    constexpr size_t kMost = size_t{1} << 30;  // a count is an int
    for (size_t begin = 0; begin < bytes; begin += kMost)
      check(MPI_Bcast(static_cast<std::byte*>(data) + begin,
                      static_cast<int>(std::min(bytes - begin, kMost)), MPI_BYTE, root, comm_),
            "broadcast");
  }

  void sum(std::span<double> values) override {
    check(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE,
                        MPI_SUM, comm_),
          "sum");
  }

  bool between_queues() const override { return false; }

  std::unique_ptr<MessageQueue> messages(const std::vector<RemoteMessage>& messages) override {
    return std::make_unique<MpiMessages>(comm_, messages);
  }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

std::unique_ptr<ProcessGroup> join() { return std::make_unique<MpiGroup>(); }

}  // namespace
}  // namespace headrace

HEADRACE_DEFINE_TRANSPORT("mpi", "Processes that mpirun started, on one machine or many.",
                          headrace::join)
