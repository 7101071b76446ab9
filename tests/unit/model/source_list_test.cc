#include "model/source_list.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace xlb {
namespace {

Ipv4 Ip(std::string_view text) { return *Ipv4::Parse(text); }
AddressRange RangeOf(std::string_view text) {
  const Ipv4Prefix prefix = *Ipv4Prefix::Parse(text);
  return {prefix.First(), prefix.Last()};
}

TEST(Ipv4PrefixTest, Notation) {
  EXPECT_EQ(Ipv4Prefix::Parse("10.0.0.0/8")->ToString(), "10.0.0.0/8");
  EXPECT_EQ(Ipv4Prefix::Parse("10.1.2.3")->ToString(), "10.1.2.3");
  EXPECT_EQ(Ipv4Prefix::Parse("0.0.0.0/0")->Last(), UINT32_MAX);
  EXPECT_EQ(Ipv4Prefix::Parse("255.255.255.255/32")->First(), UINT32_MAX);
  for (const char* wrong : {"", "/8", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8 ", "10/8",
                            "10.0.0.0/+8", "10.0.0.0/256", "::/0"}) {
    EXPECT_FALSE(Ipv4Prefix::Parse(wrong).has_value()) << wrong;
  }
}

TEST(AddressMapTest, AgainstAnArray) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    // The array stands for the ends of the address space as well as for its middle.
    const uint32_t base = round % 3 == 0 ? 0 : round % 3 == 1 ? UINT32_MAX - 63 : 1000;
    std::vector<int> naive(64, 0);
    AddressMap<int> map(0);
    for (int step = 0; step < 12; ++step) {
      uint32_t first = random() % 64, last = random() % 64;
      if (first > last) std::swap(first, last);
      const int value = static_cast<int>(random() % 3);
      map.Update({base + first, base + last}, [&](int) { return value; });
      for (uint32_t i = first; i <= last; ++i) naive[i] = value;
    }
    size_t runs = 1;
    for (uint32_t i = 0; i < 64; ++i) {
      ASSERT_EQ(map.At(base + i), naive[i]);
      runs += i > 0 && naive[i] != naive[i - 1];
    }
    size_t seen = 0;
    map.ForEach({base, base + 63}, [&](const AddressRange& range, int value) {
      ++seen;
      EXPECT_EQ(value, naive[range.first - base]);
      EXPECT_EQ(value, naive[range.last - base]);
    });
    EXPECT_EQ(seen, runs);
    EXPECT_EQ(map.IsUniform({base, base + 63}), runs == 1);
  }
}

TEST(SourceListTest, EverybodyIsNoList) {
  EXPECT_TRUE(SourceList(AddressMap<SourceVerdicts>(0)).empty());
  EXPECT_TRUE(SourceList().entries().empty());
  EXPECT_EQ(SourceList().At(Ip("1.2.3.4")), 0u);
  EXPECT_EQ(SourceList(), SourceList(AddressMap<SourceVerdicts>(0)));
}

TEST(SourceListTest, AsFewPrefixesAsWillDo) {
  AddressMap<SourceVerdicts> verdicts(AllVerdicts(XLB_SOURCE_DENY));
  verdicts.Update(RangeOf("10.0.0.0/8"), [](SourceVerdicts) { return AllVerdicts(XLB_SOURCE_ALLOW); });
  verdicts.Update(RangeOf("10.9.8.7"), [](SourceVerdicts) { return AllVerdicts(XLB_SOURCE_DENY); });
  const SourceList list(verdicts);
  EXPECT_EQ(list.entries(), (SourceEntries{{*Ipv4Prefix::Parse("0.0.0.0/0"), AllVerdicts(XLB_SOURCE_DENY)},
                                           {*Ipv4Prefix::Parse("10.0.0.0/8"), AllVerdicts(XLB_SOURCE_ALLOW)},
                                           {*Ipv4Prefix::Parse("10.9.8.7"), AllVerdicts(XLB_SOURCE_DENY)}}));
}

TEST(SourceListTest, LongestMatchSaysWhatTheMapSays) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    AddressMap<SourceVerdicts> verdicts(static_cast<SourceVerdicts>(random() % 3));
    std::vector<uint32_t> edges{0, UINT32_MAX};
    for (int step = 0; step < 20; ++step) {
      uint32_t first = static_cast<uint32_t>(random()), last = static_cast<uint32_t>(random());
      if (round % 2 == 0) last = first + (last % 300);
      if (first > last) std::swap(first, last);
      const auto value = static_cast<SourceVerdicts>(random() % 3);
      verdicts.Update({first, last}, [&](SourceVerdicts) { return value; });
      edges.insert(edges.end(), {first, first - 1, last, last + 1, first + 1});
    }
    const SourceList list(verdicts);
    EXPECT_TRUE(list.empty() || list.entries().contains(Ipv4Prefix{}));
    for (const uint32_t edge : edges) {
      ASSERT_EQ(list.At(Ipv4::FromHostOrder(edge)), verdicts.At(edge)) << round;
    }
  }
}

TEST(SourceListTest, BothMustAdmit) {
  EXPECT_EQ(BothAdmit(AllVerdicts(XLB_SOURCE_ALLOW), AllVerdicts(XLB_SOURCE_DENY)), AllVerdicts(XLB_SOURCE_DENY));
  EXPECT_EQ(BothAdmit(AllVerdicts(XLB_SOURCE_LEAVE), AllVerdicts(XLB_SOURCE_DENY)), AllVerdicts(XLB_SOURCE_LEAVE));
  EXPECT_EQ(BothAdmit(0x00010002, 0x01000201), 0x01010202u);
}

}  // namespace
}  // namespace xlb
