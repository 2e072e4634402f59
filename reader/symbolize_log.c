/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work is cut into shares, which are dealt out to the workers at the beginning: an object, as to
 * open one takes as long as to look up thousands of addresses, or a large part of one. A worker
 * answers its shares in chunks of some addresses, with symbols in the encoding of a SYMBOLS block
 * behind their length, so what has arrived can be used whatever becomes of the worker.
 */
#include "reader/symbolize_log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/counter.h"
#include "common/format.h"
#include "common/ring.h"
#include "reader/jit_names.h"
#include "reader/leaked_stacks.h"
#include "reader/name_cache.h"

#define CHUNK_ADDRESSES 500u
#define SHARE_ADDRESSES 5000u
#define SHARE_BASE 500u /* to open an object takes as long as so many addresses, or longer */
#define WORKERS_MAX 8u
#define CACHE_NS_MIN 2000000u      /* names that take less to look up are not kept */
#define FETCH_LIMIT_MS 120000u     /* for the files of one object */
#define FETCH_ALL_LIMIT_MS 600000u /* for all of them */

struct wanted {
	uint32_t object;
	uint64_t offset; /* with its RING_FRAME_* flags */
};

/* Addresses of one object, for one worker. */
struct share {
	size_t first;
	size_t end;
	unsigned worker;
};

struct worker {
	pid_t pid;
	int fd; /* -1: done */
	struct buffer received;
	size_t used;
};

/* What is known of an object before and after its addresses are looked up. */
struct object_state {
	bool has_entries;
	bool is_fetched; /* its files come from the servers of debuginfod */
	size_t wanted;
	size_t answered;
	uint32_t quality;
};

struct job {
	struct loaded_log *log;
	const struct symbolize_options *options;
	struct object_state *objects; /* [object_count] of the log's symbols */
	bool is_fetched;              /* only addresses of objects that were fetched */
	struct wanted *wanted;        /* [count] by object and offset */
	size_t count;
	size_t capacity;
	uint32_t *slots;      /* [2 * capacity] a hash table of `wanted`: number + 1, 0: free */
	struct share *shares; /* [share_count] the largest first */
	size_t share_count;
	uint64_t done;
	uint64_t changed;
	uint32_t stale;
	uint64_t deadline_ms;
};

static uint64_t now_ms(void)
{
	return clock_monotonic_ns() / 1000000;
}

/* The slot of an address, or the free one for it. */
static uint32_t *find_slot(const struct job *job, uint32_t object, uint64_t offset)
{
	size_t mask = job->capacity * 2 - 1;
	uint64_t hash = (offset ^ (uint64_t)object << 48) * UINT64_C(0x9e3779b97f4a7c15);
	size_t at = (size_t)(hash >> 32) & mask;
	while (job->slots[at] && (job->wanted[job->slots[at] - 1].object != object ||
				  job->wanted[job->slots[at] - 1].offset != offset))
		at = (at + 1) & mask;
	return &job->slots[at];
}

static bool grow_wanted(struct job *job)
{
	size_t capacity = job->capacity ? job->capacity * 2 : 1024;
	struct wanted *grown = realloc(job->wanted, capacity * sizeof(*grown));
	if (grown)
		job->wanted = grown;
	uint32_t *slots = grown ? calloc(capacity * 2, sizeof(*slots)) : NULL;
	if (!slots)
		return false;
	free(job->slots);
	job->slots = slots;
	job->capacity = capacity;
	for (size_t i = 0; i < job->count; i++)
		*find_slot(job, job->wanted[i].object, job->wanted[i].offset) = (uint32_t)i + 1;
	return true;
}

/* Notes an address, once. returns false: no memory */
static bool want(struct job *job, uint32_t object, uint64_t offset)
{
	if (job->count == job->capacity && !grow_wanted(job))
		return false;
	uint32_t *slot = find_slot(job, object, offset);
	if (*slot)
		return true;
	job->wanted[job->count++] = (struct wanted){.object = object, .offset = offset};
	*slot = (uint32_t)job->count;
	return true;
}

