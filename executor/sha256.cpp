#include "executor/sha256.h"

#include <openssl/evp.h>

#include <array>

#include "graph/error.h"

namespace headrace {

TensorDigest::TensorDigest() : context_(EVP_MD_CTX_new()) {
  HEADRACE_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) == 1);
}

TensorDigest::~TensorDigest() { EVP_MD_CTX_free(context_); }

void TensorDigest::add(std::string_view name, std::span<const std::byte> data) {
  HEADRACE_CHECK(empty_ || last_name_ < name, "'{}' after '{}'", name, last_name_);
  empty_ = false;
  last_name_ = name;
  HEADRACE_CHECK(EVP_DigestUpdate(context_, name.data(), name.size()) == 1 &&
                 EVP_DigestUpdate(context_, data.data(), data.size()) == 1);
}

std::string TensorDigest::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned bytes = 0;
  HEADRACE_CHECK(EVP_DigestFinal_ex(context_, digest.data(), &bytes) == 1);
  std::string text;
  for (unsigned i = 0; i < bytes; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256(const std::map<std::string, HostTensor>& tensors) {
  TensorDigest digest;
  for (const auto& [name, tensor] : tensors)
    digest.add(name, {tensor.data.get(), static_cast<size_t>(tensor.type.bytes())});
  return digest.hex();
}

}  // namespace headrace
