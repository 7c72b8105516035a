# headrace_add_plugin(name sources... [NO_INSTALL] [OUTPUT_DIRECTORY folder] [SUBFOLDER folder])
#
# A plugin: the shared object <name>.so, built into ${CMAKE_BINARY_DIR}/plugins and installed into
# lib/headrace/plugins, where the program looks, or into a folder within them (backends: `backends`).
# It exports nothing but headrace_plugin_entry.
# Works the same inside Headrace's tree and after find_package(headrace).
set(HEADRACE_PLUGIN_EXPORTS ${CMAKE_CURRENT_LIST_DIR}/plugin_exports.map)

function(headrace_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 plugin "NO_INSTALL" "OUTPUT_DIRECTORY;SUBFOLDER" "")
  if(NOT plugin_OUTPUT_DIRECTORY)
    set(plugin_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins/${plugin_SUBFOLDER})
  endif()
  add_library(${name} MODULE ${plugin_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE headrace::plugin_sdk)
  target_compile_options(${name} PRIVATE -Wall -Wextra)
  target_link_options(${name} PRIVATE "LINKER:--version-script=${HEADRACE_PLUGIN_EXPORTS}")
  if(PROJECT_VERSION)
    target_compile_definitions(${name} PRIVATE HEADRACE_PLUGIN_VERSION="${PROJECT_VERSION}")
  endif()
  set_target_properties(
    ${name}
    PROPERTIES PREFIX ""
               SUFFIX ".so"
               C_VISIBILITY_PRESET hidden
               CXX_VISIBILITY_PRESET hidden
               VISIBILITY_INLINES_HIDDEN ON
               UNITY_BUILD OFF  # it is a file or two
               LINK_DEPENDS "${HEADRACE_PLUGIN_EXPORTS}"
               LIBRARY_OUTPUT_DIRECTORY "${plugin_OUTPUT_DIRECTORY}")
  if(NOT plugin_NO_INSTALL)
    install(TARGETS ${name} LIBRARY DESTINATION lib/headrace/plugins/${plugin_SUBFOLDER} COMPONENT plugins)
  endif()
endfunction()
