#pragma once

// What the program and a plugin that exchanges C++ objects with it must have in common, as the text
// of the descriptor's build_tag: the compiler, the standard library, and a digest of the headers of
// their interface (from the build).
#define HEADRACE_STRING_OF(text) #text
#define HEADRACE_STRING(text) HEADRACE_STRING_OF(text)
#if defined(__clang__)
#define HEADRACE_COMPILER "clang " __clang_version__
#else
#define HEADRACE_COMPILER "gcc " __VERSION__
#endif
#define HEADRACE_BUILD_TAG(digest) \
  HEADRACE_COMPILER ", libstdc++ " HEADRACE_STRING(_GLIBCXX_RELEASE) ", interface " digest
