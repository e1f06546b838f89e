/* SPDX-License-Identifier: MIT */
#include "common/arena.h"

#include "common/mem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
enum { BLOCK_BYTES = 0 }; /* each piece its own block */
#else
enum { BLOCK_BYTES = 16000 };
#endif

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	max_align_t data[];
};

static struct arena_block *block_for(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->blocks;

	if (block && block->size - block->used >= size)
		return block;
	if (size <= BLOCK_BYTES)
		size = BLOCK_BYTES;
	block = xrealloc(NULL, sizeof(*block) + size);
	*block = (struct arena_block){.next = arena->blocks, .size = size};
	arena->blocks = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size_t unit = _Alignof(max_align_t);
	size_t rounded = size ? (size + unit - 1) / unit * unit : unit;
	struct arena_block *block;
	char *piece;

	if (rounded < size)
		abort();
	/* Alone in its block, a piece ends where the sanitizer's red zone begins. */
	block = block_for(arena, BLOCK_BYTES ? rounded : size + (size == 0));
	piece = (char *)block->data + block->used;
	block->used = BLOCK_BYTES ? block->used + rounded : block->size;
	arena->bytes += size;
	return memset(piece, 0, size);
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
	size_t used = strnlen(text, len);
	char *copy = arena_alloc(arena, used + 1);

	memcpy(copy, text, used);
	return copy;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	CLEANUP(free_str)
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0)
		abort();
	return arena_strndup(arena, text, (size_t)len);
}

void arena_reset(struct arena *arena)
{
	while (arena->blocks) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
	arena->bytes = 0;
}

void arena_recycle(struct arena *arena)
{
	struct arena_block *kept = arena->blocks;

	if (!kept || kept->size > BLOCK_BYTES) {
		arena_reset(arena);
		return;
	}
	arena->blocks = kept->next;
	arena_reset(arena);
	*kept = (struct arena_block){.size = kept->size};
	arena->blocks = kept;
}
