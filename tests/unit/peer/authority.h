// A CA like Swarm's, made in the test, and the certificates that it gives to nodes.
#ifndef XLB_TESTS_UNIT_PEER_AUTHORITY_H_
#define XLB_TESTS_UNIT_PEER_AUTHORITY_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace xlb {

inline constexpr char kSwarm[] = "xjxcj46bxar0fn3dh0x5qtjjn";
inline constexpr char kManagerRole[] = "swarm-manager";
inline constexpr char kWorkerRole[] = "swarm-worker";

struct Subject {
  std::string node_id;
  std::string role = kWorkerRole;
  std::string swarm = kSwarm;
  long begins = -3600;  // seconds from now
  long ends = 3600;
};

// What Docker writes for a node.
struct NodeFiles {
  std::string certificate;
  std::string key;
  std::string ca;

  void WriteTo(const std::string& directory) const;  // under Docker's names; the directory is made
};

class Authority {
 public:
  Authority();

  std::string Pem() const;
  // The certificate is of this CA, and so is the CA's file.
  NodeFiles Issue(const Subject& subject) const;
  // As while `docker swarm ca --rotate` is under way: this CA's key and name, signed by `before`, and as Docker 20.10
  // makes it, without the key id of the issuer.
  std::string CrossSignedBy(const Authority& before) const;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  using Certificate = std::unique_ptr<X509, Free>;

  static Certificate NewCertificate(EVP_PKEY* key, long begins, long ends);
  static void Extend(X509* certificate, X509* issuer, int nid, const char* value);
  static std::string ToPem(X509* certificate);

  Key key_;
  Certificate certificate_;
};

}  // namespace xlb

#endif  // XLB_TESTS_UNIT_PEER_AUTHORITY_H_
