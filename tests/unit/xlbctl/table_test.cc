#include "xlbctl/table.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

TEST(TableTest, AlignsColumns) {
  Table table({"NAME", ">FLOWS", "STATE"});
  table.Add({"web", "12", "active"});
  table.Add({"a-longer-name", "1.2k", ""});
  table.Add({"caf\xc3\xa9", "7", "down"});
  EXPECT_EQ(table.Render(),
            "NAME            FLOWS   STATE\n"
            "web                12   active\n"
            "a-longer-name    1.2k\n"
            "caf\xc3\xa9                7   down\n");
}

TEST(TableTest, WithoutRowsHasHeadings) {
  const Table table({"NAME", ">FLOWS"});
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.Render(), "NAME   FLOWS\n");
}

TEST(TableTest, KeepsTheTerminalSafe) {
  Table table({"NAME"});
  table.Add({"a\x1b[2J\nb"});
  EXPECT_EQ(table.Render(), "NAME\na?[2J?b\n");
}

TEST(TableTest, PairsLeaveOutWhatIsEmpty) {
  EXPECT_EQ(RenderPairs({{"a", "1"}, {"a long one", ""}, {"bcd", "2"}}, 2), "  a     1\n  bcd   2\n");
  EXPECT_EQ(RenderPairs({}, 2), "");
}

}  // namespace
}  // namespace xlb
