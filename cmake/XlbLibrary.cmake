# xlb_library(NAME [DEPS public...] [PRIVATE private...]): one static library from every .cc of the current folder. Links are
# private unless a public header of the folder shows the dependency's types, so that the arrows of ARCHITECTURE.md hold.
function(xlb_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  add_library(xlb_${name} STATIC ${sources})
  target_include_directories(xlb_${name} PUBLIC ${PROJECT_SOURCE_DIR}/userspace ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(xlb_${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE} xlb_warnings)
endfunction()
