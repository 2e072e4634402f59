/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A library with data and thread-local data, loaded by leak_cases. */
#define EXPORT __attribute__((visibility("default")))

EXPORT void *library_data;
static __thread void *in_tls[100];

EXPORT void **library_tls(void)
{
	return &in_tls[50];
}
