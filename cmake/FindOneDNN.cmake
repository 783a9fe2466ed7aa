# Finds oneDNN: one installed on the system when it is newer than the packaged one, otherwise the packages onednn-cpu-gomp and
# onednn-devel-cpu-gomp of the Python that builds (they are build requirements, so pip has put them there).
#
#     OneDNN_FOUND, OneDNN_VERSION
#     OneDNN_BUNDLE     the shared object and OneDNN_LICENCES to ship beside ours; empty for the system's
#     OneDNN_OWN_TEAM   its loops can run on our threads: every OpenMP call that it makes is one that team.cpp answers
#     OneDNN::OneDNN    what to link

set(OneDNN_BUNDLE "")
set(OneDNN_LICENCES "")

find_package(dnnl 3.3 CONFIG QUIET)
if(dnnl_FOUND AND DNNL_CPU_RUNTIME STREQUAL "OMP" AND TARGET DNNL::dnnl)
  set(OneDNN_VERSION ${dnnl_VERSION})
  get_target_property(OneDNN_LIBRARY DNNL::dnnl LOCATION)
  if(NOT TARGET OneDNN::OneDNN)
    add_library(OneDNN::OneDNN INTERFACE IMPORTED)
    target_link_libraries(OneDNN::OneDNN INTERFACE DNNL::dnnl)
  endif()
else()
  find_package(Python COMPONENTS Interpreter QUIET)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c "
from importlib.metadata import files
from os.path import realpath
for package in ('onednn-devel-cpu-gomp', 'onednn-cpu-gomp'):
    for f in files(package):
        text = str(f)
        if text.endswith(('oneapi/dnnl/dnnl.hpp', 'libdnnl.so.3', 'onednn/LICENSE', 'onednn/THIRD-PARTY-PROGRAMS')):
            print(realpath(f.locate()))
"
    OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  string(REPLACE "\n" ";" found "${found}")
  list(REMOVE_DUPLICATES found)
  foreach(path IN LISTS found)
    if(path MATCHES "oneapi/dnnl/dnnl.hpp$")
      string(REGEX REPLACE "/oneapi/dnnl/dnnl.hpp$" "" OneDNN_INCLUDE_DIR "${path}")
    elseif(path MATCHES "libdnnl.so")
      set(OneDNN_LIBRARY "${path}")
    else()
      list(APPEND OneDNN_LICENCES "${path}")
    endif()
  endforeach()
  if(OneDNN_INCLUDE_DIR AND OneDNN_LIBRARY)
    file(STRINGS ${OneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h lines REGEX "define DNNL_VERSION_(MAJOR|MINOR|PATCH)")
    string(REGEX REPLACE "[^0-9;]" "" OneDNN_VERSION "${lines}")
    string(REPLACE ";" "." OneDNN_VERSION "${OneDNN_VERSION}")
    set(OneDNN_BUNDLE "${OneDNN_LIBRARY}")
    if(NOT TARGET OneDNN::OneDNN)
      add_library(OneDNN::OneDNN SHARED IMPORTED)
      set_target_properties(OneDNN::OneDNN PROPERTIES
        IMPORTED_LOCATION "${OneDNN_LIBRARY}" IMPORTED_SONAME libdnnl.so.3
        INTERFACE_INCLUDE_DIRECTORIES "${OneDNN_INCLUDE_DIR}")
    endif()
  endif()
endif()

set(OneDNN_OWN_TEAM OFF)
if(OneDNN_LIBRARY AND CMAKE_NM)
  execute_process(COMMAND ${CMAKE_NM} -D --undefined-only ${OneDNN_LIBRARY} OUTPUT_VARIABLE symbols ERROR_QUIET)
  string(REGEX MATCHALL " (GOMP_|omp_|__kmpc_)[A-Za-z_0-9]+" symbols "${symbols}")
  list(TRANSFORM symbols STRIP)
  list(REMOVE_ITEM symbols GOMP_parallel GOMP_parallel_start GOMP_parallel_end GOMP_barrier GOMP_loop_static_start
       GOMP_loop_static_next GOMP_loop_end GOMP_loop_end_nowait omp_get_max_threads omp_get_num_threads
       omp_get_thread_num omp_in_parallel)
  if(NOT symbols)
    set(OneDNN_OWN_TEAM ON)
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OneDNN REQUIRED_VARS OneDNN_LIBRARY OneDNN_VERSION VERSION_VAR OneDNN_VERSION)
