# The libraries that Causeway stands on, all from the distribution.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
set(MPI_CXX_SKIP_MPICXX TRUE)  # the C++ bindings of MPI do not link with MPI_C users
set(MPI_DETERMINE_LIBRARY_VERSION TRUE)
find_package(MPI 3.1 REQUIRED COMPONENTS CXX)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
find_package(nlohmann_json 3.11 REQUIRED)
# Found by hand: the package file of Debian's oneDNN asks for OpenCL, which nothing here needs.
find_path(DNNL_INCLUDE_DIR dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
file(STRINGS ${DNNL_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h dnnl_version_lines REGEX "define DNNL_VERSION_(MAJOR|MINOR|PATCH)")
string(REGEX REPLACE "[^0-9;]" "" dnnl_VERSION "${dnnl_version_lines}")
list(JOIN dnnl_VERSION "." dnnl_VERSION)
if(dnnl_VERSION VERSION_LESS 2.6)
  message(FATAL_ERROR "oneDNN ${dnnl_VERSION} is too old; Causeway needs 2.6 or newer (Debian: libdnnl-dev).")
endif()
add_library(DNNL::dnnl UNKNOWN IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${DNNL_LIBRARY}
                      INTERFACE_INCLUDE_DIRECTORIES ${DNNL_INCLUDE_DIR})
# The serial flavour is the thread-safe one; plain "hdf5" may point at the MPI flavour.
pkg_check_modules(hdf5 REQUIRED IMPORTED_TARGET hdf5-serial)
pkg_check_modules(libav REQUIRED IMPORTED_TARGET libavformat libavcodec libswscale libavutil)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)

string(REGEX MATCH "^[^,\n]*" mpi_library "${MPI_CXX_LIBRARY_VERSION_STRING}")
string(JOIN ", " CAUSEWAY_LIBRARIES_TEXT
  "MPI ${MPI_CXX_VERSION} (${mpi_library})" "oneDNN ${dnnl_VERSION}" "HDF5 ${hdf5_VERSION}"
  "libavcodec ${libav_libavcodec_VERSION}" "libavformat ${libav_libavformat_VERSION}"
  "libswscale ${libav_libswscale_VERSION}" "yaml-cpp ${yaml-cpp_VERSION}"
  "Boost ${Boost_VERSION_STRING}" "fmt ${fmt_VERSION}" "nlohmann-json ${nlohmann_json_VERSION}"
  "sentencepiece ${sentencepiece_VERSION}" "utf8proc ${utf8proc_VERSION}" "xxHash ${xxhash_VERSION}")
