#include "unit/peer/authority.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>

namespace xlb {
namespace {

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

void AddName(X509_NAME* name, const char* field, const std::string& value) {
  X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1,
                             0);
}

void Write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::trunc) << text; }

}  // namespace

void NodeFiles::WriteTo(const std::string& directory) const {
  std::filesystem::create_directories(directory);
  Write(directory + "/swarm-node.crt", certificate);
  Write(directory + "/swarm-node.key", key);
  Write(directory + "/swarm-root-ca.crt", ca);
}

Authority::Certificate Authority::NewCertificate(EVP_PKEY* key, long begins, long ends) {
  static long serial = 1;
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), begins);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), ends);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

void Authority::Extend(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

std::string Authority::ToPem(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  return Text(bio);
}

Authority::Authority() : key_(EVP_EC_gen("P-256")), certificate_(NewCertificate(key_.get(), -7200, 7200)) {
  X509_NAME* name = X509_get_subject_name(certificate_.get());
  AddName(name, "CN", "swarm-ca");
  X509_set_issuer_name(certificate_.get(), name);
  Extend(certificate_.get(), certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  Extend(certificate_.get(), certificate_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  Extend(certificate_.get(), certificate_.get(), NID_subject_key_identifier, "hash");
  X509_sign(certificate_.get(), key_.get(), EVP_sha256());
}

std::string Authority::Pem() const { return ToPem(certificate_.get()); }

std::string Authority::CrossSignedBy(const Authority& before) const {
  const Certificate crossed(X509_dup(certificate_.get()));
  X509_set_issuer_name(crossed.get(), X509_get_subject_name(before.certificate_.get()));
  X509_sign(crossed.get(), before.key_.get(), EVP_sha256());
  return ToPem(crossed.get());
}

NodeFiles Authority::Issue(const Subject& subject) const {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate = NewCertificate(key.get(), subject.begins, subject.ends);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  AddName(name, "O", subject.swarm);
  AddName(name, "OU", subject.role);
  AddName(name, "CN", subject.node_id);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
  Extend(certificate.get(), certificate_.get(), NID_basic_constraints, "critical,CA:FALSE");
  Extend(certificate.get(), certificate_.get(), NID_key_usage, "critical,digitalSignature,keyEncipherment");
  Extend(certificate.get(), certificate_.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  Extend(certificate.get(), certificate_.get(), NID_authority_key_identifier, "keyid:always");
  X509_sign(certificate.get(), key_.get(), EVP_sha256());

  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  std::string key_pem = Text(bio);
  key_pem.insert(key_pem.find('\n') + 1, "kek-version: 0\nraft-dek: EiCj6SGztAbAGk8S3Cdoo/TkM348b7nKOW4x6ZFs\n\n");
  return {ToPem(certificate.get()), key_pem, Pem()};
}

}  // namespace xlb
