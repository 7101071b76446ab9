#include "base/shared_vector.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace xlb {
namespace {

using Words = SharedVector<std::string>;

const std::string* ElementsOf(const Words& words) { return words.get().data(); }

TEST(SharedVectorTest, ACopyHasTheSameElementsInTheSamePlace) {
  const Words words{"a", "b"};
  const Words copy = words;
  EXPECT_EQ(ElementsOf(copy), ElementsOf(words));
  EXPECT_EQ(copy, words);
  EXPECT_EQ(copy.size(), 2u);
  EXPECT_EQ(copy.front(), "a");
  EXPECT_EQ(copy.back(), "b");
  EXPECT_EQ(copy[1], "b");
}

TEST(SharedVectorTest, LookingThroughAConstOneKeepsElementsShared) {
  const Words words{"a", "b"};
  const Words copy = words;
  size_t letters = 0;
  for (const std::string& word : copy) letters += word.size();
  EXPECT_EQ(letters, 2u);
  EXPECT_FALSE(copy.empty());
  EXPECT_EQ(ElementsOf(copy), ElementsOf(words));
}

TEST(SharedVectorTest, AChangeOfTheCopyLeavesTheOriginalAndTheOtherWayRound) {
  using Change = void (*)(Words&);
  const Change changes[] = {[](Words& words) { words[0] = "x"; },
                            [](Words& words) { words.front() = "x"; },
                            [](Words& words) { words.back() = "x"; },
                            [](Words& words) { *words.begin() = "x"; },
                            [](Words& words) { *(words.end() - 1) = "x"; },
                            [](Words& words) { words.push_back("x"); },
                            [](Words& words) { words.pop_back(); },
                            [](Words& words) { words.clear(); },
                            [](Words& words) { words.own().assign(3, "x"); },
                            [](Words& words) { words = {"x"}; }};
  const Words expected{"a", "b"};
  for (const Change change : changes) {
    Words words{"a", "b"};
    Words copy = words;
    change(copy);
    EXPECT_EQ(words, expected);
    EXPECT_NE(copy, expected);
    copy = words;
    change(words);
    EXPECT_EQ(copy, expected);
    EXPECT_NE(words, expected);
  }
}

TEST(SharedVectorTest, ElementsThatNobodySharesStayWhereTheyAre) {
  Words words{"a", "b"};
  const std::string* const before = ElementsOf(words);
  words[0] = "x";
  EXPECT_EQ(ElementsOf(words), before);
  {
    const Words copy = words;
    words[0] = "y";
    EXPECT_NE(ElementsOf(words), before);
    EXPECT_EQ(ElementsOf(copy), before);
  }
}

TEST(SharedVectorTest, EqualIsWhatHasEqualElements) {
  const Words one{"a"};
  EXPECT_EQ(one, (Words{"a"})) << "not shared, but the same";
  EXPECT_NE(one, (Words{"b"}));
  EXPECT_NE(one, Words{});
  Words emptied = one;
  emptied.pop_back();
  EXPECT_EQ(emptied, Words{});
  EXPECT_TRUE(Words(std::vector<std::string>{}).empty());
}

TEST(SharedVectorTest, AnEmptyOneCanBeChanged) {
  Words words;
  EXPECT_TRUE(words.empty());
  EXPECT_EQ(std::as_const(words).begin(), std::as_const(words).end());
  EXPECT_EQ(words.begin(), words.end());
  words.push_back("a");
  EXPECT_EQ(words, (Words{"a"}));
}

TEST(SharedVectorTest, CopiesMayBeChangedByDifferentThreads) {
  const Words words{"a", "b"};
  std::vector<std::thread> threads;
  std::vector<Words> copies(4, words);
  for (Words& copy : copies) {
    threads.emplace_back([&copy] {
      for (int i = 0; i < 1000; ++i) {
        const Words shared = copy;
        copy[0] += "x";
        EXPECT_EQ(shared[0].size() + 1, copy[0].size());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(words, (Words{"a", "b"}));
  for (const Words& copy : copies) EXPECT_EQ(copy.get()[0].size(), 1001u);
}

}  // namespace
}  // namespace xlb
