// A client and a server that cost as little as they can, so that what is between them shows. One thread each.
#ifndef XLB_BENCH_CONNECTIONS_LOAD_H_
#define XLB_BENCH_CONNECTIONS_LOAD_H_

#include <netinet/in.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace xlb::bench {

using Time = std::chrono::steady_clock::time_point;

// HTTP/1.0: "GET /128" is answered by 128 bytes and the end of the connection, "GET /stream" by bytes without end;
// what follows "PUT /stream" is taken and thrown away. The server closes first, so that the client's port is free again
// at once: TIME-WAIT stays with the server, which takes a new SYN for it (RFC 6191). Runs until it is killed.
absl::Status Serve(uint16_t port);

struct ClientOptions {
  sockaddr_in server{};
  uint32_t parallel = 1;  // connections at any time
  uint32_t bytes = 128;   // of an answer's body
  double seconds = 1;     // that count
  double warm = 0.2;      // seconds before them
};

struct Requests {
  uint64_t answered = 0;
  uint64_t failed = 0;  // refused, reset, cut short
  double seconds = 0;
  double p50_us = 0, p99_us = 0;  // from connect() to the connection's end
};
// One new connection after the other, `parallel` of them side by side.
absl::StatusOr<Requests> Request(const ClientOptions& options);

struct Transfer {
  uint64_t bytes = 0;
  double seconds = 0;
};
// One connection, as fast as it goes: from the server, or to it.
absl::StatusOr<Transfer> Download(const ClientOptions& options);
absl::StatusOr<Transfer> Upload(const ClientOptions& options);

}  // namespace xlb::bench

#endif  // XLB_BENCH_CONNECTIONS_LOAD_H_
