// The record that spares packets look-ups: at no moment may it deny what the maps hold.
#include "dataplane/shortcuts.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <memory>
#include <random>

namespace xlb {
namespace {

xlb_service_key Key(uint8_t proto, uint32_t address, uint16_t port) {
  xlb_service_key key{};
  key.addr = htonl(address);
  key.port = htons(port);
  key.proto = proto;
  return key;
}

class ShortcutsTest : public testing::Test {
 protected:
  bool SaysNone(const xlb_service_key& key) const {
    const xlb_ports_without& without = record_->without[key.proto == IPPROTO_UDP][ntohs(key.port) / 64];
    return ((key.addr == 0 ? without.any : without.bound) >> (ntohs(key.port) % 64) & 1) != 0;
  }
  bool KnowsAddress(uint32_t address_be) const { return record_->own[XLB_OWN_ADDRESS_SLOT(address_be)] == address_be; }

  std::unique_ptr<xlb_shortcuts> record_ = std::make_unique<xlb_shortcuts>();
  Shortcuts shortcuts_{record_.get()};
};

TEST_F(ShortcutsTest, WithoutServicesAllPortsAreWithout) {
  EXPECT_FALSE(SaysNone(Key(IPPROTO_TCP, 0, 80))) << "nothing is known of maps that nobody has read";
  shortcuts_.Reset({});
  for (const uint8_t proto : {IPPROTO_TCP, IPPROTO_UDP}) {
    for (const uint16_t port : {1, 63, 64, 80, 0xffff}) {
      EXPECT_TRUE(SaysNone(Key(proto, 0, port)));
      EXPECT_TRUE(SaysNone(Key(proto, 0x0a000001, port)));
    }
  }
}

TEST_F(ShortcutsTest, BeforeTheMapsAreReadNothingIsSaidOfWhatGoes) {
  shortcuts_.BeforeServiceIsAdded(Key(IPPROTO_TCP, 0x0a000001, 80));
  shortcuts_.AfterServiceIsRemoved(Key(IPPROTO_TCP, 0x0a000001, 80));
  EXPECT_FALSE(SaysNone(Key(IPPROTO_TCP, 0x0a000002, 80)));
}

TEST_F(ShortcutsTest, AServiceTakesItsOwnPortOut) {
  shortcuts_.Reset({});
  shortcuts_.BeforeServiceIsAdded(Key(IPPROTO_TCP, 0, 64));
  EXPECT_FALSE(SaysNone(Key(IPPROTO_TCP, 0, 64)));
  EXPECT_TRUE(SaysNone(Key(IPPROTO_TCP, 0, 63)));
  EXPECT_TRUE(SaysNone(Key(IPPROTO_TCP, 0, 65)));
  EXPECT_TRUE(SaysNone(Key(IPPROTO_UDP, 0, 64)));
  EXPECT_TRUE(SaysNone(Key(IPPROTO_TCP, 0x0a000001, 64)));
  shortcuts_.AfterServiceIsRemoved(Key(IPPROTO_TCP, 0, 64));
  EXPECT_TRUE(SaysNone(Key(IPPROTO_TCP, 0, 64)));
}

TEST_F(ShortcutsTest, APortIsTakenUntilItsLastAddressIsGone) {
  shortcuts_.Reset({});
  shortcuts_.BeforeServiceIsAdded(Key(IPPROTO_UDP, 0x0a000001, 53));
  shortcuts_.BeforeServiceIsAdded(Key(IPPROTO_UDP, 0x0a000002, 53));
  shortcuts_.BeforeServiceIsAdded(Key(IPPROTO_UDP, 0x0a000002, 53));  // changed
  shortcuts_.AfterServiceIsRemoved(Key(IPPROTO_UDP, 0x0a000001, 53));
  shortcuts_.AfterServiceIsRemoved(Key(IPPROTO_UDP, 0x0a000001, 53));
  shortcuts_.AfterServiceIsRemoved(Key(IPPROTO_UDP, 0x0a000003, 53));  // never was
  EXPECT_FALSE(SaysNone(Key(IPPROTO_UDP, 0x0a000002, 53)));
  shortcuts_.AfterServiceIsRemoved(Key(IPPROTO_UDP, 0x0a000002, 53));
  EXPECT_TRUE(SaysNone(Key(IPPROTO_UDP, 0x0a000002, 53)));
}

TEST_F(ShortcutsTest, AddressesWithTheSameLastOctetTakeTurns) {
  const uint32_t one = htonl(0x0a000001), other = htonl(0x0b000001);
  shortcuts_.Reset({});
  shortcuts_.AfterAddressIsAdded(one);
  EXPECT_TRUE(KnowsAddress(one));
  shortcuts_.AfterAddressIsAdded(other);
  EXPECT_TRUE(KnowsAddress(other));
  shortcuts_.BeforeAddressIsRemoved(one);
  EXPECT_TRUE(KnowsAddress(other));
  shortcuts_.BeforeAddressIsRemoved(other);
  EXPECT_FALSE(KnowsAddress(other));
}

TEST_F(ShortcutsTest, WhatAnEarlierProcessLeftIsSetRight) {
  shortcuts_.BeforeServiceIsAdded(Key(IPPROTO_TCP, 0, 81));
  record_->without[0][1].any = ~__u64{0};
  shortcuts_.AfterAddressIsAdded(htonl(0x0a000001));
  MapContents contents;
  contents.services[Key(IPPROTO_TCP, 0, 80)] = {};
  contents.services[Key(IPPROTO_TCP, 0x0a000002, 80)] = {};
  contents.addresses.insert(htonl(0x0a000002));
  Shortcuts next(record_.get());
  next.Reset(contents);
  EXPECT_FALSE(SaysNone(Key(IPPROTO_TCP, 0, 80)));
  EXPECT_FALSE(SaysNone(Key(IPPROTO_TCP, 0x0a000002, 80)));
  EXPECT_TRUE(SaysNone(Key(IPPROTO_TCP, 0, 81)));
  EXPECT_FALSE(KnowsAddress(htonl(0x0a000001)));
  EXPECT_TRUE(KnowsAddress(htonl(0x0a000002)));
  next.AfterServiceIsRemoved(Key(IPPROTO_TCP, 0x0a000002, 80));
  EXPECT_TRUE(SaysNone(Key(IPPROTO_TCP, 0x0a000002, 80)));
}

TEST_F(ShortcutsTest, AfterAnyChangesItIsAsIfReadAnew) {
  std::mt19937 random(7);
  MapContents contents;
  shortcuts_.Reset(contents);
  for (int i = 0; i < 20000; ++i) {
    const uint8_t proto = random() % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP;
    const auto key = Key(proto, random() % 4, static_cast<uint16_t>(1000 + random() % 200));
    if (random() % 2 == 0) {
      shortcuts_.BeforeServiceIsAdded(key);
      contents.services[key] = {};
    } else {
      contents.services.erase(key);
      shortcuts_.AfterServiceIsRemoved(key);
    }
  }
  auto anew = std::make_unique<xlb_shortcuts>();
  Shortcuts(anew.get()).Reset(contents);
  for (size_t proto = 0; proto < 2; ++proto) {
    for (size_t i = 0; i < 65536 / 64; ++i) {
      EXPECT_EQ(record_->without[proto][i].any, anew->without[proto][i].any);
      EXPECT_EQ(record_->without[proto][i].bound, anew->without[proto][i].bound);
    }
  }
}

}  // namespace
}  // namespace xlb
