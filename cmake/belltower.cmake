# bt_library(NAME SOURCES a.c ... LIBS ...): a static library of one folder.
function(bt_library name)
  cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_link_libraries(${name} PUBLIC ${A_LIBS})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()

# bt_program(NAME SOURCES ... LIBS ...): a program in build/bin.
function(bt_program name)
  cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE ${A_LIBS})
endfunction()

# bt_test(NAME SOURCES ... LIBS ... [ARGS ...]): a cmocka program, run by ctest; lands in build/tests.
function(bt_test name)
  if(NOT BELLTOWER_TESTS)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;LIBS;ARGS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE ${A_LIBS} cmocka)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} ${A_ARGS} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()

add_custom_target(fuzzers)

# bt_script_test(NAME COMMAND ... [LOCK name]): a test that is a program of its own; LOCK: tests of one name run one after another.
function(bt_script_test name)
  if(NOT BELLTOWER_TESTS)
    return()
  endif()
  cmake_parse_arguments(A "" "LOCK" "COMMAND" ${ARGN})
  add_test(NAME ${name} COMMAND ${A_COMMAND} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(A_LOCK)
    set_tests_properties(${name} PROPERTIES RESOURCE_LOCK ${A_LOCK})
  endif()
endfunction()

# bt_fuzz(NAME SOURCES ... LIBS ...): a libFuzzer target (clang, -DBELLTOWER_FUZZ=ON); corpus and dictionary in tests/fuzz/NAME.
# The sources define LLVMFuzzerTestOneInput. ctest runs each for a few seconds.
function(bt_fuzz name)
  if(NOT BELLTOWER_FUZZ)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${A_SOURCES})
  add_dependencies(fuzzers ${name})
  target_link_libraries(${name} PRIVATE ${A_LIBS})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  add_test(NAME ${name} COMMAND ${CMAKE_SOURCE_DIR}/tests/fuzz/run ${CMAKE_BINARY_DIR}/fuzz/${name}
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()
