#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "graph/host_tensor.h"

struct evp_md_ctx_st;  // of OpenSSL

namespace headrace {

// SHA-256 (FIPS 180-4) over named tensors: of each the bytes of its name, then its data, the names
// in ascending order. Two runs with equal digests hold the same bits.
class TensorDigest {
 public:
  TensorDigest();
  ~TensorDigest();
  TensorDigest(const TensorDigest&) = delete;
  TensorDigest& operator=(const TensorDigest&) = delete;

  // Names must ascend from call to call.
  void add(std::string_view name, std::span<const std::byte> data);

  // 64 lower-case hexadecimal digits. Ends the digest.
  std::string hex();

 private:
  evp_md_ctx_st* context_;
  std::string last_name_;
  bool empty_ = true;
};

std::string sha256(const std::map<std::string, HostTensor>& tensors);

}  // namespace headrace
