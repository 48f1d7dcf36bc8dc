# ADDER_VERSION: what the last tag says where this is a git checkout that has one (0.2.0 at the tag v0.2.0,
# 0.2.0+3.gabc1234 three commits after it), else the project's version, as in a source tarball. Read when configuring.
set(ADDER_VERSION ${PROJECT_VERSION})
find_package(Git QUIET)
if(GIT_FOUND AND EXISTS ${PROJECT_SOURCE_DIR}/.git)
  execute_process(
    COMMAND ${GIT_EXECUTABLE} describe --tags --long --match "v[0-9]*"
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(described MATCHES "^v(.+)-([0-9]+)-(g[0-9a-f]+)$")
    set(ADDER_VERSION ${CMAKE_MATCH_1})
    if(CMAKE_MATCH_2 GREATER 0)
      string(APPEND ADDER_VERSION "+${CMAKE_MATCH_2}.${CMAKE_MATCH_3}")
    endif()
  endif()
endif()
