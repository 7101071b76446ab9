// Commands that change something.
#include "base/file.h"
#include "control/json.h"
#include "unit/xlbctl/command_fixture.h"

namespace xlb {
namespace {

class EditTest : public CommandTest {
 protected:
  EditTest() {
    daemon_.services.clear();
    StartDaemon();
  }
  const StaticService& Service(size_t i) { return daemon_.config.services().at(i); }
};

TEST_F(EditTest, AServicesLife) {
  EXPECT_EQ(Output("service add tcp/192.0.2.10:80 --name web --scheduler maglev"),
            "service web added: tcp/192.0.2.10:80, scheduler maglev\n");
  EXPECT_EQ(Output("service add udp/*:53 --name dns"), "service dns added: udp/*:53, scheduler rr\n");
  EXPECT_EQ(Service(0).scheduler, SchedulerKind::kMaglev);
  EXPECT_EQ(Output("backend add web 10.1.0.5:8080 --weight 2"), "backend 10.1.0.5:8080 of web added, weight 2\n");
  EXPECT_EQ(Output("backend add tcp/192.0.2.10:80 10.1.0.6:8080"),
            "backend 10.1.0.6:8080 of tcp/192.0.2.10:80 added, weight 1\n");
  EXPECT_EQ(Output("service set web --name www --scheduler wrr"), "service web changed\n");
  EXPECT_EQ(Service(0).name, "www");
  EXPECT_EQ(Output("backend set www 10.1.0.5:8080 --weight 0"), "backend 10.1.0.5:8080 of www changed\n");
  EXPECT_EQ(Service(0).backends.at(0).weight, 0u);
  EXPECT_EQ(Output("backend set www 10.1.0.5:8080 --drain"), "backend 10.1.0.5:8080 of www changed\n");
  EXPECT_TRUE(Service(0).backends.at(0).draining);
  EXPECT_EQ(Service(0).backends.at(0).weight, 0u);
  EXPECT_EQ(Output("undrain www 10.1.0.5:8080"), "backend 10.1.0.5:8080 of www gets new flows again\n");
  EXPECT_FALSE(Service(0).backends.at(0).draining);
  EXPECT_EQ(Output("drain www 10.1.0.5:8080"),
            "backend 10.1.0.5:8080 of www drains: it keeps its flows and gets no new ones\n");
  EXPECT_TRUE(Service(0).backends.at(0).draining);
  EXPECT_EQ(Output("backend rm www 10.1.0.5:8080"), "backend 10.1.0.5:8080 of www removed\n");
  EXPECT_EQ(Service(0).backends.size(), 1u);
  EXPECT_EQ(Output("service rm www"), "service www removed\n");
  EXPECT_EQ(Service(0).name, "dns");
}

TEST_F(EditTest, RefusalsAreOneLineAndExitCode1) {
  Output("service add tcp/192.0.2.10:80 --name web");
  ExpectFailure("service add tcp/192.0.2.10:80 --name b", 1, "tcp/192.0.2.10:80 belongs to service \"web\" already");
  ExpectFailure("service rm nope", 1, "service \"nope\" does not exist");
  ExpectFailure("backend set web 10.1.0.5:80 --drain", 1, "service \"web\" has no backend 10.1.0.5:80");
  daemon_.refusal = absl::ResourceExhaustedError("there is room for 1 service");
  ExpectFailure("service add tcp/192.0.2.10:81 --name c", 1, "there is room for 1 service");
}

TEST_F(EditTest, JsonPrintsWhatWasMade) {
  const std::string made = Output("-o json service add tcp/192.0.2.10:80 --name web");
  EXPECT_EQ(made, ToJson(Service(0), JsonStyle::kPretty) + "\n");
  EXPECT_EQ(Output("-o json backend add web 10.1.0.5:80"),
            "{\n  \"endpoint\": \"10.1.0.5:80\",\n  \"weight\": 1,\n  \"draining\": false\n}\n");
  EXPECT_EQ(Output("-o json backend rm web 10.1.0.5:80"), "");
}

TEST_F(EditTest, ExportAndApply) {
  Output("service add tcp/192.0.2.10:80 --name web");
  Output("backend add web 10.1.0.5:80");
  const StaticConfig before = daemon_.config;
  const std::string document = Output("export");
  EXPECT_EQ(document, StaticConfigToJson(before));
  EXPECT_EQ(Output("export " + file_path()), "");
  EXPECT_EQ(*ReadFile(file_path()), document);

  EXPECT_EQ(Output("apply " + file_path()), "nothing to change\n");
  Output("service rm web");
  Output("service add udp/*:53 --name dns");
  EXPECT_EQ(Output("apply --dry-run " + file_path()),
            "added    web tcp/192.0.2.10:80\n"
            "removed  dns udp/*:53\n"
            "dry run: nothing was changed\n");
  EXPECT_EQ(Service(0).name, "dns");
  EXPECT_EQ(Output("apply -", document),
            "added    web tcp/192.0.2.10:80\n"
            "removed  dns udp/*:53\n");
  EXPECT_EQ(daemon_.config, before);
}

TEST_F(EditTest, ABadFileChangesNothing) {
  Output("service add tcp/192.0.2.10:80 --name web");
  const StaticConfig before = daemon_.config;
  ASSERT_TRUE(WriteFileAtomically(file_path(), R"({"version":1,"services":[{"name":"a","frontend":"tcp/*:0"}]})").ok());
  ExpectFailure("apply " + file_path(), 1,
                file_path() + R"(: services[0] "a": "tcp/*:0": port "0" is not a number from 1 to 65535; nothing was)");
  ExpectFailure("apply /nowhere.json", 1, "cannot read /nowhere.json: No such file or directory");
  EXPECT_EQ(daemon_.config, before);
}

TEST_F(EditTest, AFileOfManyMegabytesGoesThrough) {
  std::vector<StaticService> services;
  for (uint16_t i = 1; i <= 300; ++i) {
    StaticService service;
    service.name = "service-" + std::to_string(i);
    service.frontend.port = i;
    for (uint32_t j = 1; j <= 100; ++j) {
      service.backends.push_back({.endpoint = *Endpoint::Parse("10.1.0." + std::to_string(j) + ":80")});
    }
    services.push_back(std::move(service));
  }
  const auto config = StaticConfig::FromServices(services);
  ASSERT_TRUE(config.ok()) << config.status();
  const std::string document = StaticConfigToJson(*config);
  EXPECT_GT(document.size(), 3'000'000u);
  const std::string out = Output("apply -", document);
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 300);
  EXPECT_EQ(daemon_.config, *config);
  EXPECT_EQ(Output("export"), document);
}

TEST_F(EditTest, DetachAsksTheDaemon) {
  EXPECT_EQ(Output("detach"), "XDP program off eth0\npins under /sys/fs/bpf/xlb\n");
  EXPECT_EQ(daemon_.detached, 1);
}

TEST_F(EditTest, WhoReachesAService) {
  EXPECT_EQ(Output("service add tcp/*:80 --name web --allow 10.0.0.0/8,192.0.2.7 --bind eth0"),
            "service web added: tcp/*:80, scheduler rr\n");
  EXPECT_EQ(Service(0).allow.size(), 2u);
  EXPECT_EQ(Service(0).bind.size(), 1u);
  EXPECT_EQ(Output("service set web --deny 10.9.0.0/16"), "service web changed\n");
  EXPECT_EQ(Service(0).deny.size(), 1u);
  EXPECT_EQ(Service(0).allow.size(), 2u);
}

}  // namespace
}  // namespace xlb
