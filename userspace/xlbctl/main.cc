#include <unistd.h>

#include <iostream>

#include "dataplane/detach.h"
#include "xlbctl/app.h"

int main(int argc, char** argv) {
  xlb::Environment environment{.in = std::cin,
                               .out = std::cout,
                               .err = std::cerr,
                               .terminal = isatty(STDOUT_FILENO) != 0,
                               .detach_data_path = xlb::DetachDataPath};
  return xlb::RunXlbctl({argv + 1, argv + argc}, environment);
}