static bool is_wanted(const struct job *job, uint32_t object, uint64_t offset)
{
	const struct symbols *symbols = &job->log->symbols;
	if (job->is_fetched)
		return job->objects[object].is_fetched;
	return !symbols_find(symbols, object, offset) ||
	       (job->options->improves && symbols->objects[object].quality != SYMBOLIZER_FULL);
}

static bool want_image(struct job *job, uint32_t index)
{
	const struct log_image *logged = &job->log->info.images[index];
	const struct stack_trie *trie = &job->log->replay.images[index]->trie;
	uint32_t *objects = calloc((size_t)logged->module_count + 1, sizeof(*objects));
	bool *used = job->options->only_leaks ? calloc(trie->node_count, sizeof(*used)) : NULL;
	bool has_memory = objects != NULL && (used || !job->options->only_leaks);
	if (used && has_memory)
		leaked_stacks_mark(job->log, index, job->options->only_leaks, used);
	for (uint32_t m = 0; m < logged->module_count && has_memory; m++) {
		const struct log_module *module = &logged->modules[m];
		objects[m + 1] = symbols_object(&job->log->symbols, module->path, module->build_id,
						module->build_id_bytes);
		has_memory = objects[m + 1] != SYMBOL_NONE;
	}
	for (uint32_t node = 1; node < trie->node_count && has_memory; node++) {
		const struct stack_node *entry = &trie->nodes[node];
		if ((used && !used[node]) || entry->module == 0 ||
		    entry->module > logged->module_count ||
		    !is_wanted(job, objects[entry->module], entry->offset))
			continue;
		has_memory = want(job, objects[entry->module], entry->offset);
	}
	free(objects);
	free(used);
	return has_memory;
}

