// Random frames, mostly plausible: of clients, of backends that answer, and all of them broken in some way.
#ifndef XLB_TESTS_PACKET_PACKET_GENERATOR_H_
#define XLB_TESTS_PACKET_PACKET_GENERATOR_H_

#include <cstdint>
#include <deque>
#include <random>
#include <string>

#include "packet/loaded_programs.h"
#include "packet/packet_builder.h"

namespace xlb::test {

class PacketGenerator {
 public:
  explicit PacketGenerator(uint64_t seed) : random_(seed) {}

  struct Input {
    Program program = Program::kXdp;
    Bytes frame;
    bool marked = false;  // TC only: as the second part of one that was cut
  };
  Input Next();

  // Tells what became of a frame, so that answers to it can be made up.
  void Learn(const Bytes& sent);

  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

 private:
  Packet ClientPacket();
  Packet FromNode(Program& program);  // of a process or another container on the node
  Packet FromPeer();                  // a client's packet in xlb's own VNI, or what has that VNI and is none
  Packet Answer(Program& program);
  Packet Error(Program& program);  // ICMP, about what went to a backend or to a client
  Packet Oddity();
  void Cut(Input& input);  // to one of its fragments; the others come later
  void Decorate(Packet& packet);
  void Mutate(Bytes& frame);

  // The five-tuple of a packet that went to a backend, turned round.
  struct Peer {
    uint8_t protocol = 0;
    bool tunnelled = false;
    bool by_xlb = false;  // in xlb's own VNI
    bool local = false;
    std::string source, destination;
  };
  std::mt19937_64 random_;
  std::deque<Peer> peers_;
  std::deque<Input> fragments_;
};

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_PACKET_GENERATOR_H_
