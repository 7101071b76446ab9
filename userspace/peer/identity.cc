#include "peer/identity.h"

#include <fmt/core.h>

#include <algorithm>

#include "peer/openssl.h"

namespace xlb {
namespace {

constexpr char kManager[] = "swarm-manager";
constexpr char kWorker[] = "swarm-worker";

absl::StatusOr<std::string> OnlyEntry(const X509_NAME* name, int nid) {
  const int index = X509_NAME_get_index_by_NID(name, nid, -1);
  if (index < 0 || X509_NAME_get_index_by_NID(name, nid, index) >= 0) {
    return absl::DataLossError(fmt::format("the certificate's subject has not exactly one {}", OBJ_nid2sn(nid)));
  }
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
  const OpenSsl<unsigned char> owner(text);
  if (size <= 0) return absl::DataLossError(fmt::format("the {} of the certificate is no text", OBJ_nid2sn(nid)));
  return std::string(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
}

absl::Status CheckSwarm(const PeerIdentity& own, const PeerIdentity& peer) {
  if (peer.swarm == own.swarm) return absl::OkStatus();
  return absl::PermissionDeniedError(fmt::format("it is a node of another swarm ({})", peer.swarm));
}

}  // namespace

absl::StatusOr<PeerIdentity> IdentityOf(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  PeerIdentity identity;
  XLB_ASSIGN_OR_RETURN(identity.swarm, OnlyEntry(subject, NID_organizationName));
  XLB_ASSIGN_OR_RETURN(identity.role, OnlyEntry(subject, NID_organizationalUnitName));
  XLB_ASSIGN_OR_RETURN(identity.node_id, OnlyEntry(subject, NID_commonName));
  return identity;
}

absl::StatusOr<PeerIdentity> IdentityOfPeer(const SSL* session) {
  const X509* certificate = SSL_get0_peer_certificate(session);
  if (certificate == nullptr || SSL_get_verify_result(session) != X509_V_OK) {
    return absl::PermissionDeniedError("it showed no certificate of this swarm");
  }
  return IdentityOf(certificate);
}

absl::Status CheckClient(const PeerIdentity& own, const PeerIdentity& peer) {
  XLB_RETURN_IF_ERROR(CheckSwarm(own, peer));
  if (peer.role == kManager || peer.role == kWorker) return absl::OkStatus();
  return absl::PermissionDeniedError(fmt::format("its certificate is not a node's but of \"{}\"", peer.role));
}

absl::Status CheckManager(const PeerIdentity& own, const PeerIdentity& peer,
                          const std::vector<RemoteManager>& managers) {
  XLB_RETURN_IF_ERROR(CheckSwarm(own, peer));
  if (peer.role != kManager) {
    return absl::PermissionDeniedError(fmt::format("its certificate is no manager's but of \"{}\"", peer.role));
  }
  const auto is_peer = [&peer](const RemoteManager& manager) { return manager.node_id == peer.node_id; };
  if (std::any_of(managers.begin(), managers.end(), is_peer)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      fmt::format("node {} answers, which this node's Docker does not name as a manager", peer.node_id));
}

}  // namespace xlb