static int by_object(const void *left, const void *right)
{
	const struct wanted *a = left;
	const struct wanted *b = right;
	if (a->object != b->object)
		return a->object < b->object ? -1 : 1;
	uint64_t a_address = RING_FRAME_ADDRESS(a->offset);
	uint64_t b_address = RING_FRAME_ADDRESS(b->offset);
	if (a_address != b_address)
		return a_address < b_address ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

static bool gather(struct job *job)
{
	job->count = 0;
	if (job->slots)
		memset(job->slots, 0, job->capacity * 2 * sizeof(*job->slots));
	for (uint32_t i = 0; i < job->log->replay.image_count; i++)
		if (!want_image(job, i))
			return false;
	if (job->count > 0)
		qsort(job->wanted, job->count, sizeof(*job->wanted), by_object);
	return true;
}

/* Notes what is known of the objects. returns false: no memory */
static bool prepare_objects(struct job *job)
{
	const struct symbols *symbols = &job->log->symbols;
	struct object_state *objects = calloc((size_t)symbols->object_count + 1, sizeof(*objects));
	if (!objects)
		return false;
	for (uint32_t i = 0; i < symbols->object_count && job->is_fetched; i++)
		objects[i].is_fetched = job->objects[i].is_fetched;
	free(job->objects);
	job->objects = objects;
	for (uint32_t i = 0; i < symbols->entry_count; i++)
		objects[symbols->entries[i].object].has_entries = true;
	for (size_t i = 0; i < job->count; i++)
		objects[job->wanted[i].object].wanted++;
	return true;
}

/* End of the share that begins at `first`. */
static size_t share_end(const struct job *job, size_t first)
{
	size_t end = first + 1;
	while (end < job->count && end - first < SHARE_ADDRESSES &&
	       job->wanted[end].object == job->wanted[first].object)
		end++;
	return end;
}

static int larger_first(const void *left, const void *right)
{
	const struct share *a = left;
	const struct share *b = right;
	size_t a_count = a->end - a->first;
	size_t b_count = b->end - b->first;
	if (a_count != b_count)
		return a_count > b_count ? -1 : 1;
	return (a->first > b->first) - (a->first < b->first);
}

static bool make_shares(struct job *job)
{
	size_t count = 0;
	for (size_t first = 0; first < job->count; first = share_end(job, first))
		count++;
	free(job->shares);
	job->share_count = 0;
	job->shares = malloc((count + 1) * sizeof(*job->shares));
	if (!job->shares)
		return false;
	for (size_t first = 0; first < job->count;) {
		size_t end = share_end(job, first);
		job->shares[job->share_count++] = (struct share){.first = first, .end = end};
		first = end;
	}
	qsort(job->shares, job->share_count, sizeof(*job->shares), larger_first);
	return true;
}

/* Each share, the largest first, goes to the worker that has least to do. */
static void deal_shares(struct job *job, unsigned worker_count)
{
	size_t loads[WORKERS_MAX] = {0};
	for (size_t i = 0; i < job->share_count; i++) {
		struct share *share = &job->shares[i];
		share->worker = 0;
		for (unsigned worker = 1; worker < worker_count; worker++)
			if (loads[worker] < loads[share->worker])
				share->worker = worker;
		loads[share->worker] += SHARE_BASE + share->end - share->first;
	}
}

static uint32_t add_text(struct symbols *symbols, const char *text)
{
	size_t length = text ? strnlen(text, LIMIT_STRING_BYTES) : 0;
	return length ? string_table_add(&symbols->strings, text, length) : 0;
}

/* Copies the frames of an entry of `found`. returns false: no memory */
static bool copy_frames(struct symbols *symbols, const struct symbols *found,
			const struct symbol_entry *entry)
{
	for (uint32_t f = 0; f < entry->frame_count; f++) {
		struct symbol_frame frame = found->frames[entry->first_frame + f];
		frame.function = add_text(symbols,
					  string_table_text(&found->strings, frame.function));
		frame.file = add_text(symbols, string_table_text(&found->strings, frame.file));
		if (frame.function == STRING_NONE || frame.file == STRING_NONE ||
		    !symbols_add_frame(symbols, &frame))
			return false;
	}
	return true;
}

/* What a worker has for a share. */
struct look_up {
	struct symbolizer *symbolizer;
	struct name_cache cache;
	bool has_cache;
	bool is_resolving; /* some address was not in the cache */
	uint64_t started_ns;
};

static bool resolve(struct symbols *found, struct symbolizer *symbolizer,
		    const struct wanted *wanted)
{
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	uint64_t address = RING_FRAME_ADDRESS(wanted->offset);
	size_t count = symbolizer_resolve(symbolizer, address, wanted->offset & RING_FRAME_EXACT,
					  frames);
	for (size_t i = 0; i < count; i++) {
		struct symbol_frame frame = {
			.function = add_text(found, frames[i].function),
			.file = add_text(found, frames[i].file),
			.line = frames[i].line,
			.is_inlined = frames[i].is_inlined,
		};
		if (frame.function == STRING_NONE || frame.file == STRING_NONE ||
		    !symbols_add_frame(found, &frame))
			return false;
	}
	return true;
}

/* Adds the frames of an address, from the cache if they are there. returns false: no memory */
static bool find_names(struct look_up *look_up, struct symbols *found, const struct wanted *wanted)
{
	struct symbols *cached = &look_up->cache.symbols;
	const struct symbol_entry *entry = NULL;
	if (look_up->has_cache)
		entry = symbols_find(cached, 0, wanted->offset);
	if (!symbols_add_entry(found, 0, wanted->offset))
		return false;
	if (entry)
		return copy_frames(found, cached, entry);
	look_up->is_resolving = true;
	if (!resolve(found, look_up->symbolizer, wanted))
		return false;
	if (!look_up->has_cache)
		return true;
	look_up->cache.is_changed = true;
	return symbols_add_entry(cached, 0, wanted->offset) &&
	       copy_frames(cached, found, &found->entries[found->entry_count - 1]);
}

static uint32_t quality_of(const struct look_up *look_up)
{
	return look_up->is_resolving ? (uint32_t)symbolizer_quality(look_up->symbolizer)
				     : look_up->cache.symbols.objects[0].quality;
}

/* Where answers go to: a pipe; or, without another process, memory. */
struct sink {
	int fd;
	struct buffer *kept; /* NULL: fd */
};

static bool send_all(int fd, const void *bytes, size_t size_bytes)
{
	for (size_t sent = 0; sent < size_bytes;) {
		ssize_t count = write(fd, (const char *)bytes + sent, size_bytes - sent);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return false;
		sent += (size_t)count;
	}
	return true;
}

static bool answer(const struct sink *sink, const void *bytes, size_t size_bytes)
{
	if (!sink->kept)
		return send_all(sink->fd, bytes, size_bytes);
	buffer_append(sink->kept, bytes, size_bytes);
	return !sink->kept->failed;
}

/* Looks up one chunk and sends the answer: object, length, symbols with one object. */
static bool answer_chunk(const struct job *job, struct look_up *look_up, size_t first, size_t end,
			 const struct sink *sink)
{
	struct symbols found;
	struct buffer fields = {0};
	uint8_t head[8];
	bool is_good = symbols_init(&found) && symbols_object(&found, "-", NULL, 0) == 0;
	for (size_t i = first; i < end && is_good; i++)
		is_good = find_names(look_up, &found, &job->wanted[i]);
	if (is_good) {
		found.objects[0].quality = quality_of(look_up);
		symbols_encode(&found, &fields);
		put_u32(head, job->wanted[first].object);
		put_u32(head + 4, (uint32_t)fields.size_bytes);
		is_good = !fields.failed && answer(sink, head, sizeof(head)) &&
			  answer(sink, fields.bytes, fields.size_bytes);
	}
	symbols_release(&found);
	buffer_release(&fields);
	return is_good;
}

/* share  that is going to be looked up; NULL: nothing */
static struct symbolizer *open_object(const struct job *job, uint32_t index,
				      const struct share *share)
{
	const struct symbol_object *object = &job->log->symbols.objects[index];
	const struct symbolize_options *options = job->options;
	struct symbolizer_object file = {
		.path = string_table_text(&job->log->symbols.strings, object->path),
		.build_id = object->build_id,
		.build_id_bytes = object->build_id_bytes,
		.fd = -1,
	};
	if (options->find_file)
		file.fd = options->find_file(options->context, file.path, file.build_id,
					     file.build_id_bytes);
	struct symbolizer_options how = options->symbolizer;
	how.uses_debuginfod = job->objects[index].is_fetched;
	uint64_t *addresses = share ? malloc((share->end - share->first) * sizeof(*addresses))
				    : NULL;
	for (size_t i = 0; addresses && i < share->end - share->first; i++)
		addresses[i] = RING_FRAME_ADDRESS(job->wanted[share->first + i].offset);
	file.addresses = addresses;
	file.address_count = addresses ? share->end - share->first : 0;
	struct symbolizer *symbolizer = symbolizer_new(&file, &how);
	free(addresses);
	return symbolizer;
}

static bool answer_chunks(const struct job *job, struct look_up *look_up, const struct share *share,
			  const struct sink *sink)
{
	for (size_t first = share->first; first < share->end;) {
		size_t left = share->end - first;
		size_t end = first + (left < CHUNK_ADDRESSES ? left : CHUNK_ADDRESSES);
		if (!answer_chunk(job, look_up, first, end, sink))
			return false;
		first = end;
	}
	return true;
}

static uint64_t cpu_ns(void)
{
	struct timespec now = {0};
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* every kernel has it */
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void open_cache(const struct job *job, struct look_up *look_up, uint32_t index)
{
	const struct symbol_object *object = &job->log->symbols.objects[index];
	uint64_t stamp = job->options->has_cache ? symbolizer_stamp(look_up->symbolizer) : 0;
	look_up->has_cache = stamp != 0 &&
			     name_cache_open(&look_up->cache, job->options->cache_fd,
					     object->build_id, object->build_id_bytes, stamp);
}

/* Keeps what was found, if it took long enough to be worth it. */
static void close_cache(struct look_up *look_up, bool is_good)
{
	struct name_cache *cache = &look_up->cache;
	if (!look_up->has_cache)
		return;
	if (is_good && cache->is_changed && symbolizer_is_stamped(look_up->symbolizer) &&
	    cpu_ns() - look_up->started_ns >= CACHE_NS_MIN) {
		cache->symbols.objects[0].quality = quality_of(look_up);
		name_cache_save(cache);
	}
	name_cache_release(cache);
}

/* Looks up a share, and sends the answers. returns false: no memory, or nobody listens */
static bool answer_share(const struct job *job, const struct share *share, const struct sink *sink)
{
	uint32_t object = job->wanted[share->first].object;
	struct look_up look_up = {.started_ns = cpu_ns()};
	look_up.symbolizer = open_object(job, object, share);
	if (!look_up.symbolizer)
		return false;
	open_cache(job, &look_up, object);
	bool is_good = answer_chunks(job, &look_up, share, sink);
	close_cache(&look_up, is_good);
	symbolizer_free(look_up.symbolizer);
	return is_good;
}

/* A worker's life. */
static void work(const struct job *job, unsigned worker, int fd)
{
	const struct sink sink = {.fd = fd};
	bool is_good = true;
	for (size_t i = 0; i < job->share_count && is_good; i++)
		if (job->shares[i].worker == worker)
			is_good = answer_share(job, &job->shares[i], &sink);
}

static bool start_worker(const struct job *job, struct worker *worker, unsigned number)
{
	int ends[2];
	if (pipe(ends) != 0)
		return false;
	pid_t parent = getpid();
	worker->pid = fork();
	if (worker->pid == 0) {
		(void)close(ends[0]);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* valid arguments */
		if (getppid() == parent)
			work(job, number, ends[1]);
		_exit(0);
	}
	(void)close(ends[1]);
	worker->fd = ends[0];
	if (worker->pid < 0) {
		(void)close(ends[0]);
		worker->fd = -1;
	}
	return worker->pid > 0;
}

/*
 * Takes over what a chunk's answer says of `object`: what was not looked up before, and what is
 * known better now. returns false: no memory
 */
static bool take_answer(struct job *job, uint32_t object, const struct symbols *found)
{
	struct symbols *symbols = &job->log->symbols;
	struct object_state *state = &job->objects[object];
	bool is_better = found->objects[0].quality < symbols->objects[object].quality;
	state->quality = found->objects[0].quality;
	for (uint32_t i = 0; i < found->entry_count; i++) {
		const struct symbol_entry *entry = &found->entries[i];
		state->answered++;
		job->done++;
		if (symbols_find(symbols, object, entry->offset)) {
			if (!is_better)
				continue;
			symbols_renew_entry(symbols, object, entry->offset);
		} else if (!symbols_add_entry(symbols, object, entry->offset)) {
			return false;
		}
		job->changed++;
		if (!copy_frames(symbols, found, entry))
			return false;
	}
	return true;
}

/*
 * An object is as good as its answers, but for one that was known before: it only gets better, and
 * only when all of its addresses have.
 */
static void settle_objects(struct job *job)
{
	struct symbols *symbols = &job->log->symbols;
	for (uint32_t i = 0; i < symbols->object_count; i++) {
		const struct object_state *state = &job->objects[i];
		if (state->answered > 0 && state->quality == SYMBOLIZER_MISMATCH)
			job->stale = i;
		if (state->answered > 0 &&
		    (!state->has_entries || (state->answered == state->wanted &&
					     state->quality < symbols->objects[i].quality)))
			symbols->objects[i].quality = state->quality;
	}
}

/* Uses up whole answers of what a worker has sent. returns false: no memory */
static bool take_answers(struct job *job, struct worker *worker)
{
	const struct buffer *received = &worker->received;
	bool has_memory = true;
	while (has_memory && received->size_bytes - worker->used >= 8) {
		const uint8_t *head = received->bytes + worker->used;
		uint32_t object = get_u32(head);
		size_t size_bytes = get_u32(head + 4);
		if (received->size_bytes - worker->used - 8 < size_bytes)
			break;
		struct symbols found;
		struct mt_error error;
		struct byte_reader payload = byte_reader_over(head + 8, size_bytes);
		has_memory = symbols_init(&found);
		if (has_memory && symbols_decode(&found, &payload, &error) == MT_OK &&
		    found.object_count == 1 && object < job->log->symbols.object_count)
			has_memory = take_answer(job, object, &found);
		symbols_release(&found);
		worker->used += 8 + size_bytes;
	}
	if (worker->used == received->size_bytes) {
		buffer_clear(&worker->received);
		worker->used = 0;
	}
	return has_memory;
}

/* Reads what a worker has sent. returns false: no memory */
static bool listen_to(struct job *job, struct worker *worker)
{
	if (!buffer_reserve(&worker->received, 1u << 16))
		return false;
	ssize_t count = read(worker->fd, worker->received.bytes + worker->received.size_bytes,
			     1u << 16);
	if (count < 0 && errno == EINTR)
		return true;
	if (count <= 0) {
		(void)close(worker->fd);
		worker->fd = -1;
		return true;
	}
	worker->received.size_bytes += (size_t)count;
	return take_answers(job, worker);
}

static int left_ms(const struct job *job)
{
	uint64_t now = now_ms();
	uint64_t step = 250;
	if (job->deadline_ms == 0)
		return (int)step;
	if (now >= job->deadline_ms)
		return 0;
	return (int)(job->deadline_ms - now < step ? job->deadline_ms - now : step);
}

static enum mt_status supervise(struct job *job, struct worker *workers, unsigned count,
				struct mt_error *error)
{
	for (;;) {
		struct pollfd entries[WORKERS_MAX];
		unsigned open_count = 0;
		for (unsigned i = 0; i < count; i++) {
			entries[i] = (struct pollfd){.fd = workers[i].fd, .events = POLLIN};
			open_count += workers[i].fd >= 0;
		}
		int wait_ms = left_ms(job);
		if (open_count == 0 || wait_ms == 0)
			return MT_OK;
		(void)poll(entries, count, wait_ms); /* interrupted: once more */
		for (unsigned i = 0; i < count; i++)
			if (workers[i].fd >= 0 && entries[i].revents &&
			    !listen_to(job, &workers[i]))
				return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for names");
		if (job->options->progress)
			job->options->progress(job->options->context, job->done, job->count);
	}
}

static void end_workers(struct worker *workers, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (workers[i].fd >= 0) {
			(void)close(workers[i].fd);
			(void)kill(workers[i].pid, SIGKILL); /* our own child, not waited for yet */
		}
		if (workers[i].pid > 0)
			while (waitpid(workers[i].pid, NULL, 0) < 0 && errno == EINTR)
				;
		buffer_release(&workers[i].received);
	}
}

/* Where workers from number `first` on can't be started: their work, one share after the other. */
static enum mt_status work_alone(struct job *job, unsigned first, struct mt_error *error)
{
	struct worker self = {.fd = -1};
	const struct sink sink = {.fd = -1, .kept = &self.received};
	bool has_memory = true;
	for (size_t i = 0; i < job->share_count && has_memory && left_ms(job) > 0; i++) {
		if (job->shares[i].worker < first)
			continue;
		/* What can't be opened has no names, as in a worker. */
		(void)answer_share(job, &job->shares[i], &sink);
		has_memory = !self.received.failed && take_answers(job, &self);
		if (job->options->progress)
			job->options->progress(job->options->context, job->done, job->count);
	}
	buffer_release(&self.received);
	return has_memory ? MT_OK : mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for names");
}

static unsigned choose_worker_count(const struct job *job)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned count = processors > 0 ? (unsigned)processors : 1;
	count = count < WORKERS_MAX ? count : WORKERS_MAX;
	return job->share_count < count ? (unsigned)job->share_count : count;
}

