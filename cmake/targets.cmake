# How every target is compiled, and the one way to declare a library of lib/.
add_library(causeway_options INTERFACE)
# Contraction is off: where a fused multiply-add is wanted the code says so, and elsewhere a backend must
# not differ from another by an unseen one.
target_compile_options(causeway_options INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-ffp-contract=off;$<$<BOOL:${CAUSEWAY_WARNINGS_AS_ERRORS}>:-Werror>>")
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlapping copies inside std::string's operator+ where there are none (GCC bug 105651).
  target_compile_options(causeway_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(CAUSEWAY_SANITIZE)
  target_compile_options(causeway_options INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${CAUSEWAY_SANITIZE};-fno-omit-frame-pointer>")
  target_link_options(causeway_options INTERFACE -fsanitize=${CAUSEWAY_SANITIZE})
endif()

# causeway_library(NAME [WITHOUT prefixes...] LINKS public... PRIVATE_LINKS private...): the sources of lib/NAME,
# save those whose names begin so.
function(causeway_library name)
  cmake_parse_arguments(ARG "" "" "WITHOUT;LINKS;PRIVATE_LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/lib/${name}/*.cpp)
  foreach(prefix IN LISTS ARG_WITHOUT)
    list(FILTER sources EXCLUDE REGEX "/${prefix}[^/]*$")
  endforeach()
  list(FILTER sources EXCLUDE REGEX "(cuda|nccl|peer)[^/]*$")  # one of two variants; lib/CMakeLists.txt says which
  add_library(causeway_${name} STATIC ${sources})
  target_include_directories(causeway_${name} PUBLIC ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR})
  target_link_libraries(causeway_${name} PUBLIC ${ARG_LINKS} PRIVATE causeway_options ${ARG_PRIVATE_LINKS})
endfunction()
