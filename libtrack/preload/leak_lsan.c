/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LeakSanitizer's interface (<sanitizer/lsan_interface.h>), for programs that use it where it is
 * there: they refer to it weakly, and find it here while they are checked for leaks.
 */
#include <stddef.h>

#include "libtrack/preload/leak_check.h"

#define EXPORT __attribute__((visibility("default")))

void __lsan_disable(void);
void __lsan_enable(void);
void __lsan_ignore_object(const void *block);
void __lsan_do_leak_check(void);
int __lsan_do_recoverable_leak_check(void);
void __lsan_register_root_region(const void *address, size_t size_bytes);
void __lsan_unregister_root_region(const void *address, size_t size_bytes);

EXPORT void __lsan_disable(void)
{
	leak_check_disable();
}

EXPORT void __lsan_enable(void)
{
	leak_check_enable();
}

EXPORT void __lsan_ignore_object(const void *block)
{
	leak_check_ignore(block);
}

/* Unlike LeakSanitizer's it does not end the program: the verdict is made at the end. */
EXPORT void __lsan_do_leak_check(void)
{
	(void)leak_check_now(true);
}

EXPORT int __lsan_do_recoverable_leak_check(void)
{
	return leak_check_now(false) == 1;
}

/* All memory that the program has mapped is a root anyway. */
EXPORT void __lsan_register_root_region(const void *address, size_t size_bytes)
{
	(void)address;
	(void)size_bytes;
}

EXPORT void __lsan_unregister_root_region(const void *address, size_t size_bytes)
{
	(void)address;
	(void)size_bytes;
}