/* Looks up what is wanted, in several processes as far as they can be had. */
static enum mt_status look_up(struct job *job, struct mt_error *error)
{
	struct worker workers[WORKERS_MAX];
	if (!gather(job) || !prepare_objects(job) || !make_shares(job))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for names");
	unsigned count = choose_worker_count(job);
	unsigned started = 0;
	deal_shares(job, count);
	job->done = 0;
	for (; started < count; started++) {
		workers[started] = (struct worker){.fd = -1};
		if (!start_worker(job, &workers[started], started))
			break;
	}
	enum mt_status status = supervise(job, workers, started, error);
	end_workers(workers, started);
	if (status == MT_OK && started < count)
		status = work_alone(job, started, error);
	settle_objects(job);
	return status;
}

/* In a process of its own: opens an object with the help of the servers, and says how good it is.
 */
static void fetch(const struct job *job, uint32_t object, int fd)
{
	job->objects[object].is_fetched = true;
	struct symbolizer *symbolizer = open_object(job, object, NULL);
	uint8_t quality = symbolizer ? (uint8_t)symbolizer_quality(symbolizer) : SYMBOLIZER_NONE;
	(void)send_all(fd, &quality, sizeof(quality)); /* without an answer nothing was fetched */
}

/* Waits for the answer of a process that fetches. returns the quality; SYMBOLIZER_MISSING: none */
static uint8_t await_fetch(int fd, uint64_t until_ms)
{
	for (;;) {
		struct pollfd entry = {.fd = fd, .events = POLLIN};
		uint8_t quality;
		uint64_t now = now_ms();
		if (now >= until_ms)
			return SYMBOLIZER_MISSING;
		if (poll(&entry, 1, (int)(until_ms - now)) <= 0)
			continue;
		ssize_t count = read(fd, &quality, sizeof(quality));
		if (count < 0 && errno == EINTR)
			continue;
		return count == 1 ? quality : SYMBOLIZER_MISSING;
	}
}

