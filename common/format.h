/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The vocabulary that tracker, collector and reader share, and every limit on bytes that come
 * from outside. docs/log_format.md is the normative text; the numbers here are its tags.
 *
 * Tags and kinds are never reused: a reader accepts every released version of the log.
 */
#ifndef MEMTRACE_COMMON_FORMAT_H
#define MEMTRACE_COMMON_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define LOG_MAGIC "MTLOG\r\n\032"
#define LOG_MAGIC_BYTES 8
#define LOG_VERSION 1

/* Which function an allocation came from. Stored with each event; four bits in a ring record. */
#define ALLOCATION_KINDS(X)                                                                        \
	X(0, MALLOC, "malloc")                                                                     \
	X(1, CALLOC, "calloc")                                                                     \
	X(2, REALLOC, "realloc")                                                                   \
	X(3, ALIGNED, "aligned")                                                                   \
	X(4, MMAP, "mmap")                                                                         \
	X(5, BRK, "brk")                                                                           \
	X(6, POOL, "pool")

enum allocation_kind {
#define X(number, name, text) ALLOCATION_##name = number,
	ALLOCATION_KINDS(X)
#undef X
		ALLOCATION_KIND_COUNT
};
static_assert(ALLOCATION_KIND_COUNT <= 16, "a kind has four bits");

/* What a mapping is of. Stored in MAPPINGS blocks. */
#define MAPPING_SOURCES(X)                                                                         \
	X(0, ANONYMOUS, "anonymous")                                                               \
	X(1, RESERVED, "reserved") /* anonymous, and without access when it was made */            \
	X(2, SHARED, "shared")     /* anonymous, shared with forked children */                    \
	X(3, FILE, "file")                                                                         \
	X(4, SHARED_FILE, "shared file")                                                           \
	X(5, BREAK, "break") /* the heap segment, grown with brk or sbrk */                        \
	X(6, MOVED, "moved") /* what the thread's last unmapping took away, by mremap */

enum mapping_source {
#define X(number, name, text) MAPPING_##name = number,
	MAPPING_SOURCES(X)
#undef X
		MAPPING_SOURCE_COUNT
};

/* Block kinds of the log, see docs/log_format.md, "Blocks". */
enum log_block_kind {
	LOG_BLOCK_RUN = 1,       /* what was recorded, on which machine, how */
	LOG_BLOCK_IMAGE = 2,     /* one process image of the tree begins */
	LOG_BLOCK_MODULE = 3,    /* an ELF object was loaded into an image */
	LOG_BLOCK_UNLOAD = 4,    /* and unloaded */
	LOG_BLOCK_THREAD = 5,    /* a thread of an image, or its new name */
	LOG_BLOCK_EVENTS = 6,    /* columns of events of one image */
	LOG_BLOCK_SAMPLES = 7,   /* resident memory of images over time */
	LOG_BLOCK_IMAGE_END = 8, /* an image ended */
	LOG_BLOCK_UNTRACED = 9,  /* a child that could not be traced, and why */
	LOG_BLOCK_END = 10,      /* the recording ended: how, and what was lost */
	LOG_BLOCK_COMMIT = 11,   /* everything before it is consistent */
	LOG_BLOCK_SYMBOLS = 12,  /* functions, files and lines of addresses */
	LOG_BLOCK_PROFILE = 13,  /* sums of a finished recording */
	LOG_BLOCK_INDEX = 14,    /* where the blocks are; the last one */
	LOG_BLOCK_LEAKS = 15,    /* what a leak scan of an image found */
	LOG_BLOCK_REPLAY = 16, /* checkpoints, lifetimes and generations of a finished recording */
	LOG_BLOCK_MAPPINGS = 17, /* what an image mapped and unmapped */
	LOG_BLOCK_MARKER = 19,   /* what an image wanted to have noted */
	LOG_BLOCK_SLACK = 20,    /* how much larger an image's blocks are than asked for */
};

/* What a leak scan says of a live block. Stored in LEAKS blocks. */
enum leak_kind {
	LEAK_DEFINITE = 0,     /* no pointer to it was found */
	LEAK_INDIRECT = 1,     /* only lost blocks point to it */
	LEAK_POSSIBLE = 2,     /* only pointers into its inside */
	LEAK_REACHABLE = 3,    /* there is a way to it from a root */
	LEAK_UNCLASSIFIED = 4, /* no scan was made; never stored */
};

enum leak_scan_flags {
	LEAK_SCAN_THREAD_NOT_PARKED = 1, /* a thread's whole stack was taken as a root */
	LEAK_SCAN_INCOMPLETE = 2,        /* memory could not be read: no verdict */
	LEAK_SCAN_ON_REQUEST = 4,        /* while the program ran; else at its end */
	LEAK_SCAN_TURNED_OFF = 8,        /* the program wants no leak of its own to count */
	LEAK_SCAN_HAS_SUPPRESSIONS = 16, /* of the program: their text follows the flags */
	LEAK_SCAN_HAS_PATHS = 32,        /* groups have the blocks that lead to them */
	LEAK_SCAN_NO_PROC = 64,          /* incomplete because /proc could not be opened */
	LEAK_SCAN_HAS_SUMS = 128,        /* of some kinds there are sums only, and no groups */
};

/* Limits: a value above one of these is refused before anything is allocated for it. */
#define LIMIT_BLOCK_BYTES (64u << 20)       /* a block, stored or unpacked */
#define LIMIT_BLOCK_EVENTS (1u << 20)       /* events of one block */
#define LIMIT_BLOCK_NODES (1u << 20)        /* stack nodes that one block defines */
#define LIMIT_STACK_NODES (1u << 28)        /* stack nodes of one image */
#define LIMIT_IMAGES (1u << 20)             /* process images of a log */
#define LIMIT_THREADS (1u << 22)            /* threads of an image, over its whole life */
#define LIMIT_MODULES ((1u << 16) - 1)      /* modules of an image, over its whole life */
#define LIMIT_STRING_BYTES (64u << 10)      /* a path, a command line, a name */
#define LIMIT_SUPPRESSIONS_BYTES (1u << 20) /* text of a program's own suppressions */
#define LIMIT_BUILD_ID_BYTES 64
#define LIMIT_MARKER_BYTES 255   /* a marker's text */
#define LIMIT_MARKERS (1u << 20) /* of a log: further ones are dropped */
#define LIMIT_FRAMES 1024        /* frames of a stack trace: deeper ones lose the outermost */
#define LIMIT_ADDRESS_BITS 57    /* of a user-space address */

/* How a finished or interrupted recording lost something (flags). */
enum log_loss {
	LOG_LOSS_NONE = 0,
	LOG_LOSS_BACK_PRESSURE = 1, /* the collector made no progress for seconds */
	LOG_LOSS_NO_MEMORY = 2,     /* the tracker got no memory for a thread */
	LOG_LOSS_WRITE = 4,         /* the log could not be written: full disk, file size limit */
	LOG_LOSS_COLLECTOR = 8,     /* the collector ended before the program did */
	LOG_LOSS_TRUNCATED = 16,    /* the file is cut off */
	LOG_LOSS_NONSENSE = 32,     /* a process wrote over the tracker's memory */
	LOG_LOSS_NO_ROOM = 64,      /* more threads or processes at a time than there is room for */
};

#endif
