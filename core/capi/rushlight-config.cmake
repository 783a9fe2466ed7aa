# find_package(rushlight) with CMAKE_PREFIX_PATH=$(python -m rushlight --library-dir)/cmake: the target rushlight::rushlight.
get_filename_component(_package "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET rushlight::rushlight)
  add_library(rushlight::rushlight SHARED IMPORTED)
  set_target_properties(rushlight::rushlight PROPERTIES
    IMPORTED_LOCATION "${_package}/lib/librushlight.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_package}/include")
endif()
