# cmake -DBUILD=... -DSOURCE=... -DWORK=... [-DTOOLCHAIN=... -DEMULATOR=...] -P consumer_test.cmake: installs hone, builds and runs a
# project that finds it.
file(REMOVE_RECURSE "${WORK}")
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
endfunction()
run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix")
if(TOOLCHAIN)
  # It looks for packages in its own folder alone.
  file(GLOB_RECURSE package "${WORK}/prefix/*/hone-config.cmake")
  get_filename_component(package "${package}" DIRECTORY)
  set(found "-DCMAKE_TOOLCHAIN_FILE=${TOOLCHAIN}" "-Dhone_DIR=${package}")
else()
  set(found "-DCMAKE_PREFIX_PATH=${WORK}/prefix")
endif()
run("${CMAKE_COMMAND}" -S "${SOURCE}/tests/consumer" -B "${WORK}/build" -G Ninja
  ${found} -DCMAKE_BUILD_TYPE=Release "-DEXAMPLES=${SOURCE}/examples")
run("${CMAKE_COMMAND}" --build "${WORK}/build")
run(${EMULATOR} "${WORK}/build/consumer")
run(${EMULATOR} "${WORK}/build/train" "${WORK}/model" num_hidden_layers=1 hidden_size=32 intermediate_size=64
  data.samples=60 steps=2 threads=1)
run(${EMULATOR} "${WORK}/build/predict" "${WORK}/model" "a great film")
# The installed program and its recipes.
run(${EMULATOR} "${WORK}/prefix/bin/hone" list recipes)
if(NOT EXISTS "${WORK}/prefix/share/hone/recipes/demo.toml")
  message(FATAL_ERROR "the recipes are not installed")
endif()
