// The daemon's journal for `xlbctl events`: the last thousand things that happened.
#ifndef XLB_XLBD_EVENT_LOG_H_
#define XLB_XLBD_EVENT_LOG_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "model/service.h"
#include "model/views.h"

namespace xlb {

class EventLog {
 public:
  // Also written to the log.
  void Add(std::string kind, std::string subject, std::string text);

  // What a person would say happened between two sets of services.
  void AddChanges(const std::map<Frontend, Service>& before, const std::map<Frontend, Service>& after);

  std::vector<EventView> After(uint64_t sequence) const;

 private:
  void AddLeaving(const Service& before, const Service& after);
  void AddBackendChanges(const Service& before, const Service& after);
  std::deque<EventView> events_;
  uint64_t last_ = 0;
};

}  // namespace xlb

#endif  // XLB_XLBD_EVENT_LOG_H_
