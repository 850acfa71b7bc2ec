# Sees that the objects of one instruction set share no inline function with the others (OBJECTS, NM).
#
# The linker keeps one copy of such a function, which may be one that an older processor cannot run.
if(NOT OBJECTS)
  message(FATAL_ERROR "No objects were given, so nothing would be checked.")
endif()
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} --defined-only -C ${object} OUTPUT_VARIABLE symbols
                  COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]* [VWuvw] [^\n]*" shared "${symbols}")
  if(shared)
    list(APPEND found "${object}: ${shared}")
  endif()
endforeach()
if(found)
  string(REPLACE ";" "\n" found "${found}")
  message(FATAL_ERROR "Functions that the linker may take from another instruction set:\n${found}\n"
                      "Put them into an unnamed namespace, or have them inlined always.")
endif()
