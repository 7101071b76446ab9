# xlb_bpf_object(NAME): NAME.bpf.c of the current folder -> NAME.bpf.o and NAME.skel.h. The warning list is the one that
# keeps BPF bugs from compiling: a value that falls off a function's end, a shadowed name, a narrowing assignment.
find_program(XLB_BPF_CLANG NAMES clang-14 REQUIRED)
find_program(XLB_BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)
set(XLB_BPF_FLAGS -target bpf -O2 -g -mcpu=v3 -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wimplicit-int-conversion
    -Wenum-conversion -Wimplicit-fallthrough -Wno-unused-function -fno-stack-protector
    -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}/bpf -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE})

function(xlb_bpf_object name)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/skel/${name}.skel.h)
  file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/skel)
  add_custom_command(OUTPUT ${object}
    COMMAND ${XLB_BPF_CLANG} ${XLB_BPF_FLAGS} -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
    DEPENDS ${source} DEPFILE ${object}.d VERBATIM)
  add_custom_command(OUTPUT ${skeleton}
    COMMAND ${XLB_BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
    DEPENDS ${object} VERBATIM)
  add_custom_target(xlb_bpf_${name} DEPENDS ${skeleton})
  add_library(xlb_skel_${name} INTERFACE)
  add_dependencies(xlb_skel_${name} xlb_bpf_${name})
  target_include_directories(xlb_skel_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR}/skel)
endfunction()