/*
 * Has the client of debuginfod fetch an object's files, which it keeps in its cache, and notes if
 * there is more to know now. A server that hangs, or a file that breaks libdw, costs this object
 * only.
 */
static void fetch_object(struct job *job, uint32_t object, uint64_t until_ms)
{
	int ends[2];
	const struct symbols *symbols = &job->log->symbols;
	if (job->options->fetching)
		job->options->fetching(
			job->options->context,
			string_table_text(&symbols->strings, symbols->objects[object].path));
	if (pipe(ends) != 0)
		return;
	pid_t parent = getpid();
	pid_t child = fork();
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* valid arguments */
		if (getppid() == parent)
			fetch(job, object, ends[1]);
		_exit(0);
	}
	(void)close(ends[1]);
	if (child > 0) {
		uint64_t limit_ms = now_ms() + FETCH_LIMIT_MS;
		uint8_t quality = await_fetch(ends[0], limit_ms < until_ms ? limit_ms : until_ms);
		job->objects[object].is_fetched = quality < symbols->objects[object].quality;
		(void)kill(child, SIGKILL); /* our own child, not waited for yet */
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	(void)close(ends[0]);
}

/* Fetches what is missing of objects that have addresses. returns whether there was any */
static bool fetch_objects(struct job *job)
{
	const struct symbols *symbols = &job->log->symbols;
	uint64_t until_ms = now_ms() + FETCH_ALL_LIMIT_MS;
	bool is_any = false;
	for (uint32_t i = 0; i < symbols->object_count && now_ms() < until_ms; i++) {
		const struct object_state *state = &job->objects[i];
		if ((state->has_entries || state->wanted > 0) &&
		    symbols->objects[i].build_id_bytes > 0 &&
		    symbols->objects[i].quality != SYMBOLIZER_FULL)
			fetch_object(job, i, until_ms);
		is_any = is_any || state->is_fetched;
	}
	return is_any;
}

enum mt_status symbolize_log(struct loaded_log *log, const struct symbolize_options *options,
			     struct symbolize_result *ret_result, struct mt_error *error)
{
	struct job job = {.log = log, .options = options, .stale = SYMBOL_NONE};
	if (options->limit_ms)
		job.deadline_ms = now_ms() + options->limit_ms;
	enum mt_status status = jit_names_add(log, "/tmp", &job.changed)
					? look_up(&job, error)
					: mt_error_set(error, MT_ERR_NO_MEMORY,
						       "no memory for names");
	*ret_result = (struct symbolize_result){.addresses = job.count,
						.missing = job.count - job.done};
	if (status == MT_OK && options->symbolizer.uses_debuginfod && fetch_objects(&job)) {
		job.is_fetched = true;
		if (job.stale != SYMBOL_NONE && job.objects[job.stale].is_fetched)
			job.stale = SYMBOL_NONE; /* a server has the right one */
		status = look_up(&job, error);
	}
	ret_result->changed = job.changed;
	ret_result->stale = job.stale;
	free(job.shares);
	free(job.slots);
	free(job.wanted);
	free(job.objects);
	log->has_symbols = log->has_symbols || status == MT_OK;
	return status;
}
