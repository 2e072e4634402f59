/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work is cut into chunks: some addresses of one object. A worker takes its chunks in turn and
 * answers, chunk by chunk, with symbols in the encoding of a SYMBOLS block behind their length, so
 * what has arrived can be used whatever becomes of the worker.
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

#include "common/format.h"
#include "common/ring.h"

#define CHUNK_ADDRESSES 2000u
#define WORKERS_MAX 8u

struct wanted {
	uint32_t object;
	uint64_t offset; /* with its RING_FRAME_* flags */
};

struct worker {
	pid_t pid;
	int fd; /* -1: done */
	struct buffer received;
	size_t used;
};

struct job {
	struct loaded_log *log;
	const struct symbolize_options *options;
	struct wanted *wanted; /* [count] by object and offset */
	size_t count;
	size_t capacity;
	uint64_t done;
	uint64_t deadline_ms;
};

static uint64_t now_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool want(struct job *job, uint32_t object, uint64_t offset)
{
	if (job->count == job->capacity) {
		size_t capacity = job->capacity ? job->capacity * 2 : 1024;
		struct wanted *grown = realloc(job->wanted, capacity * sizeof(*grown));
		if (!grown)
			return false;
		job->wanted = grown;
		job->capacity = capacity;
	}
	job->wanted[job->count++] = (struct wanted){.object = object, .offset = offset};
	return true;
}

static bool want_image(struct job *job, uint32_t index)
{
	const struct log_image *logged = &job->log->info.images[index];
	const struct stack_trie *trie = &job->log->replay.images[index]->trie;
	uint32_t *objects = calloc((size_t)logged->module_count + 1, sizeof(*objects));
	bool has_memory = objects != NULL;
	for (uint32_t m = 0; m < logged->module_count && has_memory; m++) {
		const struct log_module *module = &logged->modules[m];
		objects[m + 1] = symbols_object(&job->log->symbols, module->path, module->build_id,
						module->build_id_bytes);
		has_memory = objects[m + 1] != SYMBOL_NONE;
	}
	for (uint32_t node = 1; node < trie->node_count && has_memory; node++) {
		const struct stack_node *entry = &trie->nodes[node];
		if (entry->module == 0 || entry->module > logged->module_count ||
		    symbols_find(&job->log->symbols, objects[entry->module], entry->offset))
			continue;
		has_memory = want(job, objects[entry->module], entry->offset);
	}
	free(objects);
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
	for (uint32_t i = 0; i < job->log->replay.image_count; i++)
		if (!want_image(job, i))
			return false;
	if (job->count == 0)
		return true;
	qsort(job->wanted, job->count, sizeof(*job->wanted), by_object);
	size_t kept = 1;
	for (size_t i = 1; i < job->count; i++)
		if (by_object(&job->wanted[i], &job->wanted[kept - 1]) != 0)
			job->wanted[kept++] = job->wanted[i];
	job->count = kept;
	return true;
}

/* End of the chunk that begins at `first`: addresses of one object. */
static size_t chunk_end(const struct job *job, size_t first)
{
	size_t end = first + 1;
	while (end < job->count && end - first < CHUNK_ADDRESSES &&
	       job->wanted[end].object == job->wanted[first].object)
		end++;
	return end;
}

static uint32_t add_text(struct symbols *symbols, const char *text)
{
	size_t length = text ? strnlen(text, LIMIT_STRING_BYTES) : 0;
	return length ? string_table_add(&symbols->strings, text, length) : 0;
}

