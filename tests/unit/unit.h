/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmocka.h needs the others before it: unit tests include only this. */
#ifndef MEMTRACE_TESTS_UNIT_UNIT_H
#define MEMTRACE_TESTS_UNIT_UNIT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
