/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The page of web/, as built; page_template.c is made by tools/embed. */
#ifndef MEMTRACE_REPORTERS_PAGE_TEMPLATE_H
#define MEMTRACE_REPORTERS_PAGE_TEMPLATE_H

#include <stddef.h>

extern const char page_template[]; /* [page_template_bytes] not NUL-terminated */
extern const size_t page_template_bytes;

#endif
