// The application of the tests: says who answered and whom it saw, moves checkable bytes, echoes lines and datagrams.
//
//   server [HTTP_PORT [ECHO_PORT [UDP_PORT]]]        default: 80 7000 5353
//
// HTTP/1.1, one request for each connection:
//   GET /               "task=<host name>\nserver=<its address>:<port>\nclient=<address>:<port>\ninstance=<id of this
//   process>\n" GET /blob?bytes=N   N bytes of the stream described at fill_block() POST /sink          counts the
//   body: "length=<bytes>\ncrc32=<hex>\n"
// TCP echo: every line comes back as "<host name> <line>".
// UDP echo: every datagram comes back as "<host name> <client address>:<port> <payload>".
//
// <host name> is TASK_NAME from the environment where that is set: hosts that are only a network namespace all have the
// same name. SIGTERM ends it at once; with DRAIN=<seconds> in the environment it goes on serving for that long first.
// Build: gcc -static -O2 -pthread server.c

#define _GNU_SOURCE  // accept4

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kBlock = 65536, kHeadMax = 8192, kEndpointText = INET_ADDRSTRLEN + 6 };

static char host_name[65];
static unsigned long long instance;
static unsigned char block[kBlock];
static uint32_t crc_table[256];

static void die(const char* what) {
  perror(what);
  exit(1);
}

// The stream is made of 64 KiB blocks, all alike but for the first eight bytes: the block's number, big-endian.
static void fill_block(void) {
  uint32_t state = 12345;
  for (int i = 0; i < kBlock; i++) {
    state = state * 1103515245u + 12345u;
    block[i] = (unsigned char)(state >> 16);
  }
}

static void number_block(unsigned char* bytes, uint64_t number) {
  for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(number >> (56 - 8 * i));
}

static void fill_crc_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ (value & 1 ? 0xEDB88320u : 0);
    crc_table[i] = value;
  }
}

static uint32_t crc32_add(uint32_t crc, const unsigned char* bytes, size_t length) {
  crc = ~crc;
  for (size_t i = 0; i < length; i++) crc = crc_table[(crc ^ bytes[i]) & 0xff] ^ (crc >> 8);
  return ~crc;
}

