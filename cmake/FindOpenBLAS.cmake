# Finds LAPACK: the package scipy-openblas32 of the Python that builds (it is a build requirement, so pip has put it there).
# Nothing is linked: the shared object is opened when it is first needed (core/kernels/lapack/loader.cpp), so its place and its
# licence are all there is to know.
#
#     OpenBLAS_FOUND, OpenBLAS_VERSION
#     OpenBLAS_LIBRARY   the shared object to ship beside ours
#     OpenBLAS_LICENCE   and its licence, which covers the LAPACK and the Fortran runtime inside

find_package(Python COMPONENTS Interpreter QUIET)
execute_process(
  COMMAND ${Python_EXECUTABLE} -c "
from importlib.metadata import files, version
from os.path import realpath
print(version('scipy-openblas32'))
for f in files('scipy-openblas32'):
    if str(f).endswith(('lib/libscipy_openblas.so', 'LICENSE.txt')):
        print(realpath(f.locate()))
"
  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
string(REPLACE "\n" ";" found "${found}")
foreach(text IN LISTS found)
  if(text MATCHES "libscipy_openblas.so$")
    set(OpenBLAS_LIBRARY "${text}")
  elseif(text MATCHES "LICENSE.txt$")
    set(OpenBLAS_LICENCE "${text}")
  else()
    set(OpenBLAS_VERSION "${text}")
  endif()
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenBLAS REQUIRED_VARS OpenBLAS_LIBRARY OpenBLAS_LICENCE VERSION_VAR OpenBLAS_VERSION)
