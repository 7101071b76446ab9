// Writes the fuzzer's first inputs into a folder: frames of each sort, made by the packet builder.
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "packet/packet_builder.h"

namespace xlb::test {
namespace {

Packet Tunnel(const Packet& inner) {
  return Packet::Udp("192.0.2.20:51000", "192.0.2.1:4789").Vxlan(4097, inner.Build());
}

std::vector<Packet> Seeds() {
  const Packet syn =
      Packet::Tcp("203.0.113.7:40000", "192.0.2.1:80").Flags("S").TcpOptions({1, 2, 4, 5, 0xb4, 4, 2, 0});
  const Packet question = Packet::Udp("203.0.113.7:40000", "192.0.2.1:53").Payload("question");
  const Packet answer = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Flags("SA").TcpOptions({2, 4, 5, 0xb4});
  Bytes quoted = Packet::Udp("192.0.2.1:53", "203.0.113.7:40000").Payload("answer").Build();
  quoted.erase(quoted.begin(), quoted.begin() + kEthernetLength);
  const Packet error = Packet::Icmp("203.0.113.99", "192.0.2.1").IcmpType(3, 4, 1400).Payload(quoted);
  return {syn,
          question,
          error,
          Packet(question).Fragment(0, true),
          Packet(question).Fragment(1480, false),
          Packet(syn).Vlan(5),
          Packet(syn).IpOptions({1, 1, 1, 0}),
          Packet::ArpRequest("192.0.2.10", "192.0.2.1"),
          Tunnel(answer),
          Tunnel(question),
          Tunnel(error),
          Tunnel(Packet(question).Fragment(0, true))};
}

}  // namespace
}  // namespace xlb::test

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
    return 2;
  }
  int number = 0;
  for (const xlb::test::Packet& seed : xlb::test::Seeds()) {
    xlb::test::Bytes bytes = seed.Build();
    bytes.push_back(3);  // both IP checksums are made right, see parse_fuzz.c
    std::ofstream file(std::string(argv[1]) + "/seed" + std::to_string(number++), std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!file) return 1;
  }
  return 0;
}
