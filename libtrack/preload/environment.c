/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/environment.h"

#include <string.h>
#include <unistd.h>

#include "common/env.h"
#include "common/sys.h"
#include "libtrack/preload/tracker.h"

/* returns  the value of `variable` if its name is `name`, else NULL */
static const char *value_of(const char *variable, const char *name)
{
	size_t length = strlen(name);
	if (strncmp(variable, name, length) != 0 || variable[length] != '=')
		return NULL;
	return variable + length + 1;
}

/* returns  the length of the entry of a preload list at `list`: up to a separator or the end */
static size_t entry_length(const char *list)
{
	return strcspn(list, ": ");
}

static bool is_our_library(const char *entry, size_t length)
{
	static const char name[] = "/" TRACKER_FILE_NAME;
	size_t name_length = sizeof(name) - 1;
	return length >= name_length &&
	       memcmp(entry + length - name_length, name, name_length) == 0;
}

static bool copy_text(char *destination, size_t capacity, const char *text, size_t length)
{
	if (length >= capacity)
		return false;
	memcpy(destination, text, length);
	destination[length] = '\0';
	return true;
}

static bool take_variable(const char *variable)
{
	const char *session = value_of(variable, ENV_SESSION);
	if (session)
		return copy_text(tracker.session, sizeof(tracker.session), session,
				 strlen(session));
	const char *preload = value_of(variable, ENV_PRELOAD);
	while (preload && *preload) {
		size_t length = entry_length(preload);
		if (is_our_library(preload, length))
			return copy_text(tracker.library, sizeof(tracker.library), preload, length);
		preload += length;
		preload += strspn(preload, ": ");
	}
	return true;
}

/*
 * Before libc has set `environ`, the variables are read from the kernel, page by page. A variable
 * that straddles two reads is carried over to the front of the buffer.
 */
static bool find_in_proc(void)
{
	char buffer[8192];
	size_t used = 0;
	bool is_good = true;
	int fd = sys_open("/proc/self/environ", O_RDONLY);
	if (fd < 0)
		return false;
	for (;;) {
		long count = sys_read(fd, buffer + used, sizeof(buffer) - 1 - used);
		if (count <= 0)
			break;
		used += (size_t)count;
		buffer[used] = '\0';
		size_t at = 0;
		for (;;) {
			size_t length = strnlen(buffer + at, used - at);
			if (at + length == used)
				break;
			is_good = take_variable(buffer + at) && is_good;
			at += length + 1;
		}
		if (at == 0 && used == sizeof(buffer) - 1)
			at = used; /* longer than any of ours: skip this part */
		memmove(buffer, buffer + at, used - at);
		used -= at;
	}
	sys_close(fd);
	return is_good;
}

bool environment_find_session(char *const *variables)
{
	bool is_good = true;
	if (!variables)
		is_good = find_in_proc();
	for (; variables && *variables; variables++)
		is_good = take_variable(*variables) && is_good;
	return is_good && tracker.session[0] == '/' && tracker.library[0] == '/';
}

/*
 * Takes our library out of the list at `list`. What is behind "LIBRARY:" is the program's own
 * value, to the letter, be it empty. returns  false if the program has none
 */
static bool remove_our_entry(char *list)
{
	char *at = list;
	size_t first = entry_length(list);
	if (is_our_library(list, first) && !strstr(list + first, "/" TRACKER_FILE_NAME)) {
		bool has_own = list[first] == ':';
		memmove(list, list + first + has_own, strlen(list + first + has_own) + 1);
		return has_own;
	}
	while (*at) {
		size_t length = entry_length(at);
		if (!is_our_library(at, length)) {
			at += length;
			at += strspn(at, ": ");
			continue;
		}
		size_t gap = length + strspn(at + length, ": ");
		memmove(at, at + gap, strlen(at + gap) + 1);
	}
	return *list != '\0';
}

void environment_hide(char **variables)
{
	if (!variables)
		return;
	char **kept = variables;
	for (char **variable = variables; *variable; variable++) {
		if (value_of(*variable, ENV_SESSION))
			continue;
		char *list = (char *)value_of(*variable, ENV_PRELOAD);
		if (list && strstr(list, "/" TRACKER_FILE_NAME) && !remove_our_entry(list))
			continue;
		*kept++ = *variable;
	}
	*kept = NULL;
}

static char **space_for(struct environment_space *space, size_t count)
{
	if (count <= sizeof(space->short_list) / sizeof(space->short_list[0]))
		return space->short_list;
	space->mapped_bytes = count * sizeof(char *);
	space->mapped = sys_pages(space->mapped_bytes);
	return space->mapped;
}

static size_t count_of(char *const *variables)
{
	size_t count = 0;
	while (variables && variables[count])
		count++;
	return count;
}

static bool join(char *destination, size_t capacity, const char *a, const char *b, const char *c,
		 const char *d)
{
	const char *parts[] = {a, b, c, d};
	size_t used = 0;
	for (size_t i = 0; i < 4; i++) {
		size_t length = strlen(parts[i]);
		if (used + length >= capacity)
			return false;
		memcpy(destination + used, parts[i], length + 1);
		used += length;
	}
	return true;
}

char *const *environment_for_child(char *const *variables, struct environment_space *space)
{
	const char *preload = NULL;
	bool has_session = false;
	space->mapped = NULL;
	for (char *const *variable = variables; variable && *variable; variable++) {
		const char *list = value_of(*variable, ENV_PRELOAD);
		preload = list ? list : preload;
		has_session = has_session || value_of(*variable, ENV_SESSION);
	}
	if (has_session && preload && strstr(preload, "/" TRACKER_FILE_NAME))
		return variables;
	char **list = space_for(space, count_of(variables) + 3);
	if (!list ||
	    !join(space->session, sizeof(space->session), ENV_SESSION "=", tracker.session, "", ""))
		return variables;
	if (!join(space->preload, sizeof(space->preload), ENV_PRELOAD "=", tracker.library,
		  preload ? ":" : "", preload ? preload : ""))
		return variables;
	size_t count = 0;
	bool has_preload = false;
	for (char *const *variable = variables; variable && *variable; variable++) {
		bool is_preload = value_of(*variable, ENV_PRELOAD);
		if (value_of(*variable, ENV_SESSION) || (is_preload && has_preload))
			continue;
		list[count++] = is_preload ? space->preload : *variable;
		has_preload = has_preload || is_preload;
	}
	if (!has_preload)
		list[count++] = space->preload;
	list[count++] = space->session;
	list[count] = NULL;
	return list;
}

char *const *environment_without(char *const *variables, struct environment_space *space)
{
	space->mapped = NULL;
	char **list = space_for(space, count_of(variables) + 1);
	if (!list)
		return variables;
	size_t count = 0;
	for (char *const *variable = variables; variable && *variable; variable++) {
		const char *preload = value_of(*variable, ENV_PRELOAD);
		bool is_ours = preload && strstr(preload, "/" TRACKER_FILE_NAME);
		if (value_of(*variable, ENV_SESSION))
			continue;
		if (!is_ours) {
			list[count++] = *variable;
			continue;
		}
		if (!join(space->preload, sizeof(space->preload), *variable, "", "", ""))
			return variables;
		if (remove_our_entry(space->preload + sizeof(ENV_PRELOAD)))
			list[count++] = space->preload;
	}
	list[count] = NULL;
	return list;
}

void environment_release(struct environment_space *space)
{
	if (space->mapped)
		sys_munmap(space->mapped, space->mapped_bytes);
	space->mapped = NULL;
}
