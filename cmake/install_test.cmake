# The test `install`: installs into an empty folder, builds the examples against that alone, and runs them and the
# installed program. Variables are given by cmake/install.cmake.
foreach(needed libcairn.a cairn)
  if(NOT EXISTS ${build}/${needed})
    message(STATUS "install test skipped: ${build}/${needed} is not built; build everything first")
    return()
  endif()
endforeach()
if(sanitize MATCHES "thread")
  message(STATUS "install test skipped: the thread sanitizer's build is for tests of rooms only")
  return()
endif()

set(work ${build}/install-test)
set(prefix ${work}/prefix)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})

# run(NAME OUTPUT_VARIABLE COMMAND…): a failure ends the test with what was said.
function(run name output)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${work}
    RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE error)
  if(NOT result EQUAL 0)
    message("${out}${error}")  # a fatal error would fold its lines
    message(FATAL_ERROR "${name} failed: ${result}")
  endif()
  message(STATUS "${name}:\n${out}${error}")
  set(${output} "${out}${error}" PARENT_SCOPE)
endfunction()

# Headers must compile under strict flags, by themselves.
set(flags "-Wall -Wextra")
if(werror)
  string(APPEND flags " -Werror")
endif()
if(sanitize)
  string(APPEND flags " -fsanitize=${sanitize}")
endif()
run(install ignored ${CMAKE_COMMAND} --install ${build} --prefix ${prefix} --config ${config})
run(configure ignored ${CMAKE_COMMAND} -S ${source}/examples -B ${work}/examples -G ${generator}
  -D CMAKE_MAKE_PROGRAM=${make_program} -D CMAKE_CXX_COMPILER=${compiler} -D CMAKE_BUILD_TYPE=${config}
  -D CMAKE_CXX_FLAGS=${flags} -D CMAKE_PREFIX_PATH=${prefix})
run(build ignored ${CMAKE_COMMAND} --build ${work}/examples --config ${config})

set(ENV{CAIRN_DEMO_MODEL})
set(demo ${prefix}/share/cairn/cairn-demo.gguf)
run(own_engine said ${work}/examples/own_engine)
if(NOT said MATCHES "largest difference")
  message(FATAL_ERROR "own_engine did not compare")
endif()
run(shared_prefix said ${work}/examples/shared_prefix ${demo})
if(NOT said MATCHES "A\\|" OR NOT said MATCHES "B\\|")
  message(FATAL_ERROR "shared_prefix did not stream both")
endif()
run(cairn said ${prefix}/bin/cairn generate -p "Once upon a time" -n 3)
if(NOT said MATCHES "share/cairn/cairn-demo.gguf")
  message(FATAL_ERROR "the installed program did not take the installed demo model")
endif()
file(REMOVE_RECURSE ${work})
