# The commit that the build is configured at, for `causeway --version` and the files' attributes.
set(CAUSEWAY_COMMIT unknown)
find_package(Git QUIET)
if(Git_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} -C ${PROJECT_SOURCE_DIR} describe --always --dirty --abbrev=12
                  OUTPUT_VARIABLE git_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                  RESULT_VARIABLE git_result)
  if(git_result EQUAL 0)
    set(CAUSEWAY_COMMIT ${git_commit})
  endif()
endif()
