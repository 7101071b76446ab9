/* libFuzzer's target: every parser of bytes that come from the wire, on frames in memory of just their size, so that a
 * byte read beyond the end is found. What the parsers say must be true of the frame. The last byte of the input says
 * which checksums are made right first; without that, hardly any frame gets past the IP header. */
#include <stdlib.h>
#include <string.h>

#include "ctx_host.h"
/* The map definitions want it. */
#include "maps.h"

#include "lib/balance.h"

#define VNI bpf_htonl(4097u << 8)

static void must(int holds) {
  if (!holds) abort();
}

static void fix_ip_checksum(__u8* frame, size_t length, size_t at) {
  struct iphdr ip;
  if (length < at + sizeof(ip)) return;
  memcpy(&ip, frame + at, sizeof(ip));
  ip.check = 0;
  ip.check = (__sum16)~ip_header_sum(&ip);
  memcpy(frame + at, &ip, sizeof(ip));
}

/* What holds of every packet that is not passed up at once; `room`: bytes of the frame from its IP header on. */
static void check_packet(const struct packet* packet, int result, size_t room) {
  must(packet->ip_length >= sizeof(struct iphdr) && packet->ip_length <= room);
  size_t payload = packet->ip_length - sizeof(struct iphdr);
  if (result == PARSED_ICMP) must(packet->key.proto == IPPROTO_ICMP && !is_fragment(packet));
  if (result == PARSED_LATER) must(is_later(packet) && payload > 0);
  if (result == PARSED) must(!is_later(packet) && packet->l4_header_length <= payload);
  if (result == PARSED || result == PARSED_LATER) {
    must(packet->key.proto == IPPROTO_TCP || packet->key.proto == IPPROTO_UDP);
  }
  must(packet->key.pad == 0);
}

static void look_deeper(ctx_t* ctx, const struct packet* packet, int result) {
  struct xlb_flow_key key;
  if (result == PARSED_ICMP && icmp_quoted_key(ctx, packet, &key)) {
    must(key.daddr == packet->key.daddr && (key.proto == IPPROTO_TCP || key.proto == IPPROTO_UDP));
  }
  if (result == PARSED && packet->key.proto == IPPROTO_TCP && packet->key.zone != XLB_ZONE_TUNNEL) {
    int at = mss_find(ctx, packet->l4_header_length - (__u32)sizeof(struct tcphdr));
    must(at < 0 || (size_t)at + TCP_OPTION_MSS_LENGTH + sizeof(struct tcphdr) <= packet->l4_header_length);
  }
}

int LLVMFuzzerTestOneInput(const __u8* input, size_t size) {
  if (size == 0 || size > 4096) return 0;
  __u8 fix = input[--size];
  __u8* frame = malloc(size);
  if (size > 0) memcpy(frame, input, size);
  if (fix & 1) fix_ip_checksum(frame, size, ETH_HLEN);
  if (fix & 2) fix_ip_checksum(frame, size, TUNNEL_LENGTH);
  ctx_t ctx = {.data = frame, .end = frame + size};
  struct packet packet = {0};
  int result = parse_frame(ctx.data, ctx.end, (__u32)size, &packet);
  must(result < (int)XLB_COUNTERS);
  if (result < 0) check_packet(&packet, result, size - ETH_HLEN);
  if (result < 0) look_deeper(&ctx, &packet, result);
  if (result == PARSED && packet.udp_destination == bpf_htons(4789) && !is_fragment(&packet)) {
    result = parse_tunnel(ctx.data, ctx.end, packet.frame_length, VNI, &packet);
    packet.key.zone = XLB_ZONE_TUNNEL;
    must(result < 0 || result == XLB_COUNT_PASS_TUNNEL);
    if (result < 0) check_packet(&packet, result, size - TUNNEL_LENGTH);
    if (result < 0) look_deeper(&ctx, &packet, result);
  }
  free(frame);
  return 0;
}
