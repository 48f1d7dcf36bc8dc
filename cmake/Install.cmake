# What `cmake --install` puts where, and the Debian package made of it (./x package). The program looks for plugins
# in ../lib/adder/plugins from where it lies (src/pjrt/plugin_search.h), so the tree may be moved as a whole.
include(GNUInstallDirs)
set(ADDER_PLUGIN_DIR "" CACHE PATH "An unpacked plugin wheel to install with the program (./x build sets it)")

install(TARGETS adder RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(ADDER_PLUGIN_DIR)
  install(DIRECTORY ${ADDER_PLUGIN_DIR} DESTINATION lib/adder/plugins
          PATTERN ".sha256" EXCLUDE PATTERN "*.py" EXCLUDE PATTERN "__pycache__" EXCLUDE PATTERN "include" EXCLUDE)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/models/austen-3.6m DESTINATION share/adder/models)
install(FILES README.md CHANGELOG.md DESTINATION share/doc/adder)
install(DIRECTORY docs DESTINATION share/doc/adder FILES_MATCHING PATTERN "*.md")
install(FILES LICENSE DESTINATION share/doc/adder RENAME copyright)

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
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)  # adder pull
set(CPACK_DEBIAN_PACKAGE_SUGGESTS gnuplot-nox)        # the figures of adder bench --suite paper
set(CPACK_DEBIAN_COMPRESSION_TYPE gzip)               # the plugin is 200 MB: xz takes minutes
include(CPack)
