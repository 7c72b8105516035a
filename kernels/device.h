#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/kernel.h"

namespace headrace {

// Device memory, 64-byte aligned, zeroed, freed by its destructor.
class Buffer {
 public:
  Buffer() = default;
  Buffer(void* data, size_t bytes, std::function<void(void*)> release)
      : data_(data, std::move(release)), bytes_(bytes) {}
  void* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<void, std::function<void(void*)>> data_{nullptr, [](void*) {}};
  size_t bytes_ = 0;
};

// The layouts that a node would like, given how its inputs lie now.
struct LayoutProposal {
  std::vector<Layout>
      inputs;  // what the kernel wants; a Reorder is put where a value lies otherwise
  std::vector<Layout> outputs;  // what the kernel makes
};

// One device: it allocates, proposes layouts and prepares kernels. Made by a backend; used by one
// thread at a time.
class Device {
 public:
  virtual ~Device() = default;
  virtual const std::string& name() const = 0;  // "cpu:0"
  // Called once on the thread that will run this device's kernels.
  virtual void bind_thread() {}
  virtual Buffer allocate(size_t bytes) = 0;
  virtual LayoutProposal propose_layouts(const KernelRequest& request) = 0;
  // The first implementation of an ordered list, fastest first, that takes the request. Null only
  // when `accumulate` is asked for and no implementation can; otherwise throws Error that lists why
  // each refused.
  virtual std::unique_ptr<Kernel> prepare(const KernelRequest& request) = 0;
  // Row-major host bytes to and from a value of this layout.
  virtual void upload(const TensorType& type, const Layout& layout, const void* host,
                      void* device) = 0;
  virtual void download(const TensorType& type, const Layout& layout, const void* device,
                        void* host) = 0;
};

}  // namespace headrace
