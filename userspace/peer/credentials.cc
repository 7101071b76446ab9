#include "peer/credentials.h"

#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <boost/asio/ssl/context.hpp>
#include <utility>
#include <vector>

#include "base/file.h"
#include "peer/openssl.h"
#include "peer/pem.h"
#include "peer/verify.h"

namespace xlb {
namespace {

constexpr const char* kCertificateFile = "swarm-node.crt";
constexpr const char* kKeyFile = "swarm-node.key";
constexpr const char* kCaFile = "swarm-root-ca.crt";
constexpr std::array kFiles = {kCertificateFile, kKeyFile, kCaFile};

// OpenSSL's newest complaint, with its queue emptied: what is left in it would come up in another connection's errors.
std::string Complaint() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string text = reason == nullptr ? "not understood" : reason;
  ERR_clear_error();
  return text;
}

absl::Status FileError(const std::string& path, const absl::Status& why) {
  const std::string reason(why.message());
  return absl::Status(why.code(), fmt::format("{}: {}", path, reason));
}

absl::StatusOr<std::string> ReadPart(const std::string& directory, const char* name) {
  auto text = ReadFile(fmt::format("{}/{}", directory, name));
  if (!absl::IsNotFound(text.status())) return text;
  return absl::NotFoundError(fmt::format(
      "there is no {}/{}: name the directory of this node's swarm certificates with --swarm-certs", directory, name));
}

OpenSsl<BIO> Open(const std::string& text) {
  return OpenSsl<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

absl::StatusOr<std::vector<OpenSsl<X509>>> ParseCertificates(const std::string& text) {
  std::vector<OpenSsl<X509>> certificates;
  const OpenSsl<BIO> bio = Open(text);
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate);
  }
  const unsigned long error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  const std::string complaint = Complaint();
  if (certificates.empty() || !at_end) return absl::DataLossError(fmt::format("not a certificate: {}", complaint));
  return certificates;
}

absl::StatusOr<OpenSsl<EVP_PKEY>> ParseKey(const std::string& text) {
  XLB_ASSIGN_OR_RETURN(const std::string pem, PlainKeyPem(text));
  // OpenSSL would ask the terminal for a password that it thinks it needs.
  const auto no_password = [](char*, int, int, void*) { return 0; };
  OpenSsl<EVP_PKEY> key(PEM_read_bio_PrivateKey(Open(pem).get(), nullptr, no_password, nullptr));
  if (key == nullptr) return absl::DataLossError(fmt::format("not a private key: {}", Complaint()));
  return key;
}

absl::StatusOr<OpenSsl<SSL_CTX>> NewContext() {
  OpenSsl<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  if (context == nullptr) return absl::InternalError(fmt::format("OpenSSL makes no TLS context: {}", Complaint()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // Every connection shows its certificate: none goes on where one of another day ended.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  VerifyAsSwarmDoes(context.get());
  return context;
}

absl::Status UseCertificate(SSL_CTX* context, const std::vector<OpenSsl<X509>>& chain, EVP_PKEY* key) {
  bool used = SSL_CTX_use_certificate(context, chain.front().get()) == 1;
  for (size_t i = 1; used && i < chain.size(); ++i) used = SSL_CTX_add1_chain_cert(context, chain[i].get()) == 1;
  if (!used) return absl::DataLossError(fmt::format("OpenSSL refuses it: {}", Complaint()));
  if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return absl::DataLossError(fmt::format("it does not belong to the key in {}: {}", kKeyFile, Complaint()));
  }
  return absl::OkStatus();
}

}  // namespace

Credentials::Credentials() = default;
Credentials::~Credentials() = default;

absl::StatusOr<std::shared_ptr<const Credentials>> Credentials::Read(const std::string& directory) {
  const auto path = [&directory](const char* name) { return fmt::format("{}/{}", directory, name); };
  XLB_ASSIGN_OR_RETURN(const std::string certificate_text, ReadPart(directory, kCertificateFile));
  XLB_ASSIGN_OR_RETURN(const std::string key_text, ReadPart(directory, kKeyFile));
  XLB_ASSIGN_OR_RETURN(const std::string ca_text, ReadPart(directory, kCaFile));
  ERR_clear_error();
  const auto chain = ParseCertificates(certificate_text);
  if (!chain.ok()) return FileError(path(kCertificateFile), chain.status());
  const auto key = ParseKey(key_text);
  if (!key.ok()) return FileError(path(kKeyFile), key.status());
  const auto cas = ParseCertificates(ca_text);
  if (!cas.ok()) return FileError(path(kCaFile), cas.status());
  auto own = IdentityOf(chain->front().get());
  if (!own.ok()) return FileError(path(kCertificateFile), own.status());

  XLB_ASSIGN_OR_RETURN(OpenSsl<SSL_CTX> context, NewContext());
  X509_STORE* store = SSL_CTX_get_cert_store(context.get());
  for (const OpenSsl<X509>& ca : *cas) X509_STORE_add_cert(store, ca.get());
  const absl::Status used = UseCertificate(context.get(), *chain, key->get());
  if (!used.ok()) return FileError(path(kCertificateFile), used);

  std::shared_ptr<Credentials> credentials(new Credentials());
  credentials->own_ = *std::move(own);
  credentials->context_ = std::make_unique<boost::asio::ssl::context>(context.release());
  return std::shared_ptr<const Credentials>(std::move(credentials));
}

std::array<CredentialFiles::Stamp, 3> CredentialFiles::Stamps() const {
  std::array<Stamp, 3> stamps;
  for (size_t i = 0; i < kFiles.size(); ++i) {
    struct stat found;
    if (stat(fmt::format("{}/{}", directory_, kFiles[i]).c_str(), &found) != 0) continue;
    stamps[i] = {found.st_dev, found.st_ino, static_cast<uint64_t>(found.st_size),
                 found.st_mtim.tv_sec * int64_t{1'000'000'000} + found.st_mtim.tv_nsec};
  }
  return stamps;
}

absl::StatusOr<std::shared_ptr<const Credentials>> CredentialFiles::Get() {
  const std::array<Stamp, 3> now = Stamps();
  if (last_.ok() && now == stamps_) return last_;
  auto read = Credentials::Read(directory_);
  // An encrypted key is meant to be so. Anything else may be a moment between two of Docker's writes: the stamps stay
  // as they are, and the next call looks again.
  if (!read.ok() && last_.ok() && !absl::IsFailedPrecondition(read.status())) return last_;
  stamps_ = now;
  last_ = std::move(read);
  return last_;
}

}  // namespace xlb