static bool resolve(struct symbols *found, struct symbolizer *symbolizer,
		    const struct wanted *wanted)
{
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	uint64_t address = RING_FRAME_ADDRESS(wanted->offset);
	size_t count = symbolizer_resolve(symbolizer, address, wanted->offset & RING_FRAME_EXACT,
					  frames);
	if (!symbols_add_entry(found, 0, wanted->offset))
		return false;
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

/* Looks up one chunk and sends the answer: object, length, symbols with one object. */
static bool answer_chunk(const struct job *job, struct symbolizer *symbolizer, size_t first,
			 size_t end, int fd)
{
	struct symbols found;
	struct buffer fields = {0};
	uint8_t head[8];
	bool is_good = symbols_init(&found) && symbols_object(&found, "-", NULL, 0) == 0;
	for (size_t i = first; i < end && is_good; i++)
		is_good = resolve(&found, symbolizer, &job->wanted[i]);
	if (is_good) {
		found.objects[0].quality = (uint32_t)symbolizer_quality(symbolizer);
		symbols_encode(&found, &fields);
		put_u32(head, job->wanted[first].object);
		put_u32(head + 4, (uint32_t)fields.size_bytes);
		is_good = !fields.failed && send_all(fd, head, sizeof(head)) &&
			  send_all(fd, fields.bytes, fields.size_bytes);
	}
	symbols_release(&found);
	buffer_release(&fields);
	return is_good;
}

static struct symbolizer *open_object(const struct job *job, uint32_t index)
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
	return symbolizer_new(&file, &options->symbolizer);
}

/* A worker's life: every `worker_count`th chunk. */
static void work(const struct job *job, unsigned worker, unsigned worker_count, int fd)
{
	struct symbolizer *symbolizer = NULL;
	uint32_t opened = SYMBOL_NONE;
	unsigned turn = 0;
	for (size_t first = 0; first < job->count; turn++) {
		size_t end = chunk_end(job, first);
		if (turn % worker_count == worker) {
			if (job->wanted[first].object != opened) {
				symbolizer_free(symbolizer);
				opened = job->wanted[first].object;
				symbolizer = open_object(job, opened);
			}
			if (!symbolizer || !answer_chunk(job, symbolizer, first, end, fd))
				return;
		}
		first = end;
	}
	/* The process ends here: no need to free the symbolizer's memory piece by piece. */
}

static bool start_worker(const struct job *job, struct worker *worker, unsigned number,
			 unsigned count)
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
			work(job, number, count, ends[1]);
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

/* Takes over what a chunk's answer says of `object`. returns false: no memory */
static bool take_answer(struct job *job, uint32_t object, const struct symbols *found)
{
	struct symbols *symbols = &job->log->symbols;
	symbols->objects[object].quality = found->objects[0].quality;
	for (uint32_t i = 0; i < found->entry_count; i++) {
		const struct symbol_entry *entry = &found->entries[i];
		if (symbols_find(symbols, object, entry->offset))
			continue;
		if (!symbols_add_entry(symbols, object, entry->offset))
			return false;
		for (uint32_t f = 0; f < entry->frame_count; f++) {
			struct symbol_frame frame = found->frames[entry->first_frame + f];
			frame.function = add_text(
				symbols, string_table_text(&found->strings, frame.function));
			frame.file = add_text(symbols,
					      string_table_text(&found->strings, frame.file));
			if (frame.function == STRING_NONE || frame.file == STRING_NONE ||
			    !symbols_add_frame(symbols, &frame))
				return false;
		}
		job->done++;
	}
	return true;
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

static unsigned choose_worker_count(const struct job *job)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t chunks = 0;
	for (size_t first = 0; first < job->count; first = chunk_end(job, first))
		chunks++;
	unsigned count = processors > 0 ? (unsigned)processors : 1;
	count = count < WORKERS_MAX ? count : WORKERS_MAX;
	return chunks < count ? (unsigned)chunks : count;
}

enum mt_status symbolize_log(struct loaded_log *log, const struct symbolize_options *options,
			     struct symbolize_result *ret_result, struct mt_error *error)
{
	struct job job = {.log = log, .options = options};
	struct worker workers[WORKERS_MAX];
	enum mt_status status = MT_OK;
	if (options->limit_ms)
		job.deadline_ms = now_ms() + options->limit_ms;
	if (!gather(&job)) {
		free(job.wanted);
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for names");
	}
	unsigned count = choose_worker_count(&job);
	unsigned started = 0;
	for (; started < count; started++) {
		workers[started] = (struct worker){.fd = -1};
		if (!start_worker(&job, &workers[started], started, count))
			break;
	}
	if (started < count)
		status = mt_error_set_errno(error, errno,
					    "cannot start a process to look up names");
	else
		status = supervise(&job, workers, count, error);
	end_workers(workers, started);
	*ret_result = (struct symbolize_result){.addresses = job.count,
						.missing = job.count - job.done};
	free(job.wanted);
	log->has_symbols = log->has_symbols || status == MT_OK;
	return status;
}
