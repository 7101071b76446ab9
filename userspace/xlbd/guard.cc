#include "xlbd/guard.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>
#include <vector>

namespace xlb {
namespace {

// "tcp/22 (web)".
std::string NameOf(const Service& service) {
  return fmt::format("{}/{} ({})", ToString(service.frontend.protocol), service.frontend.port, service.name);
}

class Guard {
 public:
  Guard(const StaticConfig& config, const GuardInputs& inputs, Assembly& assembly)
      : config_(config), inputs_(inputs), assembly_(assembly), own_(assembly.state.node.addresses) {
    // Published ports answer there as well, to processes of the node itself. So they do at the ingress sandbox's
    // address, which is none of the node's: what Docker's mesh does with the packets that it gets passes there.
    own_.insert(*Ipv4::Parse("127.0.0.1"));
  }

  void Run() {
    std::vector<Frontend> frontends;
    for (const auto& [frontend, service] : assembly_.state.services) frontends.push_back(frontend);
    for (const Frontend& frontend : frontends) {
      Service& service = assembly_.state.services.at(frontend);
      TakeOverride(service);
      LetIn(service);
      Bind(service);
      LeaveToOwners(service);
    }
  }

 private:
  void Warn(std::string line) { assembly_.warnings.push_back(std::move(line)); }

  void TakeOverride(Service& service) const {
    const auto changed = config_.overrides().find(service.frontend);
    if (service.source != ServiceSource::kSwarm || changed == config_.overrides().end()) return;
    changed->second.ApplyTo(service.access);
    // What a person says here and now stands against a label that cannot be read, if it says who may come in.
    if (changed->second.allow || changed->second.deny) service.access_problem.clear();
  }

  void LetIn(Service& service) {
    AddressMap<SourceVerdicts> verdicts = service.access_problem.empty()
                                              ? VerdictsOf(service.access)
                                              : AddressMap<SourceVerdicts>(AllVerdicts(XLB_SOURCE_DENY));
    if (service.source == ServiceSource::kSwarm && inputs_.firewall) {
      const PortFirewall& firewall = inputs_.firewall(service.frontend.protocol, service.frontend.port);
      firewall.verdicts.ForEach([&](const AddressRange& range, SourceVerdicts theirs) {
        if (theirs == AllVerdicts(XLB_SOURCE_ALLOW)) return;
        verdicts.Update(range, [&](SourceVerdicts ours) { return BothAdmit(ours, theirs); });
      });
      service.left_because = firewall.because;
      // The list stays, for connections that live; and where the service keeps clients out itself, for all.
      const bool keeps_out =
          !service.access_problem.empty() || !service.access.allow.empty() || !service.access.deny.empty();
      if (firewall.leaves_all && !keeps_out) service.handling = Handling::kLeave;
      if (firewall.leaves_all) {
        Warn(fmt::format("{} is left to Docker's mesh: {}", NameOf(service), firewall.because));
      } else if (!firewall.because.empty()) {
        Warn(fmt::format("{}: some clients are left to the host's firewall and Docker's mesh: {}", NameOf(service),
                         firewall.because));
      }
    }
    service.sources = SourceList(verdicts);
  }

  std::set<Ipv4> BoundTo(const Service& service) {
    std::set<Ipv4> bound;
    for (const std::string& entry : service.access.bind) {
      const std::optional<Ipv4> address = Ipv4::Parse(entry);
      const auto device = inputs_.addresses_of_devices.find(entry);
      if (address && own_.contains(*address)) {
        bound.insert(*address);
      } else if (!address && device != inputs_.addresses_of_devices.end()) {
        bound.insert(device->second.begin(), device->second.end());
      } else {
        Warn(fmt::format("{} is bound to {}, which this node does not have now", NameOf(service), entry));
      }
    }
    return bound;
  }

  void Bind(const Service& service) {
    if (service.access.bind.empty() || !service.frontend.address.IsUnset()) return;
    const std::set<Ipv4> bound = BoundTo(service);
    for (const Ipv4 address : own_) {
      if (!bound.contains(address)) AddException(service, address, Handling::kClose, "");
    }
  }

  // A service of its own at the address, if there is none yet: it has its own mind.
  void AddException(const Service& of, Ipv4 address, Handling handling, std::string because) {
    Service exception;
    exception.frontend = of.frontend;
    exception.frontend.address = address;
    exception.name = of.name;
    exception.source = of.source;
    exception.handling = handling;
    exception.left_because = std::move(because);
    exception.is_exception = true;
    const auto [at, added] = assembly_.state.services.emplace(exception.frontend, std::move(exception));
    if (!added && at->second.is_exception && handling == Handling::kLeave) at->second.handling = handling;
  }

  void LeaveToOwners(Service& service) {
    const Frontend& frontend = service.frontend;
    const auto owners = inputs_.owners.find({frontend.protocol, frontend.port});
    if (owners == inputs_.owners.end()) return;
    for (const PortOwner& owner : owners->second) {
      const bool same =
          owner.address == frontend.address || (owner.address.IsUnset() && own_.contains(frontend.address));
      const std::string verb = frontend.protocol == Protocol::kTcp ? "listens" : "waits";
      if (same) {
        service.handling = Handling::kLeave;
        service.left_because = fmt::format("{} {} on it", owner.who, verb);
        Warn(fmt::format("{} is left to {}, which {} on it", NameOf(service), owner.who, verb));
      } else if (frontend.address.IsUnset() && own_.contains(owner.address)) {
        const std::string because = fmt::format("{} {} on it", owner.who, verb);
        AddException(service, owner.address, Handling::kLeave, because);
        Warn(fmt::format("{} at {} is left to {}, which {} there", NameOf(service), owner.address.ToString(), owner.who,
                         verb));
      }
    }
  }

  const StaticConfig& config_;
  const GuardInputs& inputs_;
  Assembly& assembly_;
  std::set<Ipv4> own_;  // addresses at which a service on every address answers
};

}  // namespace

void GuardPorts(const StaticConfig& config, const GuardInputs& inputs, Assembly& assembly) {
  Guard(config, inputs, assembly).Run();
}

}  // namespace xlb
