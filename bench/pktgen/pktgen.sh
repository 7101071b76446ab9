#!/usr/bin/env bash
# Sends UDP packets with the kernel's packet generator, as fast as one CPU can, and says how fast that was.
#
# usage: pktgen.sh -i DEVICE -d ADDRESS -m MAC [-p PORT] [-s SOURCE] [-f FLOWS] [-n PACKETS] [-l LENGTH]
#   -i  device to send by                       -d, -m  where to: the node's address, and its MAC address (or the router's)
#   -p  port, default 53                        -s  first source address, default 198.18.0.1 (RFC 2544's range)
#   -f  source addresses, taken in turn: as many flows; default 1
#   -n  packets, default 1000000                -l  bytes of a frame without its CRC, default 60
# bench/pktgen/README.md says how to read what comes out. As root; anything that generates on this machine is stopped.
set -euo pipefail

device='' address='' mac='' port=53 source=198.18.0.1 flows=1 packets=1000000 length=60
usage() { sed -n 's/^# \{0,1\}//; 2,9p' "$0" >&2; exit 2; }
while getopts i:d:m:p:s:f:n:l: option; do
  case $option in
    i) device=$OPTARG ;; d) address=$OPTARG ;; m) mac=$OPTARG ;; p) port=$OPTARG ;; s) source=$OPTARG ;;
    f) flows=$OPTARG ;; n) packets=$OPTARG ;; l) length=$OPTARG ;; *) usage ;;
  esac
done
[ -n "$device" ] && [ -n "$address" ] && [ -n "$mac" ] || usage
[ -d /proc/net/pktgen ] || modprobe pktgen || { echo "pktgen.sh: this kernel has no pktgen" >&2; exit 1; }

# The address that is $2 further on than $1.
address_after() {
  local IFS=. a b c d n
  read -r a b c d <<<"$1"
  n=$(((a << 24) + (b << 16) + (c << 8) + d + $2))
  echo "$((n >> 24 & 255)).$((n >> 16 & 255)).$((n >> 8 & 255)).$((n & 255))"
}

control=/proc/net/pktgen
say() { # FILE WORDS…: one command; pktgen answers in the same file
  local file=$control/$1
  shift
  echo "$*" >"$file"
  if grep -q '^Result: \(error\|No such\)' "$file" 2>/dev/null; then
    echo "pktgen.sh: $*: $(grep '^Result' "$file")" >&2
    exit 1
  fi
}

for thread in $control/kpktgend_*; do say "${thread##*/}" rem_device_all; done
say kpktgend_0 add_device "$device"
say "$device" count "$packets"
say "$device" clone_skb 0
say "$device" pkt_size "$length"
say "$device" delay 0
say "$device" dst "$address"
say "$device" dst_mac "$mac"
say "$device" src_min "$source"
say "$device" src_max "$(address_after "$source" $((flows - 1)))"
say "$device" udp_dst_min "$port"
say "$device" udp_dst_max "$port"
say "$device" udp_src_min 4000
say "$device" udp_src_max 4000
echo start >$control/pgctrl # ends when all is sent

# "Result: OK: 325364(c325364+d0) usec, 20000 (60byte,0frags)" and, on the next line, "  61469pps 29Mb/sec (...) errors: 0"
sed -n '/^Result/,$ { s/.*OK: \([0-9]*\)(.*usec, \([0-9]*\) .*/\1 \2/p; s/.*errors: \([0-9]*\).*/\1/p }' "$control/$device" | tr '\n' ' ' |
  awk -v flows="$flows" '
    $1 > 0 { printf "sent %d packets of %d flows in %d us: %.0f packets/s, %.0f ns each, %d errors\n", $2, flows, $1, $2 / $1 * 1e6, $1 / $2 * 1e3, $3 }
    END { if ($1 + 0 == 0) { print "pktgen.sh: nothing was sent" > "/dev/stderr"; exit 1 } }'
say kpktgend_0 rem_device_all
