/* SPDX-License-Identifier: MIT */
#include "common/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(struct arena *arena, const void *data, size_t len)
{
	const unsigned char *in = data;
	char *out = arena_alloc(arena, (len + 2) / 3 * 4 + 1);
	char *to = out;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t bits = (uint32_t)in[i] << 16;

		if (left > 1)
			bits |= (uint32_t)in[i + 1] << 8;
		if (left > 2)
			bits |= in[i + 2];
		*to++ = alphabet[bits >> 18];
		*to++ = alphabet[bits >> 12 & 63];
		*to++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
		*to++ = left > 2 ? alphabet[bits & 63] : '=';
	}
	return out;
}

static int value_of(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

char *base64_decode(struct arena *arena, const char *text, size_t *len)
{
	size_t chars = strlen(text);
	size_t padding = 0;
	char *out = arena_alloc(arena, chars / 4 * 3 + 1);
	char *to = out;

	if (chars % 4)
		return NULL;
	while (padding < 2 && chars > padding && text[chars - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < chars; i += 4) {
		size_t keep = i + 4 == chars ? 3 - padding : 3;
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int value = k > keep ? 0 : value_of(text[i + k]);

			if (value < 0)
				return NULL;
			bits = bits << 6 | (uint32_t)value;
		}
		/* Bits that padding throws away must be zero: one text per value. */
		if (keep < 3 && (bits & (keep == 1 ? 0xffffU : 0xffU)))
			return NULL;
		*to++ = (char)(bits >> 16);
		if (keep > 1)
			*to++ = (char)(bits >> 8);
		if (keep > 2)
			*to++ = (char)bits;
	}
	*len = (size_t)(to - out);
	out[*len] = '\0';
	return out;
}
