/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of C++ types as people write them, of what compilers write (Itanium C++ ABI, <type>). Names
 * come from processes: what is written is bounded, whatever comes.
 */
#ifndef OTEL_BPF_TYPE_NAME_H
#define OTEL_BPF_TYPE_NAME_H

#include <stddef.h>

#define TYPE_NAME_MAX 1024

/**
 * "N4shop12no_such_dishE" becomes shop::no_such_dish, as libstdc++'s own demangler has it. What is
 * not understood (functions, expressions) or becomes too long stays as it is, made printable. @out
 * ends in NUL.
 */
void type_name(const char *mangled, char out[TYPE_NAME_MAX]);

#endif
