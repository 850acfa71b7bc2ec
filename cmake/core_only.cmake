# CAUSEWAY_CORE_ONLY: kernels, networks, their tests and benchmarks, with nothing but a compiler and OpenMP.
#
# For GPU machines that have no MPI, HDF5, libav and the rest. fmt, nlohmann-json and GoogleTest come from the
# system or from a folder that travels with the sources (scripts/pack_core.sh makes it).
set(CAUSEWAY_CORE_HEADERS ${PROJECT_SOURCE_DIR}/core_headers CACHE PATH "Folder of scripts/pack_core.sh")
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)

# core_headers_for(TARGET FILE [DEFINITIONS...]): an imported target of headers in CAUSEWAY_CORE_HEADERS.
function(core_headers_for target file)
  if(NOT EXISTS ${CAUSEWAY_CORE_HEADERS}/include/${file})
    message(FATAL_ERROR "There is no ${file}, neither of the system nor in ${CAUSEWAY_CORE_HEADERS}; run "
                        "scripts/pack_core.sh where Causeway's packages are installed, and bring the folder along "
                        "(-DCAUSEWAY_CORE_HEADERS=DIR).")
  endif()
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${CAUSEWAY_CORE_HEADERS}/include
                        INTERFACE_COMPILE_DEFINITIONS "${ARGN}")
endfunction()

find_package(fmt QUIET)
if(NOT TARGET fmt::fmt)
  core_headers_for(fmt::fmt fmt/format.h FMT_HEADER_ONLY=1)
endif()
find_package(nlohmann_json 3.11 QUIET)
if(NOT TARGET nlohmann_json::nlohmann_json)
  core_headers_for(nlohmann_json::nlohmann_json nlohmann/json.hpp)
endif()
if(CAUSEWAY_TESTS)
  find_package(GTest QUIET)
  if(NOT TARGET GTest::gtest)
    core_headers_for(googletest_headers gtest/gtest.h)
    set(gtest_source ${CAUSEWAY_CORE_HEADERS}/googletest/src)
    add_library(causeway_gtest STATIC ${gtest_source}/gtest-all.cc)
    target_include_directories(causeway_gtest SYSTEM PUBLIC ${CAUSEWAY_CORE_HEADERS}/include)
    target_include_directories(causeway_gtest PRIVATE ${CAUSEWAY_CORE_HEADERS}/googletest)
    target_link_libraries(causeway_gtest PUBLIC Threads::Threads)
    add_library(causeway_gtest_main STATIC ${gtest_source}/gtest_main.cc)
    target_link_libraries(causeway_gtest_main PUBLIC causeway_gtest)
    add_library(GTest::gtest ALIAS causeway_gtest)
    add_library(GTest::gtest_main ALIAS causeway_gtest_main)
  endif()
endif()
set(CAUSEWAY_LIBRARIES_TEXT "none (CAUSEWAY_CORE_ONLY)")
