# For 64-bit ARM, by Debian's cross compiler. ARM64_ROOT: where tests/arm64 unpacked ARM's libraries.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ARM64_ROOT)
set(CMAKE_C_FLAGS_INIT "-isystem ${ARM64_ROOT}/usr/include")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-L${ARM64_ROOT}/usr/lib/aarch64-linux-gnu")
