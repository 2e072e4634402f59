/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/deepbind.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "libtrack/preload/real.h"
#include "libtrack/preload/rebind.h"
#include "libtrack/preload/thread.h"
#include "libtrack/preload/tracker.h"

/* Every function that there is a hook for, but for those of other allocators (allocators.h). */
static struct binding bindings[] = {
#define HOOK(result, function, parameters) {.name = #function},
#include "libtrack/preload/hooks.def"
#undef HOOK
	{.name = "execl"},  {.name = "execle"}, {.name = "execlp"},       {.name = "execv"},
	{.name = "execvp"}, {.name = "mmap64"}, {.name = "reallocarray"},
};
#define BINDINGS (sizeof(bindings) / sizeof(bindings[0]))

static pthread_once_t has_bindings = PTHREAD_ONCE_INIT;

static const struct link_map *module_of(const void *address)
{
	struct dl_find_object object;
	return address && _dl_find_object((void *)(uintptr_t)address, &object) == 0
		       ? object.dlfo_link_map
		       : NULL;
}

static const struct link_map *own_module(void)
{
	return module_of((const char *)deepbind_is_due + 1);
}

/*
 * Where a function of the program's own, or of another preloaded library, comes before the hook,
 * nobody would call the hook, and it is left so.
 */
static void find_bindings(void)
{
	for (size_t i = 0; i < BINDINGS; i++) {
		void *hook = dlsym(RTLD_DEFAULT, bindings[i].name);
		if (module_of(hook) != own_module())
			continue;
		bindings[i].replacement = (uintptr_t)hook;
		bindings[i].original = (uintptr_t)dlsym(RTLD_NEXT, bindings[i].name);
	}
	real_clear_dlerror();
	for (size_t i = 1; i < BINDINGS; i++) {
		struct binding moving = bindings[i];
		size_t at = i;
		for (; at > 0 && strcmp(bindings[at - 1].name, moving.name) > 0; at--)
			bindings[at] = bindings[at - 1];
		bindings[at] = moving;
	}
}

static uintptr_t original_of(const char *name)
{
	for (size_t i = 0; i < BINDINGS; i++)
		if (strcmp(bindings[i].name, name) == 0)
			return bindings[i].original;
	return 0;
}

static bool has_entry(const struct link_map *module, ElfW(Sxword) tag)
{
	for (const ElfW(Dyn) *entry = module->l_ld; entry && entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == tag)
			return true;
	return false;
}

static const struct link_map *module_of_info(const struct dl_phdr_info *info)
{
	for (size_t i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			return module_of(
				(const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
	return NULL;
}

/* The RPATH of a module may count for what others load. The program's counts in any case. */
static int find_path(struct dl_phdr_info *info, size_t size_bytes, void *context)
{
	const struct link_map *module = module_of_info(info);
	(void)size_bytes;
	(void)context;
	return module && module != _r_debug.r_map && has_entry(module, DT_RPATH);
}

bool deepbind_is_due(const char *path, int mode, const void *caller)
{
	if (!(mode & RTLD_DEEPBIND) || !path || strchr(path, '$') || !tracker_records() ||
	    atomic_load(&tracker.is_filtered) || thread_self.activity != THREAD_OUTSIDE)
		return false;
	const struct link_map *module = module_of((const char *)caller - 1);
	if (!module || (!strchr(path, '/') && has_entry(module, DT_RUNPATH)))
		return false;
	return dl_iterate_phdr(find_path, NULL) == 0;
}

/* The modules that one dlopen has added are the last ones, if no other thread loads any. */
struct loaded {
	uint64_t adds;
	uint64_t subs;
	size_t count;
	size_t first_new;
	bool takes_unresolved; /* of the new ones */
};

static int count_module(struct dl_phdr_info *info, size_t size_bytes, void *context)
{
	struct loaded *loaded = context;
	(void)size_bytes;
	loaded->adds = info->dlpi_adds;
	loaded->subs = info->dlpi_subs;
	loaded->count++;
	return 0;
}

static int bind_module(struct dl_phdr_info *info, size_t size_bytes, void *context)
{
	struct loaded *loaded = context;
	const struct link_map *module = module_of_info(info);
	bool is_new = loaded->count++ >= loaded->first_new;
	(void)size_bytes;
	if (module && module != own_module())
		rebind_module(module, bindings, BINDINGS, is_new && loaded->takes_unresolved);
	return 0;
}

/* What a library's lazy references are going to mean: the same as these. */
static bool finds_originals(void *library)
{
	return (uintptr_t)dlsym(library, "malloc") == original_of("malloc") &&
	       (uintptr_t)dlsym(library, "free") == original_of("free");
}

void *deepbind_open(const char *path, int mode)
{
	struct loaded before = {0};
	struct loaded after = {0};
	thread_self.activity = THREAD_FOREIGN;
	(void)pthread_once(&has_bindings, find_bindings);
	(void)dl_iterate_phdr(count_module, &before);
	thread_self.activity = THREAD_OUTSIDE;
	void *library = real.dlopen(path, mode);
	if (!library)
		return NULL;
	thread_self.activity = THREAD_FOREIGN;
	(void)dl_iterate_phdr(count_module, &after);
	uint64_t added = after.adds - before.adds;
	struct loaded found = {
		.first_new = after.count - added,
		.takes_unresolved = after.subs == before.subs &&
				    after.count == before.count + added && finds_originals(library),
	};
	real_clear_dlerror();
	(void)dl_iterate_phdr(bind_module, &found);
	thread_self.activity = THREAD_OUTSIDE;
	return library;
}
