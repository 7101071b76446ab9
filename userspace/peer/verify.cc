#include "peer/verify.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "peer/openssl.h"

namespace xlb {
namespace {

constexpr int kMaxIntermediates = 8;

bool IsValidNow(const X509* certificate) {
  return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
         X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

bool IsSignedBy(X509* certificate, X509* ca) {
  return X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(ca)) == 0 &&
         X509_verify(certificate, X509_get0_pubkey(ca)) == 1;
}

// While `docker swarm ca --rotate` is under way, some nodes have certificates of the new CA already and others do not
// know it yet. The former show the new CA's certificate as signed by the old one, too. Both CAs are called "swarm-ca",
// and the cross-signed certificate has no key id of its issuer, by which OpenSSL takes it for self-signed and ends the
// chain with it. So CAs that a trusted one has signed are trusted for this one verification: OpenSSL's partial chains
// do the rest.
int VerifyChain(X509_STORE_CTX* verification, void* /*unused*/) {
  const OpenSsl<STACK_OF(X509)> trusted(sk_X509_new_null());
  if (trusted == nullptr) return 0;
  STACK_OF(X509_OBJECT)* objects = X509_STORE_get0_objects(X509_STORE_CTX_get0_store(verification));
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
    if (X509* ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i))) sk_X509_push(trusted.get(), ca);
  }
  const int roots = sk_X509_num(trusted.get());
  STACK_OF(X509)* shown = X509_STORE_CTX_get0_untrusted(verification);
  for (int i = 0; i < sk_X509_num(shown) && i < kMaxIntermediates; ++i) {
    X509* certificate = sk_X509_value(shown, i);
    if (X509_check_ca(certificate) == 0) continue;
    for (int root = 0; root < roots; ++root) {
      X509* ca = sk_X509_value(trusted.get(), root);
      if (!IsValidNow(ca) || !IsSignedBy(certificate, ca)) continue;
      sk_X509_push(trusted.get(), certificate);
      break;
    }
  }
  X509_STORE_CTX_set0_trusted_stack(verification, trusted.get());
  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(verification), X509_V_FLAG_PARTIAL_CHAIN);
  return X509_verify_cert(verification);
}

}  // namespace

void VerifyAsSwarmDoes(SSL_CTX* context) { SSL_CTX_set_cert_verify_callback(context, VerifyChain, nullptr); }

}  // namespace xlb
