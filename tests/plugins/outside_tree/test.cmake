# Installs the package alone, builds plugins/template against it and runs its schedule.
# Needs: source build work compiler runner generator golden.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${status}\n${output}${errors}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${work})
run(${CMAKE_COMMAND} --install ${build} --component plugin_sdk --prefix ${work}/prefix)
file(COPY ${source}/plugins/template DESTINATION ${work})
run(${CMAKE_COMMAND} -S ${work}/template -B ${work}/build -G ${generator}
    -DCMAKE_CXX_COMPILER=${compiler} -DCMAKE_PREFIX_PATH=${work}/prefix)
run(${CMAKE_COMMAND} --build ${work}/build)
run(${CMAKE_COMMAND} --install ${work}/build --prefix ${work}/prefix)
run(${runner} ${work}/prefix/lib/headrace/plugins/grouped.so 2 2 4 group=2)

file(READ ${golden} expected)
if(NOT output STREQUAL expected)
  message(FATAL_ERROR "the schedule is\n${output}\nexpected\n${expected}")
endif()
