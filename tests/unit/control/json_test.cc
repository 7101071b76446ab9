#include "control/json.h"

#include <gtest/gtest.h>

#include <cmath>

#include "unit/control/sample_views.h"

namespace xlb {
namespace {

// Views have no operator==; equal JSON says the same, and the literals below pin the JSON itself.
template <typename T>
void ExpectRoundTrip(const T& value) {
  for (const JsonStyle style : {JsonStyle::kCompact, JsonStyle::kPretty}) {
    const std::string text = ToJson(value, style);
    const absl::StatusOr<T> back = FromJson<T>(text);
    ASSERT_TRUE(back.ok()) << back.status() << "\n" << text;
    EXPECT_EQ(ToJson(*back, style), text);
  }
}

// Every member of a sample is set, so a member that decoding forgets would come back as its default and differ.
TEST(JsonTest, EveryViewComesBack) {
  ExpectRoundTrip(SampleStatus());
  ExpectRoundTrip(SampleService());
  ExpectRoundTrip(SampleBackend());
  ExpectRoundTrip(SampleUnreachableBackend());
  ExpectRoundTrip(SampleFlow());
  ExpectRoundTrip(SampleStats());
  ExpectRoundTrip(SampleEvent(42));
  ExpectRoundTrip(ErrorReply{"no"});
  ExpectRoundTrip(ServicesReply{{SampleService(), SampleService()}});
  ExpectRoundTrip(FlowsReply{{SampleFlow()}, true});
  ExpectRoundTrip(EventsReply{{SampleEvent(1)}});
  ExpectRoundTrip(ApplyReply{true, {"a"}, {"b"}, {"c"}});
  ExpectRoundTrip(DetachReply{{"a", "b"}});
}

TEST(JsonTest, ChangesHaveOnlyWhatIsSet) {
  EXPECT_EQ(ToJson(ServiceChange{}), "{}");
  EXPECT_EQ(ToJson(ServiceChange{.name = "b", .scheduler = {}}), R"({"name":"b"})");
  EXPECT_EQ(ToJson(BackendChange{.weight = 0, .draining = false}), R"({"weight":0,"draining":false})");
  const auto change = FromJson<ServiceChange>(R"({"scheduler":"maglev"})");
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_FALSE(change->name.has_value());
  EXPECT_EQ(change->scheduler, SchedulerKind::kMaglev);
}

TEST(JsonTest, WritesEachKindOfMember) {
  EXPECT_EQ(ToJson(SampleFlow()),
            R"({"protocol":"tcp","client":"192.0.2.50:40000","frontend":"192.0.2.11:8091","source":"10.0.0.3:40000",)"
            R"("backend":"10.0.0.7:8091","kind":"vxlan","state":"established","service":"web","backend_name":"web.2",)"
            R"("idle_seconds":0.5})");
  EXPECT_EQ(ToJson(StatsView{.flows = 1, .in = {2, 3}, .out = {4, 18446744073709551615u}}),
            R"({"flows":1,"in":{"packets":2,"bytes":3},"out":{"packets":4,"bytes":18446744073709551615}})");
  EXPECT_EQ(ToJson(DetachReply{{"a", "b"}}, JsonStyle::kPretty), "{\n  \"removed\": [\n    \"a\",\n    \"b\"\n  ]\n}");
  EXPECT_EQ(ToJson(DetachReply{}, JsonStyle::kPretty), "{\n  \"removed\": []\n}");
}

TEST(JsonTest, WhatJsonHasNoWordForBecomesZero) {
  FlowView flow = SampleFlow();
  flow.idle_seconds = std::nan("");
  const auto back = FromJson<FlowView>(ToJson(flow));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->idle_seconds, 0);
}

TEST(JsonTest, StringsAreEscapedAndAlwaysUtf8) {
  const struct {
    std::string raw, json;
  } cases[] = {
      {"a\"b\\c", R"("a\"b\\c")"},
      {"line\nbreak\ttab", R"("line\nbreak\u0009tab")"},
      {std::string("nul\0!", 5), R"("nul\u0000!")"},
      {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
      {"bad \xff", "\"bad \xef\xbf\xbd\""},
      {"cut \xe2\x82", "\"cut \xef\xbf\xbd\xef\xbf\xbd\""},
      {"overlong \xc0\xaf", "\"overlong \xef\xbf\xbd\xef\xbf\xbd\""},
      {"surrogate \xed\xa0\x80", "\"surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
  };
  for (const auto& test : cases) {
    const std::string text = ToJson(ErrorReply{test.raw});
    EXPECT_EQ(text, "{\"error\":" + test.json + "}");
    EXPECT_TRUE(FromJson<ErrorReply>(text).ok()) << text;
  }
}

// A newer daemon may say more, an older one less.
TEST(JsonTest, ViewsAreReadWithPatience) {
  const auto view = FromJson<EventView>(R"({"sequence": 3, "news": {"a": [1, 2]}})");
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->sequence, 3u);
  EXPECT_EQ(view->kind, "");
}

TEST(JsonTest, WrongTypesAreNamed) {
  const struct {
    std::string json, error;
  } cases[] = {
      {R"({"services": {}})", "services: must be a list"},
      {R"({"services": [1]})", "services[0]: must be an object, {...}"},
      {R"({"services": [{"name": "web", "id": -1}]})",
       R"(services[0] "web": id: must be a whole number from 0 to 4294967295)"},
      {R"({"services": [{"name": "web", "id": 1.5}]})",
       R"(services[0] "web": id: must be a whole number from 0 to 4294967295)"},
      {R"({"services": [{"stats": {"in": 5}}]})", "services[0]: stats: in: must be an object, {...}"},
      {R"({"services": [{"backends": [{}, {"name": "b", "node": 5}]}]})",
       R"(services[0]: backends[1] "b": node: must be a string)"},
      {R"([])", "the document: must be an object, {...}"},
      {R"({})", "the document: \"services\" is missing"},
      {"", "not JSON: line 1, column 1: incomplete JSON"},
      {"{\"services\": []} x", "not JSON: line 1, column 18: something behind the end of the document"},
      {"{\n  \"services\": oops\n}", "not JSON: line 2, column 15: syntax error"},
  };
  for (const auto& test : cases) {
    const auto result = FromJson<ServicesReply>(test.json);
    ASSERT_FALSE(result.ok()) << test.json;
    EXPECT_EQ(result.status().message(), test.error);
  }
}

TEST(JsonTest, DeepNestingIsRefusedNotFollowed) {
  const std::string deep(100'000, '[');
  EXPECT_FALSE(FromJson<ServicesReply>(deep).ok());
}

}  // namespace
}  // namespace xlb
