# What `cmake --install` puts where, and the Debian package made of it (./x package). The program looks for plugins
# in ../lib/adder/plugins from where it lies (src/pjrt/plugin_search.h), so the tree may be moved as a whole.
include(GNUInstallDirs)
set(ADDER_PLUGIN_DIR "" CACHE PATH "An unpacked plugin wheel to install with the program (./x build sets it)")

# Libraries whose packages have another name in every distribution (libspdlog1.10-fmt9, libspdlog1.12, ...) come
# along; what Debian and Ubuntu call the same, or provide under its older name, stays a dependency.
set(ADDER_CARRIED fmt spdlog zip)
list(JOIN ADDER_CARRIED "|" carried)
set_target_properties(adder PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/adder/runtime")
install(TARGETS adder
        RUNTIME_DEPENDENCIES PRE_INCLUDE_REGEXES "^lib(${carried})[.]so" PRE_EXCLUDE_REGEXES "."
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
        LIBRARY DESTINATION lib/adder/runtime)
foreach(name IN LISTS ADDER_CARRIED)
  file(GLOB notices /usr/share/doc/lib${name}[0-9]*/copyright)  # none elsewhere than on Debian
  foreach(notice IN LISTS notices)
    cmake_path(GET notice PARENT_PATH package)
    cmake_path(GET package FILENAME package)
    install(FILES ${notice} DESTINATION lib/adder/runtime/copyright RENAME ${package})
  endforeach()
endforeach()
if(ADDER_PLUGIN_DIR)
  install(DIRECTORY ${ADDER_PLUGIN_DIR} DESTINATION lib/adder/plugins
          PATTERN ".sha256" EXCLUDE PATTERN "*.py" EXCLUDE PATTERN "__pycache__" EXCLUDE PATTERN "include" EXCLUDE)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/models/austen-3.6m DESTINATION share/adder/models)
install(FILES README.md CHANGELOG.md DESTINATION share/doc/adder)
install(DIRECTORY docs DESTINATION share/doc/adder FILES_MATCHING PATTERN "*.md"
        PATTERN "figures" EXCLUDE PATTERN "screenshots" EXCLUDE)
install(FILES LICENSE DESTINATION share/doc/adder RENAME copyright)

# They find each other, whatever the system has; dpkg-shlibdeps would name the system's.
install(CODE [[
  find_program(patchelf patchelf)
  file(GLOB carried "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/adder/runtime/*.so.*")
  foreach(library IN LISTS carried)
    if(patchelf AND NOT IS_SYMLINK ${library})
      execute_process(COMMAND ${patchelf} --set-rpath "$ORIGIN" ${library} COMMAND_ERROR_IS_FATAL ANY)
    endif()
  endforeach()
]])

# The manual page and the completions are printed by the program, from the table that it parses with.
set(adder_manual ${CMAKE_BINARY_DIR}/manual)
add_custom_command(
  OUTPUT ${adder_manual}/adder.1 ${adder_manual}/adder.bash ${adder_manual}/_adder ${adder_manual}/adder.fish
  COMMAND ${CMAKE_COMMAND} -E make_directory ${adder_manual}
  COMMAND adder man > ${adder_manual}/adder.1
  COMMAND adder completions bash > ${adder_manual}/adder.bash
  COMMAND adder completions zsh > ${adder_manual}/_adder
  COMMAND adder completions fish > ${adder_manual}/adder.fish
  DEPENDS adder
  COMMENT "Printing the manual page and the completions")
add_custom_target(adder_manual ALL DEPENDS ${adder_manual}/adder.1)
install(FILES ${adder_manual}/adder.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${adder_manual}/adder.bash DESTINATION share/bash-completion/completions RENAME adder)
install(FILES ${adder_manual}/_adder DESTINATION share/zsh/vendor-completions)
install(FILES ${adder_manual}/adder.fish DESTINATION share/fish/vendor_completions.d)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME adder)
set(CPACK_PACKAGE_VENDOR "the Adder developers")
set(CPACK_PACKAGE_CONTACT "Adder developers <adder@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "inference engine for state space models over PJRT")
set(CPACK_PACKAGE_DESCRIPTION "Runs Mamba-2 checkpoints as they are published through any PJRT plugin. This package
 holds the program, a plugin for the CPU, and a small model that was trained on six novels.")
string(REPLACE "-" "~" CPACK_PACKAGE_VERSION ${ADDER_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS usr/lib/adder/runtime)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)  # adder pull
set(CPACK_DEBIAN_PACKAGE_SUGGESTS gnuplot-nox)        # the figures of adder bench --suite paper
set(CPACK_DEBIAN_COMPRESSION_TYPE gzip)               # the plugin is 200 MB: xz takes minutes
include(CPack)
