/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filling struct mt_error; the only formatting in common/. */
#include "common/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum mt_status mt_error_set(struct mt_error *error, enum mt_status status, const char *format, ...)
{
	if (!error)
		return status;
	*error = (struct mt_error){.status = status};
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	return status;
}

enum mt_status mt_error_set_errno(struct mt_error *error, int system_errno, const char *format, ...)
{
	if (!error)
		return MT_ERR_IO;
	*error = (struct mt_error){.status = MT_ERR_IO, .system_errno = system_errno};
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	if (length >= 0 && (size_t)length < sizeof(error->message)) {
		char text[96];
		(void)snprintf(error->message + length, sizeof(error->message) - (size_t)length,
			       ": %s", strerror_r(system_errno, text, sizeof(text)));
	}
	return MT_ERR_IO;
}