static void endpoint_text(const struct sockaddr_in* address, char* text) {
  char host[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
  snprintf(text, kEndpointText, "%s:%u", host, ntohs(address->sin_port));
}

static int send_all(int fd, const void* data, size_t length) {
  const char* next = data;
  while (length > 0) {
    ssize_t sent = send(fd, next, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return -1;
    next += sent;
    length -= (size_t)sent;
  }
  return 0;
}

// Waits for the client's end of the connection, so that closing never cuts off what is still on its way.
static void close_gently(int fd) {
  char scratch[4096];
  struct timeval limit = {.tv_sec = 10};
  shutdown(fd, SHUT_WR);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  while (recv(fd, scratch, sizeof scratch, 0) > 0) {
  }
  close(fd);
}

static int send_head(int fd, const char* status, unsigned long long length) {
  char head[256];
  int size = snprintf(head, sizeof head,
                      "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %llu\r\nConnection: close\r\n\r\n",
                      status, length);
  return send_all(fd, head, (size_t)size);
}

static void send_text(int fd, const char* status, const char* text) {
  if (send_head(fd, status, strlen(text)) == 0) send_all(fd, text, strlen(text));
}

static void answer_identity(int fd) {
  struct sockaddr_in peer, own;
  socklen_t size = sizeof peer;
  char peer_text[kEndpointText], own_text[kEndpointText], text[512];
  getpeername(fd, (struct sockaddr*)&peer, &size);
  size = sizeof own;
  getsockname(fd, (struct sockaddr*)&own, &size);
  endpoint_text(&peer, peer_text);
  endpoint_text(&own, own_text);
  snprintf(text, sizeof text, "task=%s\nserver=%s\nclient=%s\ninstance=%llx\n", host_name, own_text, peer_text,
           instance);
  send_text(fd, "200 OK", text);
}

static void answer_blob(int fd, unsigned long long bytes) {
  unsigned char* out = malloc(kBlock);
  if (out == NULL) return;
  memcpy(out, block, kBlock);
  int failed = send_head(fd, "200 OK", bytes);
  for (uint64_t number = 0; !failed && bytes > 0; number++) {
    size_t size = bytes < kBlock ? (size_t)bytes : kBlock;
    number_block(out, number);
    failed = send_all(fd, out, size);
    bytes -= size;
  }
  free(out);
}

// `body` holds the part of the body that came with the head.
static void answer_sink(int fd, unsigned long long length, const char* body, size_t have) {
  unsigned char* in = malloc(kBlock);
  if (in == NULL) return;
  uint32_t crc = crc32_add(0, (const unsigned char*)body, have);
  unsigned long long received = have;
  while (received < length) {
    ssize_t got = recv(fd, in, kBlock, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    crc = crc32_add(crc, in, (size_t)got);
    received += (unsigned long long)got;
  }
  free(in);
  char text[128];
  snprintf(text, sizeof text, "length=%llu\ncrc32=%08x\ntask=%s\n", received, crc, host_name);
  send_text(fd, "200 OK", text);
}

static unsigned long long content_length(const char* head) {
  for (const char* line = head; (line = strstr(line, "\r\n")) != NULL;) {
    line += 2;
    if (strncasecmp(line, "Content-Length:", 15) == 0) return strtoull(line + 15, NULL, 10);
  }
  return 0;
}

static void* serve_http(void* argument) {
  int fd = (int)(intptr_t)argument;
  char head[kHeadMax + 1];
  size_t have = 0;
  char* end = NULL;
  while (end == NULL && have < kHeadMax) {
    ssize_t got = recv(fd, head + have, kHeadMax - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      close(fd);
      return NULL;
    }
    have += (size_t)got;
    head[have] = '\0';
    end = strstr(head, "\r\n\r\n");
  }
  if (end == NULL) {
    send_text(fd, "431 Request Header Fields Too Large", "");
  } else if (strncmp(head, "GET / ", 6) == 0) {
    answer_identity(fd);
  } else if (strncmp(head, "GET /blob?bytes=", 16) == 0) {
    answer_blob(fd, strtoull(head + 16, NULL, 10));
  } else if (strncmp(head, "POST /sink ", 11) == 0) {
    answer_sink(fd, content_length(head), end + 4, have - (size_t)(end + 4 - head));
  } else {
    send_text(fd, "404 Not Found", "not found\n");
  }
  close_gently(fd);
  return NULL;
}

static void* serve_echo(void* argument) {
  int fd = (int)(intptr_t)argument;
  char line[4096], reply[sizeof line + sizeof host_name + 1];
  size_t have = 0;
  for (;;) {
    ssize_t got = recv(fd, line + have, sizeof line - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += (size_t)got;
    for (char* end; (end = memchr(line, '\n', have)) != NULL;) {
      size_t size = (size_t)(end - line) + 1;
      int prefix = snprintf(reply, sizeof reply, "%s ", host_name);
      memcpy(reply + prefix, line, size);
      if (send_all(fd, reply, (size_t)prefix + size) != 0) goto out;
      have -= size;
      memmove(line, end + 1, have);
    }
    if (have == sizeof line) break;  // no line is this long
  }
out:
  close(fd);
  return NULL;
}

static void* serve_udp(void* argument) {
  int fd = (int)(intptr_t)argument;
  static char payload[65536], reply[65536 + 128];
  for (;;) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    ssize_t got = recvfrom(fd, payload, sizeof payload, 0, (struct sockaddr*)&peer, &size);
    if (got < 0) continue;
    char peer_text[kEndpointText];
    endpoint_text(&peer, peer_text);
    int prefix = snprintf(reply, sizeof reply, "%s %s ", host_name, peer_text);
    memcpy(reply + prefix, payload, (size_t)got);
    sendto(fd, reply, (size_t)prefix + (size_t)got, 0, (struct sockaddr*)&peer, size);
  }
  return NULL;
}

static int bound_socket(int type, int port) {
  int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), yes = 1;
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (fd < 0) die("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr*)&any, sizeof any) != 0) die("bind");
  if (type == SOCK_STREAM && listen(fd, 4096) != 0) die("listen");
  return fd;
}

static int start_thread(void* (*body)(void*), void* argument) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 128 * 1024);
  int error = pthread_create(&thread, &attributes, body, argument);
  pthread_attr_destroy(&attributes);
  return error;
}

struct listener {
  int fd;
  void* (*serve)(void*);
};

static void* accept_forever(void* argument) {
  const struct listener* listener = argument;
  for (;;) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    // Out of threads: the connection is lost, which the test will see.
    if (fd >= 0 && start_thread(listener->serve, (void*)(intptr_t)fd) != 0) close(fd);
  }
  return NULL;
}

int main(int argc, char** argv) {
  int ports[3] = {80, 7000, 5353};
  for (int i = 1; i < argc && i <= 3; i++) ports[i - 1] = atoi(argv[i]);
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  instance = (unsigned long long)now.tv_sec * 1000000000ull + (unsigned long long)now.tv_nsec;
  const char* name = getenv("TASK_NAME");
  if (name != NULL) {
    snprintf(host_name, sizeof host_name, "%s", name);
  } else {
    gethostname(host_name, sizeof host_name - 1);
  }
  fill_block();
  fill_crc_table();

  // Blocked in every thread: the main thread alone waits for the end.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);

  struct listener http = {bound_socket(SOCK_STREAM, ports[0]), serve_http};
  struct listener echo = {bound_socket(SOCK_STREAM, ports[1]), serve_echo};
  int udp = bound_socket(SOCK_DGRAM, ports[2]);
  if (start_thread(accept_forever, &http) != 0 || start_thread(accept_forever, &echo) != 0 ||
      start_thread(serve_udp, (void*)(intptr_t)udp) != 0) {
    die("pthread_create");
  }

  int number;
  sigwait(&ends, &number);
  const char* drain = getenv("DRAIN");
  if (drain != NULL) sleep((unsigned)atoi(drain));
  return 0;
}
