// OpenSSL's objects, freed by themselves. For the files of this folder.
#ifndef XLB_PEER_OPENSSL_H_
#define XLB_PEER_OPENSSL_H_

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

namespace xlb {

struct OpenSslFree {
  void operator()(BIO* object) const { BIO_free(object); }
  void operator()(EVP_PKEY* object) const { EVP_PKEY_free(object); }
  void operator()(SSL_CTX* object) const { SSL_CTX_free(object); }
  void operator()(X509* object) const { X509_free(object); }
  void operator()(unsigned char* object) const { OPENSSL_free(object); }
  void operator()(STACK_OF(X509) * object) const { sk_X509_free(object); }  // the stack, not what is on it
};
template <typename Object>
using OpenSsl = std::unique_ptr<Object, OpenSslFree>;

}  // namespace xlb

#endif  // XLB_PEER_OPENSSL_H_
