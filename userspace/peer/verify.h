// Verifies the chain that the other side of a TLS connection shows.
#ifndef XLB_PEER_VERIFY_H_
#define XLB_PEER_VERIFY_H_

struct ssl_ctx_st;

namespace xlb {

// From now on chains are verified against the CAs in the context's store, and against CAs that one of these has signed.
void VerifyAsSwarmDoes(ssl_ctx_st* context);

}  // namespace xlb

#endif  // XLB_PEER_VERIFY_H_
