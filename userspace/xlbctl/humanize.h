// Numbers for people; `-o json` has the exact ones.
#ifndef XLB_XLBCTL_HUMANIZE_H_
#define XLB_XLBCTL_HUMANIZE_H_

#include <string>

namespace xlb {

std::string HumanCount(double count);       // "999", "1.2k", "34.5M"
std::string HumanBytes(double bytes);       // "512 B", "3.4 MB": powers of 1000, as docker's
std::string HumanDuration(double seconds);  // "0.4s", "45s", "3m 12s", "3h 12m", "2d 4h"

}  // namespace xlb

#endif  // XLB_XLBCTL_HUMANIZE_H_
